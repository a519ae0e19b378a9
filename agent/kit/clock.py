"""Time and chance, the only door to both. A simulation hands in a clock and a randomness of its own."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What reads time and waits."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC; it may jump."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's time, and the running loop's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Randomness(Protocol):
    """What spreads retries and polls; not for secrets."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        ...


class SystemRandomness:
    """The interpreter's generator."""

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311  (spreads load, guards nothing)
