"""Whatever happens between the hub and its agents: nothing is deleted without a reason, the newest wish wins, nothing is green that is cut off.

1,000 seeds of at least 200 steps each; SEEDS sets another number, SEED runs one alone, which fails as it failed among the others.
"""

import os
from collections.abc import Callable

import pytest

from tests.simulation.storm import STEPS, Storm

SEED = os.environ.get("SEED", "")
SEEDS = [int(SEED)] if SEED else range(int(os.environ.get("SEEDS", "1000")))
_TOLD = 60


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_deleted_or_believed_wrongly(
    seed: int, record_property: Callable[[str, object], None]
) -> None:
    storm = Storm(seed)
    tally = storm.rage()
    record_property("simulation", tally.figures())
    broken = storm.world.broken
    if tally.total < STEPS:
        broken = [*broken, f"only {tally.total} steps"]
    if broken:
        events = "\n".join(tally.trace[-_TOLD:])
        found = "\n".join(broken)
        pytest.fail(f"{events}\n\n{found}\n\nmake simulate SEED={seed}", pytrace=False)
