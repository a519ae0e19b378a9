"""Whatever happens to hub, agents and people: nothing is deleted without a reason, the newest wish wins, nothing is green that is not.

1,000 seeds of a whole fleet, and 300 of the link alone, each of at least 200 steps. SEEDS sets another number, SEED runs one alone, which fails as
it failed among the others.
"""

import pytest

from tests.simulation.fleet import FleetStorm
from tests.simulation.outcome import MANY, SEED, Record, live_through
from tests.simulation.storm import Storm

SEEDS = [int(SEED)] if SEED else range(MANY)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fleet_keeps_its_promises(seed: int, record_property: Record) -> None:
    live_through(FleetStorm(seed), seed, record_property)


@pytest.mark.parametrize("seed", SEEDS if SEED else range(MANY * 3 // 10))
def test_a_link_keeps_its_promises_though_the_hub_wavers(seed: int, record_property: Record) -> None:
    live_through(Storm(seed), seed, record_property)
