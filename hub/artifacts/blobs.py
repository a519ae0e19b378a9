"""Manifests and indexes of the Bundles that are wished for, by digest; in memory only, since they may hold secrets' values.

State: the blobs, and by whom each is kept. What nobody keeps any more goes when its keeper keeps something else. After a restart it is
empty, and what is wished for is built again.
"""

from collections.abc import Hashable, Mapping

from agent.model.content import digest_of
from agent.model.names import Digest

HISTORY = 2
"""So many last sets of a keeper stay, so that a change can be told as the difference to the one before."""


class Blobs:
    """Content by digest."""

    def __init__(self) -> None:
        self._data: dict[Digest, bytes] = {}
        self._users: dict[Digest, int] = {}
        self._kept: dict[Hashable, list[frozenset[Digest]]] = {}

    def get(self, digest: Digest) -> bytes | None:
        """Return a blob."""
        return self._data.get(digest)

    def kept(self, keeper: Hashable, digest: Digest) -> bytes | None:
        """Return a blob of those that are kept for a keeper, now or before its last change."""
        is_kept = any(digest in names for names in self._kept.get(keeper, ()))
        return self._data.get(digest) if is_kept else None

    def keep(self, keeper: Hashable, blobs: Mapping[Digest, bytes]) -> bool:
        """Hold these for a keeper, beside the set that it kept before; tell whether it is another one. Raises ValueError for a wrong digest."""
        for digest, data in blobs.items():
            if digest not in self._data and digest_of(data) != digest:
                raise ValueError(f"the content given for {digest} is not its content")
        sets = self._kept.setdefault(keeper, [])
        names = frozenset(blobs)
        if sets and sets[-1] == names:
            return False
        for digest, data in blobs.items():
            self._data.setdefault(digest, data)
            self._users[digest] = self._users.get(digest, 0) + 1
        sets.append(names)
        while len(sets) > HISTORY:
            self._release(sets.pop(0))
        return True

    def release(self, keeper: Hashable) -> None:
        """Forget all that is kept for a keeper alone."""
        for names in self._kept.pop(keeper, []):
            self._release(names)

    def _release(self, names: frozenset[Digest]) -> None:
        for digest in names:
            self._users[digest] -= 1
            if not self._users[digest]:
                del self._users[digest], self._data[digest]

    def __len__(self) -> int:
        return len(self._data)
