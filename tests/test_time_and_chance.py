"""Time, chance and tasks pass through the kit alone: a simulation could not replace what goes around it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    path
    for package in ("agent", "hub")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not path.is_relative_to(ROOT / "agent" / "kit")
]
FORBIDDEN_CALLS = {
    "asyncio.sleep",
    "asyncio.create_task",
    "asyncio.ensure_future",
    "datetime.now",
    "datetime.utcnow",
}
FORBIDDEN_MODULES = {"time", "random"}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name in FORBIDDEN_MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module in FORBIDDEN_MODULES:
                    yield module
                yield from (
                    f"{module}.{name.name}" for name in names if f"{module}.{name.name}" in FORBIDDEN_CALLS
                )
            case ast.Attribute() if any(ast.unparse(node).endswith(name) for name in FORBIDDEN_CALLS):
                yield ast.unparse(node)
            case ast.Attribute(attr="create_task"):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_takes_its_time_from_the_clock(path: Path) -> None:
    assert list(offences(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from random import uniform",
        "from asyncio import sleep",
        "import asyncio\nasyncio.sleep(1)",
        "import datetime\ndatetime.datetime.now()",
        "loop.create_task(work())",
    ],
)
def test_going_around_the_clock_is_seen(source: str) -> None:
    assert list(offences(source)) != []
