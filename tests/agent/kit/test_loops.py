"""A worker that does not move is seen, one that only takes long is not; and a program that stops lets its work end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agent.kit.loops import still_moving
from agent.kit.reconcile import Again, Backoff, Done, Loop, Outcome
from agent.kit.tasks import Tasks, all_of
from agent.kit.telemetry import Telemetry
from tests.fakes.clock import FakeClock, SeededRandomness, in_virtual_time

STUCK_AFTER_S = 60.0


class Works:
    """A program with one loop; `ended` are the keys on which work has ended."""

    def __init__(self, *, allowance_s: Callable[[str], float] | None = None) -> None:
        self.clock = FakeClock()
        self.telemetry = Telemetry(stuck_after_s=STUCK_AFTER_S)
        self.ended: list[str] = []
        self.begun: list[str] = []
        self.takes_s: dict[str, float] = {}
        self.answers_every_s = 0.0
        self.loop: Loop[str] = Loop(
            "works",
            self._do,
            clock=self.clock,
            randomness=SeededRandomness(),
            backoff=Backoff(),
            workers=2,
            telemetry=self.telemetry,
            allowance_s=allowance_s,
        )

    async def _do(self, key: str) -> Outcome:
        self.begun.append(key)
        left_s = self.takes_s.get(key, 0.0)
        while self.answers_every_s and left_s > 0:
            await all_of([self._ask(), self._ask()], at_once=2)
            left_s -= self.answers_every_s
        await self.clock.sleep(max(left_s, 0.0))
        self.ended.append(key)
        return Again(after_s=1.0) if key == "again" else Done()

    async def _ask(self) -> None:
        await self.clock.sleep(self.answers_every_s)
        still_moving()

    @asynccontextmanager
    async def running(self, *keys: str) -> AsyncIterator[None]:
        async with Tasks() as tasks:
            tasks.start(self.loop.run(), name="loop")
            for key in keys:
                self.loop.mark(key)
            yield


@in_virtual_time
async def test_a_worker_that_does_not_move_is_told_of_until_it_does() -> None:
    works = Works()
    works.takes_s["a"] = 100.0
    async with works.running("a", "again"):
        await works.clock.sleep(59)
        assert works.telemetry.loops.problem == ""
        await works.clock.sleep(21)
        assert works.telemetry.loops.problem == "a worker of loop works has not moved for 80 s"
        await works.clock.sleep(21)
        assert works.telemetry.loops.problem == ""
    assert works.ended.count("again") > 50


@in_virtual_time
async def test_work_that_takes_long_but_gets_answers_is_not_stuck() -> None:
    works = Works()
    works.takes_s["a"], works.answers_every_s = 1000.0, 30.0
    async with works.running("a"):
        await works.clock.sleep(900)
        assert (works.telemetry.loops.problem, works.ended) == ("", [])


@in_virtual_time
async def test_answers_to_one_worker_do_not_hide_another_that_is_stuck() -> None:
    works = Works()
    works.takes_s["hangs"] = 1000.0
    async with works.running("hangs"):
        await works.clock.sleep(1)
        works.takes_s["a"], works.answers_every_s = 1000.0, 30.0
        works.loop.mark("a")
        await works.clock.sleep(70)
        assert works.telemetry.loops.problem != ""


@in_virtual_time
async def test_a_key_may_allow_more() -> None:
    works = Works(allowance_s=lambda key: 100.0 if key == "slow" else 0.0)
    works.takes_s["slow"] = 1000.0
    async with works.running("slow"):
        await works.clock.sleep(159)
        assert works.telemetry.loops.problem == ""
        await works.clock.sleep(2)
        assert works.telemetry.loops.problem != ""


@in_virtual_time
async def test_a_loop_that_has_ended_is_not_stuck() -> None:
    works = Works()
    works.takes_s["a"] = 1000.0
    async with works.running("a"):
        await works.clock.sleep(100)
    assert works.telemetry.loops.problem == ""


@in_virtual_time
async def test_draining_lets_work_end_and_begins_nothing_more() -> None:
    works = Works()
    works.takes_s |= {"a": 5.0, "b": 3.0}
    async with works.running("a", "b", "later"):
        await works.clock.sleep(1)
        began_s = works.clock.monotonic_s()
        await works.telemetry.loops.drain(60)
        assert works.clock.monotonic_s() - began_s == 4.0
        works.loop.mark("more")
        await works.clock.sleep(10)
        assert (works.begun, works.ended) == (["a", "b"], ["b", "a"])


@in_virtual_time
async def test_draining_does_not_wait_for_ever() -> None:
    works = Works()
    works.takes_s["a"] = 1000.0
    async with works.running("a"):
        await works.clock.sleep(1)
        began_s = works.clock.monotonic_s()
        await works.telemetry.loops.drain(7)
        assert works.clock.monotonic_s() - began_s == 7.0
        assert works.ended == []


@in_virtual_time
async def test_two_programs_in_one_process_do_not_answer_for_each_other() -> None:
    one, other = Works(), Works()
    one.takes_s["a"] = 1000.0
    async with one.running("a"), other.running("a"):
        await one.clock.sleep(100)
        assert one.telemetry.loops.problem != ""
        assert other.telemetry.loops.problem == ""
        await asyncio.wait_for(other.telemetry.loops.drain(60), 1)
