"""The real renderer for tests, built when it is missing."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from e2e import tools
from hub.build.render import RenderLimits, RenderPool


def renderer() -> Path:
    named = os.environ.get("CARTWHEEL_RENDER")
    return Path(named) if named else tools.ensure("render")


@asynccontextmanager
async def renderers(size: int = 1, limits: RenderLimits | None = None) -> AsyncIterator[RenderPool]:
    pool = RenderPool(renderer(), size, limits or RenderLimits(time_s=30, memory_bytes=512 << 20))
    try:
        yield pool
    finally:
        await pool.close()


def tree(**files: str) -> dict[str, bytes]:
    """Make a tree; a double underscore in a name is a slash and a single one before the suffix a dot."""
    return {name.replace("__", "/").replace("_", "."): content.encode() for name, content in files.items()}


def config_map(name: str, data: str = "") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n" + (
        f"data:\n  {data}\n" if data else ""
    )
