"""What comes of a seed's world, told to pytest."""

import os
from collections.abc import Callable

import pytest

from tests.simulation.storm import STEPS, Storm

SEED = os.environ.get("SEED", "")
"""The seed that is to run alone, empty for many."""
MANY = int(os.environ.get("SEEDS") or 1000)
Record = Callable[[str, object], None]
_TOLD = 60


def live_through(storm: Storm, seed: int, record_property: Record) -> None:
    """Let a storm rage, and fail with its last events when something was that must never be."""
    tally = storm.rage()
    record_property("simulation", tally.figures())
    broken = storm.world.broken
    if tally.total < STEPS:
        broken = [*broken, f"only {tally.total} steps"]
    if broken:
        events = "\n".join(tally.trace[-_TOLD:])
        found = "\n".join(broken)
        pytest.fail(f"{events}\n\n{found}\n\nmake simulate SEED={seed}", pytrace=False)
