"""The table of the contract on a real kube-apiserver: it answers as was recorded of it, and the server in memory as it does."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.contract.table.case import Case
from e2e.contract.table.cases import CASES
from e2e.contract.table.memory import MemoryServer
from e2e.contract.table.normal import told_differences
from e2e.contract.table.player import played_steps
from e2e.contract.table.real import played_on
from e2e.contract.table.recording import recorded
from e2e.planes.plane import Plane


@pytest.fixture(scope="module")
def said(plane: Plane) -> dict[str, list[Any]]:
    return played_on(plane, CASES)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[MemoryServer]:
    server = MemoryServer()
    yield server
    server.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_a_real_server_and_the_one_in_memory_answer_the_same(
    case: Case, said: dict[str, list[Any]], sandbox: MemoryServer
) -> None:
    found = told_differences(played_steps(case), said[case.name], sandbox.play(case))
    assert not found, found


def test_what_is_recorded_is_what_a_real_server_says(said: dict[str, list[Any]]) -> None:
    kept = recorded()
    others = [name for name in {**kept, **said} if kept.get(name) != said.get(name)]
    assert not others, f"write it again (python -m e2e.contract.table): {others}"
