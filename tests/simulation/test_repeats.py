"""A seed is all that a world comes from: it goes the same way again, in another process, whatever the order of hashes, and soon."""

import hashlib
import os
import subprocess
import sys
import time

import pytest

from tests.simulation.fleet import FleetStorm
from tests.simulation.storm import Storm
from tests.simulation.whole import WholeStorm

MOST_S = 10.0
_TELL = "from tests.simulation.test_repeats import trace_of; print(trace_of({seed}))"


def trace_of(seed: int) -> str:
    """Return a digest of all that happened in a seed's world, and when."""
    worlds = (storm.rage().trace for storm in (Storm(seed), FleetStorm(seed), WholeStorm(seed)))
    return hashlib.sha256("\n".join(line for trace in worlds for line in trace).encode()).hexdigest()


@pytest.mark.parametrize("seed", [3, 141, 592])
def test_a_seed_repeats_in_every_process(seed: int) -> None:
    began_s = time.monotonic()
    first = trace_of(seed)
    assert time.monotonic() - began_s < MOST_S
    told = [
        subprocess.run(
            [sys.executable, "-c", _TELL.format(seed=seed)],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hashes in ("1", "2")
    ]
    assert [trace_of(seed), *told] == [first] * 3


def test_seeds_differ() -> None:
    assert trace_of(1) != trace_of(2)
