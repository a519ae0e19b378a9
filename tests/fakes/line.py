"""The two ends of a session in memory: in order, through the real wire format, and gone as a whole when it breaks.

    line = Line()
    await agent_session.run(line.agent)  # beside hub_session.run(line.hub)

What becomes of each message is decided when it is sent. A frozen way swallows what is sent, as a network does that is cut off without a word;
either way may be frozen alone. On a stuck line sending does not return. An abandoned line was left by one end without a word: the other does not notice, and what was under way
still comes, later than what a newer line brings.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent import wire
from agent.kit.errors import Transient
from agent.model.link import Down, Up

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a message: how long it travels, and how often it arrives."""

    delay_s: float = 0.0
    copies: int = 1


class Way(Generic[T]):
    """One direction."""

    def __init__(
        self,
        line: "Line",
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
        decide: Callable[[T, "Way[T]"], Fate],
    ) -> None:
        self._line = line
        self._encode = encode
        self._decode = decode
        self.decide = decide
        self._sent: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        self._last_s = 0.0
        self.said: list[T] = []
        self.is_frozen = False

    @property
    def is_silent(self) -> bool:
        """Tell whether what is sent now comes nowhere."""
        return self.is_frozen or self._line.is_abandoned

    async def put(self, message: T) -> None:
        await asyncio.sleep(0)
        while self._line.is_stuck and not self._line.is_broken:
            await asyncio.sleep(1.0)
        self._check()
        fate = self.decide(message, self)
        if self.is_silent:
            return
        self.said.append(message)
        # In order, however long one travels.
        self._last_s = max(self._last_s, asyncio.get_running_loop().time() + fate.delay_s)
        for _ in range(fate.copies):
            self._sent.put_nowait((self._last_s, self._encode(message)))

    async def take(self) -> T | None:
        found = await self._sent.get()
        if found is None:
            self._sent.put_nowait(None)
            self._check()
            return None
        await asyncio.sleep(max(found[0] + self._line.lag_s - asyncio.get_running_loop().time(), 0.0))
        self._check()
        return self._decode(found[1])

    def end(self) -> None:
        self._sent.put_nowait(None)

    def _check(self) -> None:
        if self._line.is_broken:
            raise Transient("the line is broken", reason="Broken")


@dataclass(frozen=True, slots=True)
class End(Generic[S, T]):
    """One end: a `Stream`."""

    sending: Way[S]
    receiving: Way[T]

    async def send(self, message: S) -> None:
        await self.sending.put(message)

    async def receive(self) -> T | None:
        return await self.receiving.take()

    async def close(self) -> None:
        """Say that nothing more comes from here."""
        self.sending.end()


def in_time(message: object, way: Way[Any]) -> Fate:
    """Let every message arrive once, at once."""
    return Fate()


class Line:
    """A connection between an agent and the hub. `up` and `down` decide on the messages of each way."""

    def __init__(
        self,
        up: Callable[[Up, Way[Up]], Fate] = in_time,
        down: Callable[[Down, Way[Down]], Fate] = in_time,
    ) -> None:
        self.is_broken = False
        self.is_stuck = False
        self.is_abandoned = False
        self.lag_s = 0.0
        self.up: Way[Up] = Way(self, wire.encode_up, wire.decode_up, up)
        self.down: Way[Down] = Way(self, wire.encode_down, wire.decode_down, down)
        self.agent: End[Up, Down] = End(self.up, self.down)
        self.hub: End[Down, Up] = End(self.down, self.up)

    @property
    def is_open(self) -> bool:
        """Tell whether what is said on it arrives, both ways."""
        return not (self.is_broken or self.is_abandoned or self.up.is_frozen or self.down.is_frozen)

    def slow(self, delay_s: float) -> None:
        """Have every message travel so long from now on."""

        def late(message: object, way: Way[Any]) -> Fate:
            return Fate(delay_s=delay_s)

        self.up.decide = late
        self.down.decide = late

    def freeze(self, *, up: bool = True, down: bool = True) -> None:
        """Swallow from now on what is sent these ways."""
        self.up.is_frozen = self.up.is_frozen or up
        self.down.is_frozen = self.down.is_frozen or down

    def thaw(self) -> None:
        """Carry again what is sent from now on."""
        self.up.is_frozen = self.down.is_frozen = False

    def abandon(self, lag_s: float = 0.0) -> None:
        """Leave without a word; what was under way to the other end still comes, so much later."""
        self.is_abandoned, self.lag_s = True, lag_s

    def cut(self) -> None:
        """Break both ways; what was under way is lost."""
        self.is_broken = True
        self.up.end()
        self.down.end()
