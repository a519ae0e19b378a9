"""The loop that every controller runs: one key at a time per key, the newest wish only, again after what the outcome says.

State: which keys are due, when, how often each failed in a row, and since when each that is worked on has not moved. A key that is marked while it is worked on is worked on
once more, never twice at the same time.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Stalled, Waiting
from agent.kit.logs import bound
from agent.kit.loops import Pulse, moving
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry

_LOG = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", contravariant=True)

_BUCKETS_S = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It is as it should be; looked at again when something changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """It is as it should be; looked at again after that long at the latest."""

    after_s: float


Outcome = Done | Again


class Result(StrEnum):
    """How work on a key ended, as metrics say it."""

    DONE = "done"
    AGAIN = "again"
    WAITING = "waiting"
    STALLED = "stalled"
    FAILED = "failed"
    DEFECT = "defect"


class Meter(Protocol[K_contra]):
    """Who measures a loop by its keys, beside what every loop tells of itself."""

    def finished(self, key: K_contra, result: Result, seconds: float) -> None:
        """Work on a key has ended."""
        ...

    def forgotten(self, key: K_contra) -> None:
        """A key was taken off the list."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait after failures in a row: doubled from the first to the last, spread by a tenth."""

    first_s: float = 0.75
    last_s: float = 900.0

    def delay_s(self, failures: int, randomness: Randomness) -> float:
        """Return the wait after the given number of failures in a row (at least 1)."""
        doubled = self.first_s * 2.0 ** min(failures - 1, 30)
        return min(doubled, self.last_s) * randomness.uniform(0.9, 1.1)


