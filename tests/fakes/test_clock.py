"""Virtual time jumps, keeps the order of timers, and tells of a deadlock instead of hanging."""

import asyncio
import time

import pytest

from tests.fakes.clock import Deadlock, FakeClock, in_virtual_time


@in_virtual_time
async def test_a_day_passes_at_once() -> None:
    clock = FakeClock()
    began = time.monotonic()
    before = clock.now()
    await clock.sleep(86_400)
    assert (clock.now() - before).total_seconds() == pytest.approx(86_400)
    assert time.monotonic() - began < 5


@in_virtual_time
async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, woken = FakeClock(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    await asyncio.gather(sleep(30), sleep(10), sleep(20))
    assert woken == [10, 20, 30]


@in_virtual_time
async def test_a_timeout_is_virtual_too() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()
    assert FakeClock().monotonic_s() == pytest.approx(3600)


def test_waiting_for_what_nobody_does_is_told() -> None:
    @in_virtual_time
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        wait()
