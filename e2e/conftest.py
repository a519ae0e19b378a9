"""Real planes, once per run: one management cluster and two workload clusters, and a namespace of its own for every test."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
from e2e.servers.git_http import GitHttp

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory: planes and repositories write many small files."""
    with memory_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def planes(memory: Path) -> Iterator[dict[str, Plane]]:
    """All planes, started side by side."""
    found = {name: Plane(name, memory) for name in ("management", "east", "west")}
    try:
        for plane in found.values():
            plane.begin()
        for plane in found.values():
            plane.finish()
        yield found
    finally:
        for plane in found.values():
            plane.stop()


@pytest.fixture(scope="session")
def management(planes: dict[str, Plane]) -> Plane:
    return planes["management"]


@pytest.fixture(scope="session")
def east(planes: dict[str, Plane]) -> Plane:
    return planes["east"]


@pytest.fixture(scope="session")
def west(planes: dict[str, Plane]) -> Plane:
    return planes["west"]


@pytest.fixture(scope="session")
def git_server(memory: Path) -> Iterator[GitHttp]:
    """A Git server over HTTP that anybody may read; tests make repositories of their own on it."""
    with GitHttp(memory / "git") as server:
        yield server


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """Return a name for this test's namespaces; who needs it on a plane creates it there."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    return f"{name[:40].strip('-')}-{next(_NUMBERS)}"
