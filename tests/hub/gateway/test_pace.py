"""Whoever says more than one cluster has to say waits, and keeps nobody else waiting."""

from agent.model.names import ClusterId
from hub.gateway.pace import Pace, Paces, PaceSettings
from tests.fakes.clock import FakeClock, in_virtual_time

SETTINGS = PaceSettings(burst_bytes=1000, bytes_per_s=100)


@in_virtual_time
async def test_a_burst_is_free_and_the_rest_comes_at_its_pace() -> None:
    clock = FakeClock()
    pace = Pace(SETTINGS, clock)
    for _ in range(10):
        await pace.spend(100)
    assert clock.monotonic_s() == 0
    for _ in range(10):
        await pace.spend(100)
    assert clock.monotonic_s() == 10


@in_virtual_time
async def test_what_was_not_used_comes_back_up_to_one_burst() -> None:
    clock = FakeClock()
    pace = Pace(SETTINGS, clock)
    await pace.spend(1000)
    await clock.sleep(3600)
    await pace.spend(1000)
    assert clock.monotonic_s() == 3600
    await pace.spend(100)
    assert clock.monotonic_s() == 3601


@in_virtual_time
async def test_clusters_do_not_wait_for_each_other() -> None:
    clock = FakeClock()
    paces = Paces(SETTINGS, clock)
    await paces.of(ClusterId("one")).spend(2000)
    assert clock.monotonic_s() == 10
    await paces.of(ClusterId("other")).spend(1000)
    assert clock.monotonic_s() == 10
