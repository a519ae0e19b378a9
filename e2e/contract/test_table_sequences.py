"""Random requests, 500 times about ten from a seed: a real kube-apiserver and the one in memory answer the same.

A seed that fails is printed as the shortest case that still does, ready for the table.
"""

import itertools
from collections.abc import Iterator

import pytest

from e2e.contract.table.case import Case
from e2e.contract.table.real import RealServer, play_all, server_of, undisturbed
from e2e.contract.table.sequences import SEEDS, sequence, shorter, told
from e2e.contract.table.sides import Sides, both
from e2e.planes.plane import Plane

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def real(plane: Plane) -> Iterator[RealServer]:
    server = server_of(plane)
    server.prepare()
    with undisturbed(plane):
        yield server


@pytest.fixture(scope="module")
def sides(real: RealServer, request: pytest.FixtureRequest) -> Sides:
    """What both say to the seeds that are asked for."""
    asked = (getattr(item, "callspec", None) for item in request.session.items)
    seeds = {found.params["seed"] for found in asked if found and "seed" in found.params}
    return both([sequence(seed) for seed in sorted(seeds)], lambda cases: play_all(cases, real))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sequence_is_answered_the_same(seed: int, sides: Sides, real: RealServer) -> None:
    case = sequence(seed)
    if sides.differences(case):
        case, found = _shortest(case, real)
        pytest.fail(f"{told(case)}\n{found}", pytrace=False)


def _shortest(case: Case, real: RealServer) -> tuple[Case, str]:
    """Return the shortest case that can be made of one by leaving requests out, and how its answers differ."""
    found = _differences(case, real)
    while True:
        for candidate in shorter(case):
            if differs := _differences(candidate, real):
                case, found = candidate, differs
                break
        else:
            return case, found


def _differences(case: Case, real: RealServer) -> str:
    suffix = f"-again-{next(_NUMBERS)}"
    return both([case], lambda cases: play_all(cases, real, suffix)).differences(case)
