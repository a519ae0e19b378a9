"""Seeds that once found something wrong, in the product or in the simulation itself."""

import pytest

from tests.simulation.fleet import FleetStorm
from tests.simulation.outcome import Record, live_through


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(543, id="a deletion that was under way when the next Bundle was held"),
        pytest.param(775, id="a fault of an earlier simulation"),
        pytest.param(1029, id="two workers that hang"),
        pytest.param(1713, id="an object that went before the same Bundle was asked for anew"),
        pytest.param(1955, id="a delivery that was deleted while it was placed"),
    ],
)
def test_what_was_found_stays_mended(seed: int, record_property: Record) -> None:
    live_through(FleetStorm(seed), seed, record_property)
