"""Every loop tells of itself: it is counted, watched and drained, and its logs say what they are about."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [path for package in ("agent", "hub") for path in sorted((ROOT / package).rglob("*.py"))]
NEEDED = {"telemetry", "about"}


def silent(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Loop":
            missing = NEEDED - {keyword.arg for keyword in node.keywords}
            yield from (f"line {node.lineno}: a loop without {name}" for name in sorted(missing))


@pytest.mark.parametrize(
    "path", [one for one in MODULES if "Loop(" in one.read_text()], ids=lambda one: str(one.relative_to(ROOT))
)
def test_a_loop_tells_of_itself(path: Path) -> None:
    assert list(silent(path.read_text())) == []


def test_a_loop_that_does_not_is_seen() -> None:
    assert list(silent("Loop('x', work, telemetry=t)")) == ["line 1: a loop without about"]
