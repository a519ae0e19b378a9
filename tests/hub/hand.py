"""A clock moved by hand, and chance without surprises: for controllers that are watched step by step."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)


class Hand:
    """A clock that is moved by hand; sleepers wake when it passes them."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at_s)

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.at_s + seconds, event))
        await event.wait()

    async def pass_(self, seconds: float) -> None:
        await settle()
        until = self.at_s + seconds
        while due := [at for at, event in self._sleepers if at <= until and not event.is_set()]:
            self.at_s = max(min(due), self.at_s)
            for at, event in self._sleepers:
                if at <= self.at_s:
                    event.set()
            self._sleepers = [one for one in self._sleepers if not one[1].is_set()]
            await settle()
        self.at_s = until
        await settle()


class Middle:
    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


async def settle() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


async def at_once(work: Callable[[], T], /) -> T:
    """Do in turn what the hub does in a thread."""
    return work()
