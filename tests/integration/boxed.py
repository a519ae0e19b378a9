"""Small fleets in a box, with waiting times a tenth of those of production, and what is committed to them."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from agent.kit.clock import SystemClock
from hub.cli.manifests import running_rights
from hub.sandbox.box import Box, Plan, box
from tests.hub.build.adapter import renderer

PATIENCE_S = 30.0
IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


class Repository:
    """A clone that pushes to a bare repository."""

    def __init__(self, root: Path) -> None:
        self.bare, self.clone = root / "git" / "app", root / "clone"
        root.joinpath("git").mkdir()
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(root, "clone", "--quiet", str(self.bare), str(self.clone))

    def commit(self, greeting: str) -> None:
        metadata = "metadata: {name: settings, namespace: default}"
        text = f"apiVersion: v1\nkind: ConfigMap\n{metadata}\ndata: {{greeting: {greeting}}}\n"
        (self.clone / "settings.yaml").write_text(text)
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", greeting)
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")


def small_box(
    folder: Path, workloads: Mapping[str, Mapping[str, str]], **environment: str
) -> AbstractAsyncContextManager[Box]:
    """Run a fleet under the rights of an installation. `environment` are further settings of hub and agents."""
    hub_rights, agent_rights = running_rights()
    quick = {"CARTWHEEL_TIME_SCALE": "0.1", "CARTWHEEL_RENDERERS": "1", "CARTWHEEL_GIT_WORKERS": "1"}
    plan = Plan(
        folder=folder,
        render=renderer(),
        workloads=workloads,
        hub_rights=hub_rights,
        agent_rights=agent_rights,
        environment=quick | environment,
    )
    return box(plan, clock=SystemClock())


async def until(holds: Callable[[], Awaitable[Any]], *, patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(patience_s):
        while not await holds():
            await asyncio.sleep(0.05)
