"""The loops that run in a program: whether they move, and how they end when the program is asked to.

State: which loops run. Each worker has a pulse, which beats when it begins work on a key and whenever something it waited for has come.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from agent.kit.clock import Clock
from agent.kit.tasks import Tasks

STUCK_AFTER_S = 600.0


class Pulse:
    """When a worker last moved."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.beat()

    def beat(self) -> None:
        self._at_s = self._clock.monotonic_s()

    @property
    def silent_s(self) -> float:
        """Return how long the worker has not moved."""
        return self._clock.monotonic_s() - self._at_s


_PULSE: ContextVar[Pulse | None] = ContextVar("pulse", default=None)


def moving(pulse: Pulse) -> None:
    """Let this pulse beat for all that the running task does from now on."""
    _PULSE.set(pulse)


def still_moving() -> None:
    """Say that whoever works here got an answer, even a bad one: many of them may take long, and none of them hangs."""
    if (pulse := _PULSE.get()) is not None:
        pulse.beat()


class Running(Protocol):
    """A loop that works."""

    @property
    def name(self) -> str: ...

    @property
    def silent_s(self) -> float:
        """Return the longest time that one of its workers has not moved beyond what its key allows."""
        ...

    async def drain(self) -> None:
        """Begin nothing more, and return when what goes on has ended."""
        ...


class Loops:
    """All loops of one program."""

    def __init__(self, *, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self._stuck_after_s = stuck_after_s
        self._running: list[Running] = []

    @contextmanager
    def running(self, loop: Running) -> Iterator[None]:
        """Count a loop among them until the block ends."""
        self._running.append(loop)
        try:
            yield
        finally:
            self._running.remove(loop)

    @property
    def problem(self) -> str:
        """Return which loop does not move any more, empty when all do."""
        for loop in self._running:
            if (silent_s := loop.silent_s) > self._stuck_after_s:
                return f"a worker of loop {loop.name} has not moved for {silent_s:.0f} s"
        return ""

    async def drain(self, within_s: float) -> None:
        """Let all end what they are at, for so long at most."""
        async with Tasks() as tasks:
            draining = [tasks.start(loop.drain(), name=f"drain {loop.name}") for loop in self._running]
            if draining:
                await asyncio.wait(draining, timeout=within_s)
