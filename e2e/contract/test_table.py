"""The table of the contract on a real kube-apiserver: it answers as was recorded of it, and the server in memory as it does."""

import pytest

from e2e.contract.table.case import Case
from e2e.contract.table.cases import CASES
from e2e.contract.table.real import played_on
from e2e.contract.table.recording import recorded
from e2e.contract.table.sides import Sides, both
from e2e.planes.plane import Plane


@pytest.fixture(scope="module")
def sides(plane: Plane) -> Sides:
    return both(CASES, lambda cases: played_on(plane, cases))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_a_real_server_and_the_one_in_memory_answer_the_same(case: Case, sides: Sides) -> None:
    found = sides.differences(case)
    assert not found, found


def test_what_is_recorded_is_what_a_real_server_says(sides: Sides) -> None:
    kept = recorded()
    others = [name for name in {**kept, **sides.real} if kept.get(name) != sides.real.get(name)]
    assert not others, f"write it again (python -m e2e.contract.table): {others}"
