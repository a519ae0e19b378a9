"""The newest value per key. Whoever falls behind skips what lies between and always gets the last one.

State: one value per key, and per reader the keys it has not taken yet; never more, however far a reader is behind. Lives on
one event loop; it must not cross processes.
"""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Board(Generic[K, V]):
    """Values by key, and the readers that follow them."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        # In the order in which they came, so that a simulation repeats.
        self._readers: dict[BoardReader[K, V], None] = {}

    def get(self, key: K) -> V | None:
        """Return the newest value of a key."""
        return self._values.get(key)

    def snapshot(self) -> Mapping[K, V]:
        """Return a copy of every key's newest value."""
        return dict(self._values)

    def put(self, key: K, value: V) -> bool:
        """Set a key's value; an equal one is no change and wakes nobody. Tells whether it changed."""
        if key in self._values and self._values[key] == value:
            return False
        self._values[key] = value
        self._mark(key)
        return True

    def drop(self, key: K) -> None:
        """Forget a key; readers get it with the value None."""
        if key in self._values:
            del self._values[key]
            self._mark(key)

    def reader(self) -> "BoardReader[K, V]":
        """Follow the board from now on, beginning with all that is on it. Close it when done."""
        reader = BoardReader(self, self._values)
        self._readers[reader] = None
        return reader

    def _mark(self, key: K) -> None:
        for reader in self._readers:
            reader.mark(key)

    def forget(self, reader: "BoardReader[K, V]") -> None:
        """Stop marking keys for a reader."""
        self._readers.pop(reader, None)


class BoardReader(Generic[K, V]):
    """One follower of a board. `next` is for one task at a time."""

    def __init__(self, board: Board[K, V], keys: Mapping[K, V]) -> None:
        self._board = board
        self._dirty: dict[K, None] = dict.fromkeys(keys)
        self._changed = asyncio.Event()
        if self._dirty:
            self._changed.set()

    def mark(self, key: K) -> None:
        """Note that a key changed."""
        self._dirty[key] = None
        self._changed.set()

    async def next(self) -> dict[K, V | None]:
        """Wait for changes; return the newest value of each changed key, None for dropped ones, oldest change first."""
        await self._changed.wait()
        self._changed.clear()
        keys, self._dirty = self._dirty, {}
        return {key: self._board.get(key) for key in keys}

    def close(self) -> None:
        """Stop following."""
        self._board.forget(self)

    def __enter__(self) -> "BoardReader[K, V]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
