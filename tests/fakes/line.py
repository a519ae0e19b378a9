"""The two ends of a session in memory: in order, through the real wire format, and gone as a whole when it breaks.

    line = Line()
    await agent_session.run(line.agent)  # beside hub_session.run(line.hub)

`delay_s` says for each message how long it travels, `copies` how often it arrives. A frozen line swallows what is sent, as a network does that
is cut off without a word; on a stuck one sending does not return.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent import wire
from agent.kit.errors import Transient
from agent.model.link import Down, Up

T = TypeVar("T")
S = TypeVar("S")


class _Way(Generic[T]):
    """One direction."""

    def __init__(self, line: "Line", encode: Callable[[T], bytes], decode: Callable[[bytes], T]) -> None:
        self._line = line
        self._encode = encode
        self._decode = decode
        self._sent: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        self._last_s = 0.0
        self.said: list[T] = []

    async def put(self, message: T) -> None:
        await asyncio.sleep(0)
        while self._line.is_stuck and not self._line.is_broken:
            await asyncio.sleep(1.0)
        if self._line.is_broken:
            raise Transient("the line is broken", reason="Broken")
        if self._line.is_frozen or self._line.is_abandoned:
            return
        self.said.append(message)
        # In order, however long one travels.
        self._last_s = max(self._last_s, asyncio.get_running_loop().time() + self._line.delay_s())
        for _ in range(self._line.copies()):
            self._sent.put_nowait((self._last_s, self._encode(message)))

    async def take(self) -> T | None:
        found = await self._sent.get()
        if found is None:
            self._sent.put_nowait(None)
            if self._line.is_broken:
                raise Transient("the line is broken", reason="Broken")
            return None
        await asyncio.sleep(max(found[0] + self._line.lag_s - asyncio.get_running_loop().time(), 0.0))
        if self._line.is_broken:
            raise Transient("the line is broken", reason="Broken")
        return self._decode(found[1])

    def end(self) -> None:
        self._sent.put_nowait(None)


@dataclass(frozen=True, slots=True)
class End(Generic[S, T]):
    """One end: a `Stream`."""

    sending: _Way[S]
    receiving: _Way[T]

    async def send(self, message: S) -> None:
        await self.sending.put(message)

    async def receive(self) -> T | None:
        return await self.receiving.take()

    async def close(self) -> None:
        """Say that nothing more comes from here."""
        self.sending.end()


class Line:
    """A connection between an agent and the hub."""

    def __init__(
        self, *, delay_s: Callable[[], float] = lambda: 0.0, copies: Callable[[], int] = lambda: 1
    ) -> None:
        self.delay_s = delay_s
        self.copies = copies
        self.is_broken = False
        self.is_abandoned = False
        self.lag_s = 0.0
        self.is_frozen = False
        self.is_stuck = False
        self.up: _Way[Up] = _Way(self, wire.encode_up, wire.decode_up)
        self.down: _Way[Down] = _Way(self, wire.encode_down, wire.decode_down)
        self.agent: End[Up, Down] = End(self.up, self.down)
        self.hub: End[Down, Up] = End(self.down, self.up)

    def abandon(self, lag_s: float = 0.0) -> None:
        """Leave without a word: the other end does not notice, and what was under way to it still comes, so much later."""
        self.is_abandoned, self.lag_s = True, lag_s

    def cut(self) -> None:
        """Break both ways; what was under way is lost."""
        self.is_broken = True
        self.up.end()
        self.down.end()
