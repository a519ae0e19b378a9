"""What goes with what goes: dependents with their owners, and what is in a namespace with that.

State: who depends on whom, by the owners' UIDs. Everything happens at the instant of the deletion that causes it; a real server's
controllers need a while, and nobody may rely on either.
"""

from collections.abc import Callable, Iterator

from agent.kube.api import Object
from hub.sandbox.storage import KindKey, Place, Storage

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
NAMESPACES: KindKey = ("", "namespaces")
Where = tuple[KindKey, Place]


class Collector:
    """Follows the writes of one server. `delete` deletes an object as a client would, by background or foreground; `free` takes the owner
    with a UID from an object."""

    def __init__(
        self,
        storage: Storage,
        delete: Callable[[KindKey, Place, str], None],
        free: Callable[[KindKey, Place, str], None],
    ) -> None:
        self._storage = storage
        self._delete = delete
        self._free = free
        self._dependents: dict[str, set[Where]] = {}

    def take_over(self) -> None:
        """Take in all that is there, and carry on its deletions."""
        for kind in self._storage.kinds:
            for place, value in self._storage.all(kind):
                self.stored(kind, place, None, value)

    def stored(self, kind: KindKey, place: Place, before: Object | None, value: Object) -> None:
        """Take in what was written, and carry on a deletion that it is part of."""
        owners, old = _owners(value), _owners(before)
        for uid in old - owners:
            self._forget(uid, (kind, place))
        for uid in owners - old:
            self._dependents.setdefault(uid, set()).add((kind, place))
        if not value["metadata"].get("deletionTimestamp"):
            return
        finalizers = value["metadata"].get("finalizers") or ()
        if ORPHAN in finalizers:
            self._orphan(value["metadata"]["uid"])
            self._finish(kind, place, ORPHAN)
        elif FOREGROUND in finalizers:
            self._lead(kind, place, value["metadata"]["uid"])
        elif kind == NAMESPACES:
            self._empty(place)

    def removed(self, kind: KindKey, place: Place, value: Object) -> None:
        """Take in what is gone: what depended on it alone goes, too, and what waited for it goes on."""
        for uid in _owners(value):
            self._forget(uid, (kind, place))
        gone = value["metadata"]["uid"]
        for there, dependent in list(self.dependents_of(gone)):
            if not any(self._is_there(uid) for uid in _owners(dependent) - {gone}):
                self._delete(*there, "Background")
            else:
                self._free(*there, gone)
        self._carry_on(kind, place, value)

    def _carry_on(self, kind: KindKey, place: Place, value: Object) -> None:
        """Go on with deletions that waited for an object: of its owners, and of its namespace."""
        for owner_kind, owner_place, owner in self._owners_that_leave(value):
            self._lead(owner_kind, owner_place, owner["metadata"]["uid"])
        if place[0]:
            namespace = self._storage.get(NAMESPACES, ("", place[0]))
            if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
                self._empty(("", place[0]))

    def _lead(self, kind: KindKey, place: Place, uid: str) -> None:
        """Have the dependents go first; the owner follows when none is left that blocks it."""
        for there, dependent in list(self.dependents_of(uid)):
            if not dependent["metadata"].get("deletionTimestamp"):
                self._delete(*there, "Foreground")
        if not any(_blocks(dependent, uid) for _, dependent in self.dependents_of(uid)):
            self._finish(kind, place, FOREGROUND)

    def _orphan(self, uid: str) -> None:
        for (kind, place), _ in list(self.dependents_of(uid)):
            self._free(kind, place, uid)

    def _finish(self, kind: KindKey, place: Place, finalizer: str) -> None:
        """Take a finalizer from an object that leaves, and the object when it was the last."""
        value = self._storage.get(kind, place)
        if value is None or finalizer not in (value["metadata"].get("finalizers") or ()):
            return
        left = [one for one in value["metadata"]["finalizers"] if one != finalizer]
        if not left and not (kind == NAMESPACES and _is_kept(value)):
            self._storage.remove(kind, place)
            self.removed(kind, place, value)
            return
        metadata = {name: part for name, part in value["metadata"].items() if name != "finalizers"}
        changed = {**value, "metadata": metadata | ({"finalizers": left} if left else {})}
        self.stored(kind, place, value, self._storage.put(kind, place, changed))

    def _empty(self, place: Place) -> None:
        """Delete all that is in a namespace that leaves; the namespace follows when nothing is left."""
        name = place[1]
        for kind in self._storage.kinds:
            for there, value in self._storage.all(kind, name):
                if not value["metadata"].get("deletionTimestamp"):
                    self._delete(kind, there, "Background")
        namespace = self._storage.get(NAMESPACES, place)
        is_empty = not any(self._storage.all(kind, name) for kind in self._storage.kinds)
        if namespace is None or not is_empty:
            return
        if not namespace["metadata"].get("finalizers"):
            self._storage.remove(NAMESPACES, place)
            self.removed(NAMESPACES, place, namespace)

    def dependents_of(self, uid: str) -> Iterator[tuple[Where, Object]]:
        """Yield what names an object as an owner, in the order of kinds and names."""
        for kind, place in sorted(self._dependents.get(uid, ())):
            if (value := self._storage.get(kind, place)) is not None:
                yield (kind, place), value

    def _owners_that_leave(self, value: Object) -> Iterator[tuple[KindKey, Place, Object]]:
        wanted = _owners(value)
        if not wanted:
            return
        for kind in self._storage.kinds:
            for place, owner in self._storage.all(kind):
                metadata = owner["metadata"]
                if metadata["uid"] in wanted and FOREGROUND in (metadata.get("finalizers") or ()):
                    yield kind, place, owner

    def _is_there(self, uid: str) -> bool:
        kinds = self._storage.kinds
        return any(one["metadata"]["uid"] == uid for kind in kinds for _, one in self._storage.all(kind))

    def _forget(self, uid: str, where: Where) -> None:
        found = self._dependents.get(uid)
        if found is not None:
            found.discard(where)
            if not found:
                del self._dependents[uid]


def _owners(value: Object | None) -> set[str]:
    references = value["metadata"].get("ownerReferences") or () if value is not None else ()
    return {one["uid"] for one in references}


def _blocks(dependent: Object, uid: str) -> bool:
    references = dependent["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == uid and one.get("blockOwnerDeletion") for one in references)


def _is_kept(namespace: Object) -> bool:
    return bool((namespace.get("spec") or {}).get("finalizers"))
