"""A fleet of API servers in memory, with builds by the real renderer, keeps its promises too.

50 seeds, or one for twenty of SEEDS when that is more; SEED runs one alone.
"""

import pytest

from tests.simulation.outcome import MANY, SEED, Record, live_through
from tests.simulation.whole import WholeStorm


@pytest.mark.parametrize("seed", [int(SEED)] if SEED else range(max(50, MANY // 20)))
def test_a_whole_fleet_keeps_its_promises(seed: int, record_property: Record) -> None:
    live_through(WholeStorm(seed), seed, record_property)
