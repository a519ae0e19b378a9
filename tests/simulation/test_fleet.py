"""Whatever happens to hub, agents and people: nothing is deleted without a reason, the newest wish wins, nothing is green that is not.

1,000 seeds of a whole fleet, and 300 of the link alone, each of at least 200 steps. SEEDS sets another number, SEED runs one alone, which fails as
it failed among the others.
"""

import os
from collections.abc import Callable

import pytest

from tests.simulation.fleet import FleetStorm
from tests.simulation.storm import STEPS, Storm

_SEED = os.environ.get("SEED", "")
_MANY = int(os.environ.get("SEEDS") or 1000)
SEEDS = [int(_SEED)] if _SEED else range(_MANY)
_TOLD = 60

Record = Callable[[str, object], None]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fleet_keeps_its_promises(seed: int, record_property: Record) -> None:
    _judge(FleetStorm(seed), seed, record_property)


@pytest.mark.parametrize("seed", SEEDS if _SEED else range(_MANY * 3 // 10))
def test_a_link_keeps_its_promises_though_the_hub_wavers(seed: int, record_property: Record) -> None:
    _judge(Storm(seed), seed, record_property)


def _judge(storm: Storm, seed: int, record_property: Record) -> None:
    tally = storm.rage()
    record_property("simulation", tally.figures())
    broken = storm.world.broken
    if tally.total < STEPS:
        broken = [*broken, f"only {tally.total} steps"]
    if broken:
        events = "\n".join(tally.trace[-_TOLD:])
        found = "\n".join(broken)
        pytest.fail(f"{events}\n\n{found}\n\nmake simulate SEED={seed}", pytrace=False)