class Loop(Generic[K]):
    """Works on keys with some workers until it is cancelled.

    `about` gives the fields that all logs of work on a key carry; `allowance_s` how long such work may wait for one thing without being
    taken for stuck, beyond what every loop is allowed.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[K], Awaitable[Outcome]],
        *,
        clock: Clock,
        randomness: Randomness,
        backoff: Backoff,
        workers: int = 4,
        telemetry: Telemetry | None = None,
        meter: Meter[K] | None = None,
        about: Callable[[K], Mapping[str, str]] | None = None,
        allowance_s: Callable[[K], float] | None = None,
    ) -> None:
        self.name = name
        self._work = work
        self._clock = clock
        self._randomness = randomness
        self._backoff = backoff
        self._workers = workers
        self._due: dict[K, float] = {}
        self._queue: list[tuple[float, int, K]] = []
        self._count = 0
        self._failures: dict[K, int] = {}
        self._busy: dict[K, Pulse] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._idle = asyncio.Event()
        self._is_draining = False
        self._meter = meter
        self._about = about or (lambda key: {"key": str(key)})
        self._allowance_s = allowance_s or (lambda key: 0.0)
        telemetry = telemetry or Telemetry()
        self._loops = telemetry.loops
        self._measure(telemetry)

    @property
    def depth(self) -> int:
        """Return how many keys wait to be worked on now or later."""
        return len(self._due)

    @property
    def backlog(self) -> int:
        """Return how many keys are due and wait for a worker."""
        now = self._clock.monotonic_s()
        return sum(at <= now for at in self._due.values())

    @property
    def silent_s(self) -> float:
        """Return the longest time that a worker has not moved, less what its key allows."""
        silent = (pulse.silent_s - self._allowance_s(key) for key, pulse in self._busy.items())
        return max(silent, default=0.0)

    def _measure(self, telemetry: Telemetry) -> None:
        duration = telemetry.histogram(
            "cartwheel_loop_duration_seconds", "Work on one key.", buckets=_BUCKETS_S, loop=()
        )
        results = telemetry.counter("cartwheel_loop_results", "Work on keys by its end.", loop=(), result=())
        depth = telemetry.gauge("cartwheel_loop_queue_depth", "Keys that are due and wait.", loop=())
        self._duration = duration.labels(self.name)
        self._results = {result: results.labels(self.name, result) for result in Result}
        depth.labels(self.name).set_function(lambda: self.backlog)
        silent = telemetry.gauge(
            "cartwheel_loop_silent_seconds", "The longest time that a worker has not moved.", loop=()
        )
        silent.labels(self.name).set_function(lambda: self.silent_s)

    def mark(self, key: K, *, after_s: float = 0.0) -> None:
        """Have a key worked on; the earlier of two times counts."""
        at = self._clock.monotonic_s() + after_s
        if self._due.get(key, float("inf")) <= at:
            return
        self._due[key] = at
        self._count += 1
        heapq.heappush(self._queue, (at, self._count, key))
        self._wake.set()

    def forget(self, key: K) -> None:
        """Take a key off the list; work on it that goes on is not stopped."""
        self._due.pop(key, None)
        self._failures.pop(key, None)
        if self._meter is not None:
            self._meter.forgotten(key)

    async def run(self) -> None:
        """Work until cancelled."""
        with self._loops.running(self):
            async with Tasks() as tasks:
                for number in range(self._workers):
                    tasks.start(self._serve(), name=f"{self.name}-{number}")
                await tasks.wait_for_failure()

    async def drain(self) -> None:
        """Begin nothing more, and return when what is worked on has ended."""
        self._is_draining = True
        while self._busy:
            self._idle.clear()
            await self._idle.wait()

    async def _serve(self) -> None:
        while True:
            key = await self._next()
            pulse = self._busy[key] = Pulse(self._clock)
            moving(pulse)
            try:
                with bound(loop=self.name, **self._about(key)):
                    await self._measured(key)
            finally:
                del self._busy[key]
                self._wake.set()
                self._idle.set()

    async def _next(self) -> K:
        # One idle worker looks out for all of them: whatever wakes one would wake them all.
        async with self._turn:
            while True:
                self._wake.clear()
                found, wait_s = (None, None) if self._is_draining else self._take()
                if found is not None:
                    return found[0]
                if wait_s is None:
                    await self._wake.wait()
                else:
                    await _either(self._wake, self._clock, wait_s)

    def _take(self) -> tuple[tuple[K] | None, float | None]:
        """Take the first key that is due and not being worked on, or say how long until one is (None: no time known)."""
        now, busy, found = self._clock.monotonic_s(), [], None
        while self._queue and self._queue[0][0] <= now:
            entry = heapq.heappop(self._queue)
            at, _, key = entry
            if self._due.get(key) != at:
                continue
            if key in self._busy:
                busy.append(entry)
                continue
            del self._due[key]
            found = (key,)
            break
        for entry in busy:
            heapq.heappush(self._queue, entry)
        later = next((at for at, _, _ in self._queue[:1] if at > now), None)
        return found, None if later is None else max(later - now, 0.0)

    async def _measured(self, key: K) -> None:
        began_s = self._clock.monotonic_s()
        result = await self._once(key)
        seconds = self._clock.monotonic_s() - began_s
        self._duration.observe(seconds)
        self._results[result].inc()
        if self._meter is not None:
            self._meter.finished(key, result, seconds)

    async def _once(self, key: K) -> Result:
        try:
            outcome = await self._work(key)
        except Stalled as problem:
            self._failures.pop(key, None)
            _LOG.warning("stalled", extra={"reason": problem.reason, "error": str(problem)})
            return Result.STALLED
        except Waiting as problem:
            self._failures.pop(key, None)
            self.mark(key, after_s=problem.after_s)
            return Result.WAITING
        except CartwheelError as problem:
            self._retry(key)
            _LOG.warning("failed", extra={"reason": problem.reason, "error": str(problem)})
            return Result.FAILED
        except Exception:
            # Unknown failures are defects; the loop lives on and tries again.
            self._retry(key)
            _LOG.exception("defect")
            return Result.DEFECT
        self._failures.pop(key, None)
        if isinstance(outcome, Again):
            self.mark(key, after_s=outcome.after_s)
            return Result.AGAIN
        return Result.DONE

    def _retry(self, key: K) -> None:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        self.mark(key, after_s=self._backoff.delay_s(failures, self._randomness))


async def _either(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait for an event, or for a time to pass."""
    async with Tasks() as tasks:
        slept = tasks.start(clock.sleep(seconds), name="sleep")
        woken = tasks.start(event.wait(), name="wake")
        await asyncio.wait((slept, woken), return_when=asyncio.FIRST_COMPLETED)
