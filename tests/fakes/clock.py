"""Virtual time: an event loop that never waits, because its time jumps to the next timer when nothing else is to be done.

    @in_virtual_time
    async def test_a_lease_runs_out() -> None:
        clock = FakeClock()
        await clock.sleep(3600)  # takes no time

Whatever waits by `asyncio.sleep`, `asyncio.timeout` or a `FakeClock` waits in virtual time. Threads and sockets do not belong there.
"""

import asyncio
import functools
import random
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

START = datetime(2026, 1, 1, tzinfo=UTC)
_PATIENCE_S = 2.0

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits, and no timer will ever wake one."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer; moves the time to it instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = super().select(_PATIENCE_S)
            if not ready:
                raise Deadlock("all tasks wait, and there is no timer left that could wake one")
            return ready
        self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at 0 and jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def hold_up(self, seconds: float) -> None:
        """Let time pass in which nothing of this process runs, as on a machine that is short of it."""
        self._jumping.now_s += seconds


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Turn an async test into one that runs on a loop of its own, in virtual time."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> T:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(test(*arguments, **named))

    return run


class FakeClock:
    """The running loop's time, its beginning while none runs. `skew_s` moves what `now` says, as a wrong wall clock does."""

    def __init__(self, *, skew_s: float = 0.0) -> None:
        self.skew_s = skew_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic_s() + self.skew_s)

    def monotonic_s(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SeededRandomness:
    """Chance that repeats."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)
