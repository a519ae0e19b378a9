"""A cluster as the simulation needs one: a dict of objects with resourceVersions, and who owns which of their fields.

Quick, not exact: what a real server does beyond that (defaults, schemas, rights) no invariant of a simulation rests on. Objects in the dict are
never changed in place; what goes in and comes out is copied.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Api, Change, Listing, Object, Resource, WatchEvent
from agent.kube.errors import AlreadyExists, Conflict, Expired, NotFound
from agent.model.names import timestamp
from tests.simulation.ground import Heard, Key

Path = tuple[str, ...]
Selects = Callable[[Object], bool]

_MISSING = object()
_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation")


@dataclass(frozen=True, slots=True)
class _Happened:
    """One change: the object before (None: new) and after (None: gone)."""

    key: Key
    before: Object | None
    after: Object | None


def _nothing(_: Key, before: Object | None, after: Object | None) -> None:
    """Hear nothing."""


@dataclass
class Cluster:
    """The objects of one cluster. `with_status` are the plurals whose status is written apart."""

    name: str
    clock: Clock
    with_status: frozenset[str] = frozenset()
    kinds: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)
    """What discovery tells, by path."""
    version: int = 100
    objects: dict[Key, Object] = field(default_factory=dict)
    owners: dict[Key, dict[Path, frozenset[str]]] = field(default_factory=dict)
    _history: list[_Happened] = field(default_factory=list)
    _first: int = 100
    _watches: dict[asyncio.Event, bool] = field(default_factory=dict)
    _born: int = 0
    _heard: Heard = field(default=_nothing)

    def follow(self, heard: Heard) -> None:
        self._heard = heard

    def door(self) -> Api:
        # The door knows clusters, not the other way round.
        from tests.simulation.api import ClusterApi

        return ClusterApi(self)

    def snapshot(self) -> object:
        return dict(self.objects), dict(self.owners)

    def restore(self, snapshot: Any) -> None:
        objects, owners = snapshot
        self.objects, self.owners = dict(objects), dict(owners)
        self.version += 1000
        self.compact()

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return copied(self._find((resource.plural, namespace, name)))

    def list(self, resource: Resource, namespace: str = "", selects: Selects | None = None) -> Listing:
        found = [
            copied(value)
            for (plural, place, _), value in sorted(self.objects.items())
            if plural == resource.plural and namespace in ("", place) and (selects is None or selects(value))
        ]
        return Listing(items=found, resource_version=str(self.version))

    def create(self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str) -> Object:
        new = copied(dict(value))
        metadata = new["metadata"]
        key = (resource.plural, namespace, metadata["name"])
        if key in self.objects:
            raise AlreadyExists(f"{key} already exists", status=409, reason="AlreadyExists")
        if resource.plural in self.with_status:
            new.pop("status", None)
        return copied(self._begin(key, new, manager))

    def replace(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str, subresource: str
    ) -> Object:
        key = (resource.plural, namespace, value["metadata"]["name"])
        before = self._find(key)
        _check_version(before, str(value["metadata"].get("resourceVersion", "")))
        return copied(self._change(key, before, copied(dict(value)), manager, subresource))

    def merge(
        self, resource: Resource, namespace: str, name: str, patch: Any, *, manager: str, subresource: str
    ) -> Object:
        """Carry out a merge patch."""
        key = (resource.plural, namespace, name)
        before = self._find(key)
        _check_version(before, str((patch.get("metadata") or {}).get("resourceVersion", "")))
        return copied(self._change(key, before, _merged(before, patch), manager, subresource))

    def apply(
        self, resource: Resource, namespace: str, name: str, body: Object, *, manager: str, dry_run: bool
    ) -> tuple[Object, bool]:
        """Carry out a server-side apply that takes every field; tell whether the object is new."""
        key = (resource.plural, namespace, name)
        before = self.objects.get(key)
        if before is None:
            return copied(body if dry_run else self._begin(key, copied(body), manager)), True
        new, owners, wished = copied(before), dict(self.owners[key]), dict(_leaves(body))
        for path in [path for path, who in owners.items() if manager in who and path not in wished]:
            owners[path] = owners[path] - {manager}
            if not owners[path]:
                del owners[path]
                _remove(new, path)
        for path, leaf in wished.items():
            is_same = _value(new, path) == leaf
            owners[path] = (owners.get(path, frozenset()) if is_same else frozenset()) | {manager}
            _set(new, path, _copied(leaf))
        if dry_run:
            return new, False
        self.owners[key] = owners
        return copied(self._settle(key, before, new)), False

    def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str = "", resource_version: str = ""
    ) -> None:
        key = (resource.plural, namespace, name)
        before = self._find(key)
        if uid not in ("", before["metadata"]["uid"]):
            raise Conflict(f"{key} is another object", status=409, reason="Conflict")
        _check_version(before, resource_version)
        if not before["metadata"].get("finalizers"):
            self._remove(key)
        elif "deletionTimestamp" not in before["metadata"]:
            marked = copied(before)
            marked["metadata"]["deletionTimestamp"] = timestamp(self.clock.now())
            self._store(key, before, marked)

    async def watch(
        self, resource: Resource, namespace: str, *, resource_version: str, selects: Selects
    ) -> AsyncIterator[WatchEvent]:
        """Yield what changes after a resourceVersion until watches are ended."""
        woken, position = asyncio.Event(), int(resource_version)
        self._watches[woken] = False
        try:
            while True:
                if position < self._first:
                    raise Expired("too old resource version", status=410, reason="Expired")
                for event in self._events(position, resource.plural, namespace, selects):
                    yield event
                    position = int(event.object["metadata"]["resourceVersion"])
                if self._watches[woken]:
                    return
                woken.clear()
                await woken.wait()
        finally:
            del self._watches[woken]

    def _events(self, position: int, plural: str, namespace: str, selects: Selects) -> Iterator[WatchEvent]:
        for number in range(position - self._first, len(self._history)):
            if number < 0:
                # The history was cut while its events were taken.
                return
            happened = self._history[number]
            if happened.key[0] != plural or namespace not in ("", happened.key[1]):
                continue
            was = happened.before is not None and selects(happened.before)
            if happened.after is not None and selects(happened.after):
                change = Change.MODIFIED if was else Change.ADDED
                yield WatchEvent(change=change, object=copied(happened.after))
            elif was and happened.before is not None:
                last = copied(happened.before)
                last["metadata"]["resourceVersion"] = str(self._first + number + 1)
                yield WatchEvent(change=Change.DELETED, object=last)

    def compact(self) -> None:
        self._history.clear()
        self._first = self.version
        for woken in self._watches:
            self._watches[woken] = True
            woken.set()

    def _find(self, key: Key) -> Object:
        if key not in self.objects:
            raise NotFound(f"{key} not found", status=404, reason="NotFound")
        return self.objects[key]

    def _begin(self, key: Key, new: Object, manager: str) -> Object:
        self._born += 1
        metadata = new["metadata"]
        for name in _SERVERS:
            metadata.pop(name, None)
        if key[1]:
            metadata["namespace"] = key[1]
        metadata["uid"] = f"{self.name}-{self._born}"
        metadata["creationTimestamp"] = timestamp(self.clock.now())
        metadata["generation"] = 1
        self.owners[key] = {path: frozenset((manager,)) for path, _ in _leaves(new)}
        return self._store(key, None, new)

    def _change(self, key: Key, before: Object, new: Object, manager: str, subresource: str) -> Object:
        if subresource:
            new = {**before, subresource: new.get(subresource)}
        elif key[0] in self.with_status:
            new = {**new, "status": before["status"]} if "status" in before else _without(new, "status")
        new["metadata"] = {
            **_without(new["metadata"], *_SERVERS),
            **{name: before["metadata"][name] for name in _SERVERS if name in before["metadata"]},
        }
        old, owners = dict(_leaves(before)), self.owners[key]
        now = dict(_leaves(new))
        kept = {path: owners.get(path, frozenset()) for path, leaf in now.items() if old.get(path) == leaf}
        self.owners[key] = kept | {path: frozenset((manager,)) for path in now.keys() - kept.keys()}
        return self._settle(key, before, new)

    def _settle(self, key: Key, before: Object, new: Object) -> Object:
        """Store a change unless it is none, and let go what was only held by finalizers."""
        if new == before:
            return before
        if key[0] in self.with_status and new.get("spec") != before.get("spec"):
            new["metadata"]["generation"] = before["metadata"]["generation"] + 1
        stored = self._store(key, before, new)
        if "deletionTimestamp" in stored["metadata"] and not stored["metadata"].get("finalizers"):
            self._remove(key)
        return stored

    def _store(self, key: Key, before: Object | None, new: Object) -> Object:
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = new
        self._tell(_Happened(key, before, new))
        return new

    def _remove(self, key: Key) -> None:
        self.version += 1
        self.owners.pop(key)
        self._tell(_Happened(key, self.objects.pop(key), None))

    def _tell(self, happened: _Happened) -> None:
        self._history.append(happened)
        for woken in self._watches:
            woken.set()
        self._heard(happened.key, happened.before, happened.after)


def copied(value: Object) -> Object:
    """Return a copy that shares nothing that can be changed."""
    made: Object = _copied(value)
    return made


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copied(part) for key, part in value.items()}
    if type(value) is list:
        return [_copied(part) for part in value]
    return value


def _check_version(before: Object, wanted: str) -> None:
    if wanted not in ("", before["metadata"]["resourceVersion"]):
        raise Conflict("the object has been modified", status=409, reason="Conflict")


def _merged(before: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return _copied(patch)
    found = dict(before) if isinstance(before, dict) else {}
    for name, part in patch.items():
        if part is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), part)
    return found


def _leaves(value: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the fields that somebody may own: labels, annotations, and everything beside metadata and status."""
    for name in ("labels", "annotations"):
        for key, text in (value["metadata"].get(name) or {}).items():
            yield ("metadata", name, key), text
    for name, part in value.items():
        if name not in ("apiVersion", "kind", "metadata", "status"):
            yield from _below((name,), part)


def _below(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _below((*path, name), part)
    else:
        yield path, value


def _value(value: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _set(value: Any, path: Path, leaf: Any) -> None:
    for name in path[:-1]:
        value = value.setdefault(name, {})
    value[path[-1]] = leaf


def _remove(value: Any, path: Path) -> None:
    for name in path[:-1]:
        value = value.get(name)
        if not isinstance(value, dict):
            return
    value.pop(path[-1], None)


def _without(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in names}
