"""Random requests, 500 times about ten from a seed: a real kube-apiserver and the one in memory answer the same.

A seed that fails is printed as the shortest case that still does, ready for the table.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.contract.table.case import Case
from e2e.contract.table.memory import MemoryServer
from e2e.contract.table.normal import told_differences
from e2e.contract.table.player import played_steps
from e2e.contract.table.real import RealServer, play_all, server_of, undisturbed
from e2e.contract.table.sequences import SEEDS, sequence, shorter, told
from e2e.planes.plane import Plane

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def real(plane: Plane) -> Iterator[RealServer]:
    server = server_of(plane)
    server.prepare()
    with undisturbed(plane):
        yield server


@pytest.fixture(scope="module")
def said(real: RealServer, request: pytest.FixtureRequest) -> dict[str, list[Any]]:
    """What a real server says to the seeds that are asked for, all of them side by side."""
    wanted = {
        item.callspec.params["seed"]
        for item in request.session.items
        if hasattr(item, "callspec") and "seed" in item.callspec.params
    }
    return play_all([sequence(seed) for seed in sorted(wanted)], real)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[MemoryServer]:
    server = MemoryServer()
    yield server
    server.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sequence_is_answered_the_same(
    seed: int, said: dict[str, list[Any]], real: RealServer, sandbox: MemoryServer
) -> None:
    case = sequence(seed)
    if told_differences(played_steps(case), said[case.name], sandbox.play(case)):
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
    sandbox = MemoryServer()
    try:
        answers = play_all([case], real, f"-again-{next(_NUMBERS)}")[case.name]
        return told_differences(played_steps(case), answers, sandbox.play(case))
    finally:
        sandbox.close()
