"""How a cluster came to be: forgotten some minutes after it happened, as a real server has etcd do it."""

from hub.sandbox.life.world import World
from hub.sandbox.storage import KindKey, Place, Storage

HISTORY: tuple[KindKey, Place] = (("", "history"), ("", ""))
"""What it is looked at as; no kind has this name."""
_KEPT_S = 300.0


class History:
    """The changes of one cluster.

    State: up to which version they are forgotten next; None when all are forgotten.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._next: int | None = None

    def keep(self, world: World, place: Place) -> float | None:
        """Forget what was new the last time, and remember what is new now."""
        if self._next is not None:
            self._storage.trim(self._next)
        if self._next == self._storage.version:
            self._next = None
            return None
        self._next = self._storage.version
        return _KEPT_S
