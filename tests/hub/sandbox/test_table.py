"""The server in memory answers the table of the contract as a real one was recorded to (`python -m e2e.contract.table`)."""

from collections.abc import Iterator

import pytest

from e2e.contract.table.case import Case
from e2e.contract.table.cases import CASES
from e2e.contract.table.memory import MemoryServer
from e2e.contract.table.normal import told_differences
from e2e.contract.table.player import played_steps
from e2e.contract.table.recording import recorded

RECORDED = recorded()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[MemoryServer]:
    server = MemoryServer()
    yield server
    server.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_a_case_is_answered_as_by_a_real_server(case: Case, sandbox: MemoryServer) -> None:
    found = told_differences(played_steps(case), RECORDED[case.name], sandbox.play(case))
    assert not found, found


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.slug for case in CASES}) == len(CASES)
    assert list(RECORDED) == [case.name for case in CASES]
