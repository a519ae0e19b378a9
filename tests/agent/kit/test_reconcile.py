"""The loop works on each key once at a time, the newest wish last, and again after what the outcome says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from agent.kit.errors import Stalled, Transient, Waiting
from agent.kit.reconcile import Again, Backoff, Done, Loop, Outcome
from agent.kit.tasks import Tasks


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
    def __init__(self) -> None:
        self.clock = Hand()
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
        )

    async def _do(self, key: str) -> Outcome:
        self.seen.append(key)
        if self.gate is not None:
            await self.gate.wait()
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
