"""The loop works on each key once at a time, the newest wish last, and again after what the outcome says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from agent.kit.errors import Stalled, Transient, Waiting
from agent.kit.reconcile import Again, Backoff, Done, Loop, Meter, Outcome, Result
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry


class Hand:
    """A clock that is moved by hand; sleepers wake when it passes them."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.at_s)

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.at_s + seconds, event))
        await event.wait()

    async def pass_(self, seconds: float) -> None:
        await settle()
        self.at_s += seconds
        for at, event in self._sleepers:
            if at <= self.at_s:
                event.set()
        await settle()


class Middle:
    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Work:
    def __init__(self, *, meter: Meter[str] | None = None) -> None:
        self.clock = Hand()
        self.telemetry = Telemetry()
        self.takes_s = 0.0
        self.seen: list[str] = []
        self.outcomes: list[Outcome | Exception] = []
        self.gate: asyncio.Event | None = None
        self.loop: Loop[str] = Loop(
            "test",
            self._do,
            clock=self.clock,
            randomness=Middle(),
            backoff=Backoff(first_s=1, last_s=4),
            workers=2,
            telemetry=self.telemetry,
            meter=meter,
        )

    async def _do(self, key: str) -> Outcome:
        self.seen.append(key)
        if self.gate is not None:
            await self.gate.wait()
        if self.takes_s:
            await self.clock.sleep(self.takes_s)
        outcome = self.outcomes.pop(0) if self.outcomes else Done()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Work"]:
        async with Tasks() as tasks:
            tasks.start(self.loop.run(), name="loop")
            await settle()
            yield self


async def test_a_marked_key_is_worked_on_once() -> None:
    async with Work().running() as work:
        work.loop.mark("a")
        work.loop.mark("a")
        await settle()
    assert work.seen == ["a"]


async def test_again_comes_after_its_time_and_not_before() -> None:
    async with Work().running() as work:
        work.outcomes = [Again(after_s=10)]
        work.loop.mark("a")
        await work.clock.pass_(9)
        assert work.seen == ["a"]
        await work.clock.pass_(2)
    assert work.seen == ["a", "a"]


async def test_a_key_marked_while_worked_on_is_worked_on_after_it_and_never_beside() -> None:
    async with Work().running() as work:
        work.gate = asyncio.Event()
        work.loop.mark("a")
        await settle()
        work.loop.mark("a")
        await settle()
        assert work.seen == ["a"]
        work.gate.set()
        await settle()
    assert work.seen == ["a", "a"]


async def test_another_key_does_not_wait_for_a_busy_one() -> None:
    async with Work().running() as work:
        work.gate = asyncio.Event()
        work.loop.mark("a")
        await settle()
        work.loop.mark("a")
        work.loop.mark("b")
        await settle()
        assert work.seen == ["a", "b"]
        work.gate.set()


async def test_failures_wait_longer_each_time_and_a_success_forgets_them() -> None:
    async with Work().running() as work:
        bad = Transient("no", reason="No")
        work.outcomes = [bad, bad, Done(), bad]
        work.loop.mark("a")
        await work.clock.pass_(1)
        assert len(work.seen) == 2
        await work.clock.pass_(1)
        assert len(work.seen) == 2
        await work.clock.pass_(1)
        assert len(work.seen) == 3
        work.loop.mark("a")
        await work.clock.pass_(1)
    assert len(work.seen) == 5


async def test_waiting_comes_again_after_its_time_and_stalled_only_when_marked() -> None:
    async with Work().running() as work:
        work.outcomes = [Waiting("w", reason="W", after_s=5), Stalled("s", reason="S")]
        work.loop.mark("a")
        await work.clock.pass_(5)
        assert len(work.seen) == 2
        await work.clock.pass_(1000)
    assert len(work.seen) == 2


async def test_a_defect_is_retried_and_does_not_end_the_loop() -> None:
    async with Work().running() as work:
        work.outcomes = [KeyError("defect")]
        work.loop.mark("a")
        await work.clock.pass_(1)
    assert work.seen == ["a", "a"]


async def test_the_earlier_of_two_times_counts() -> None:
    async with Work().running() as work:
        work.loop.mark("a", after_s=100)
        work.loop.mark("a", after_s=3)
        await work.clock.pass_(3)
        assert work.seen == ["a"]
        await work.clock.pass_(100)
    assert work.seen == ["a"]


def sample(work: Work, name: str, **labels: str) -> float | None:
    return work.telemetry.registry.get_sample_value(name, {"loop": "test", **labels})


async def test_a_loop_counts_how_work_ended_and_how_long_it_took() -> None:
    async with Work().running() as work:
        work.outcomes = [
            Done(),
            Again(after_s=100),
            Waiting("w", reason="W", after_s=100),
            Stalled("s", reason="S"),
            Transient("t", reason="T"),
            KeyError("defect"),
        ]
        work.takes_s = 3.0
        for key in "abcdef":
            work.loop.mark(key)
            await work.clock.pass_(3)
        results = ("done", "again", "waiting", "stalled", "failed", "defect")
        counted = [sample(work, "cartwheel_loop_results_total", result=one) for one in results]
        assert counted == [1, 1, 1, 1, 1, 1]
        assert sample(work, "cartwheel_loop_duration_seconds_count") == 6
        assert sample(work, "cartwheel_loop_duration_seconds_sum") == 18


async def test_the_depth_counts_what_is_due_and_not_what_comes_later() -> None:
    async with Work().running() as work:
        work.gate = asyncio.Event()
        for key in "abcde":
            work.loop.mark(key)
        work.loop.mark("later", after_s=60)
        await settle()
        assert sample(work, "cartwheel_loop_queue_depth") == 3
        work.gate.set()
        await settle()
        assert sample(work, "cartwheel_loop_queue_depth") == 0


async def test_a_meter_hears_of_each_key_and_of_those_that_are_taken_off() -> None:
    heard: list[tuple[str, str, float]] = []

    class Ear:
        def finished(self, key: str, result: Result, seconds: float) -> None:
            heard.append((key, result, seconds))

        def forgotten(self, key: str) -> None:
            heard.append((key, "forgotten", 0.0))

    async with Work(meter=Ear()).running() as work:
        work.loop.mark("a")
        await settle()
        work.loop.forget("a")
    assert heard == [("a", "done", 0.0), ("a", "forgotten", 0.0)]
