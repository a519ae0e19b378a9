"""What an API server in memory stores: objects, their newest versions and how they came to be, as etcd would hold them.

State: all objects, and the last changes of each kind. A stored object is never changed in place: whoever reads one may keep it.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from agent.kube.api import Object

KindKey = tuple[str, str]
"""Group and plural: all versions of a kind are one collection."""
Place = tuple[str, str]
"""Namespace (empty for kinds without) and name."""
FIRST_VERSION = 1
MAX_CHANGES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: the object before (None: new) and after (None: gone)."""

    version: int
    place: Place
    before: Object | None
    after: Object | None


Heard = Callable[[KindKey, Change], None]
"""Is told of every change as it happens; it must not write."""


class TooOld(Exception):
    """What was asked for is as of a version whose changes are not known any more."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")


class _Collection:
    """The objects of one kind, and its latest changes in order."""

    __slots__ = ("changes", "dropped", "forgotten", "objects", "woken")

    def __init__(self, version: int) -> None:
        self.objects: dict[Place, Object] = {}
        self.changes: deque[Change] = deque()
        self.forgotten = self.dropped = version
        self.woken = asyncio.Event()

    def since(self, version: int, *, is_followed: bool = False) -> Iterator[Change]:
        """Return the changes after a version. Raises TooOld; to whoever has followed so far, only when it missed one."""
        if version < (self.dropped if is_followed else self.forgotten):
            raise TooOld(version, self.forgotten)
        start = bisect_right(self.changes, version, key=lambda one: one.version)
        return islice(self.changes, start, None)

    def drop(self) -> None:
        """Forget the oldest change."""
        self.forgotten = self.dropped = self.changes.popleft().version

    def wake(self) -> None:
        woken, self.woken = self.woken, asyncio.Event()
        woken.set()


class Storage:
    """All collections of one server."""

    def __init__(self) -> None:
        self.version = FIRST_VERSION
        self._collections: dict[KindKey, _Collection] = {}
        self._followers: list[Heard] = []

    def copy(self) -> "Storage":
        """Return another that holds the same now, as a backup does: how it came to be is not known there."""
        other = Storage()
        other.version = self.version
        for kind, collection in self._collections.items():
            other._collections[kind] = taken = _Collection(self.version)
            taken.objects = dict(collection.objects)
        return other

    def follow(self, heard: Heard) -> None:
        """Tell somebody of every change of every kind from now on."""
        self._followers.append(heard)

    def leave(self, heard: Heard) -> None:
        """Tell somebody nothing more."""
        self._followers.remove(heard)

    @property
    def kinds(self) -> tuple[KindKey, ...]:
        """Return the kinds of which there are objects, or were."""
        return tuple(self._collections)

    def get(self, kind: KindKey, place: Place) -> Object | None:
        """Return an object, None when there is none."""
        found = self._collections.get(kind)
        return found.objects.get(place) if found is not None else None

    def all(self, kind: KindKey, namespace: str = "") -> list[tuple[Place, Object]]:
        """Return the objects of a kind in the order of their keys, in one namespace when one is given."""
        found = self._collections.get(kind)
        if found is None:
            return []
        return [(place, found.objects[place]) for place in _in_order(found.objects, namespace)]

    def all_at(self, kind: KindKey, namespace: str, version: int) -> list[tuple[Place, Object]]:
        """Return a collection as it was at a version. Raises TooOld."""
        found = self._collection(kind)
        objects = dict(found.objects)
        for change in reversed(list(found.since(version))):
            if change.before is None:
                objects.pop(change.place, None)
            else:
                objects[change.place] = change.before
        return [(place, objects[place]) for place in _in_order(objects, namespace)]

    def put(self, kind: KindKey, place: Place, value: Object) -> Object:
        """Store an object under the next version, which it is given, and return it."""
        self.version += 1
        stored = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
        collection = self._collection(kind)
        before = collection.objects.get(place)
        collection.objects[place] = stored
        self._note(kind, collection, Change(version=self.version, place=place, before=before, after=stored))
        return stored

    def remove(self, kind: KindKey, place: Place) -> int:
        """Remove an object; return the version at which it is gone. Raises KeyError."""
        self.version += 1
        gone_at = self.version
        collection = self._collection(kind)
        before = collection.objects.pop(place)
        self._note(kind, collection, Change(version=gone_at, place=place, before=before, after=None))
        return gone_at

    def drop(self, kind: KindKey) -> None:
        """Forget a kind that is served no more, with all its objects; whoever watches it is not told of each."""
        self.version += 1
        if (found := self._collections.pop(kind, None)) is not None:
            found.forgotten = found.dropped = self.version
            found.wake()

    def compact(self) -> None:
        """Forget how everything came to be; who has followed until now does not notice."""
        for collection in self._collections.values():
            while collection.changes:
                collection.drop()
            collection.forgotten = self.version
        self.wake()

    def wake(self) -> None:
        """Have everybody look who waits for news."""
        for collection in self._collections.values():
            collection.wake()

    def trim(self, version: int) -> None:
        """Forget the changes up to a version; who has seen them does not notice."""
        for collection in self._collections.values():
            changes = collection.changes
            while changes and changes[0].version <= version:
                collection.drop()

    def since(self, kind: KindKey, version: int, *, is_followed: bool = False) -> list[Change]:
        """Return the changes of a kind after a version. Raises TooOld; to whoever has followed so far, only when it missed one."""
        return list(self._collection(kind).since(version, is_followed=is_followed))

    def news(self, kind: KindKey) -> asyncio.Event:
        """Return what is set at the next change of a kind."""
        return self._collection(kind).woken

    def _collection(self, kind: KindKey) -> _Collection:
        found = self._collections.get(kind)
        if found is None:
            # Nothing of this kind changed so far: every version up to now is known.
            found = self._collections[kind] = _Collection(0)
        return found

    def _note(self, kind: KindKey, collection: _Collection, change: Change) -> None:
        collection.changes.append(change)
        if len(collection.changes) > MAX_CHANGES:
            collection.drop()
        collection.wake()
        for heard in self._followers:
            heard(kind, change)


def _in_order(objects: dict[Place, Object], namespace: str) -> list[Place]:
    """Return places in the order of etcd's keys, in which namespace and name are one text."""
    chosen = [place for place in objects if place[0] == namespace] if namespace else list(objects)
    return sorted(chosen, key="/".join)
