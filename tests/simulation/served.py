"""A cluster as an API server in memory, for worlds that are to be as whole as they can be: `Ground` over `hub/sandbox`."""

import itertools
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Api, Listing, Object, Resource
from agent.kube.resources import SECRETS
from hub.model.kinds import Kind
from hub.resources import resource_of
from hub.sandbox.storage import Change, KindKey, Storage
from tests.fakes import cluster as fakes
from tests.simulation.ground import Heard, Key
from tests.simulation.place import AGENTS, APPS, CONFIG_MAPS


class _Stored(Mapping[Key, Object]):
    """What is stored of some kinds."""

    def __init__(self, storage: Storage, kinds: Mapping[str, KindKey]) -> None:
        self._storage = storage
        self._kinds = kinds

    def __getitem__(self, key: Key) -> Object:
        plural, namespace, name = key
        found = self._storage.get(self._kinds[plural], (namespace, name))
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Key]:
        for plural, kind in self._kinds.items():
            for (namespace, name), _ in self._storage.all(kind):
                yield plural, namespace, name

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ServedCluster:
    """One server, whose objects get the same ids every time. `kinds` are those that a simulation looks at."""

    def __init__(self, name: str, clock: Clock, kinds: Mapping[str, KindKey], *, is_management: bool) -> None:
        numbers = itertools.count(1)
        space = uuid.uuid5(uuid.NAMESPACE_DNS, name)
        self._cluster = fakes.Cluster(
            clock,
            with_kinds=is_management,
            new_id=lambda: str(uuid.uuid5(space, str(next(numbers)))),
        )
        self._cluster.server.traffic.listener = None
        self._cluster.interference = None
        self._plurals = {kind: plural for plural, kind in kinds.items()}
        self._storage = self._cluster.server.storage
        self.objects: Mapping[Key, Object] = _Stored(self._storage, kinds)
        self._follower: Heard | None = None
        self._storage.follow(self._happened)

    @property
    def version(self) -> int:
        return self._storage.version

    def follow(self, heard: Heard) -> None:
        self._follower = heard

    def door(self) -> Api:
        return self._cluster.door

    def watching(self, user: str) -> Api:
        """Return the client of production, by the way of all requests."""
        return self._cluster.api(user)

    def list(self, resource: Resource, namespace: str = "") -> Listing:
        return self._cluster.list(resource, namespace)

    def create(self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str) -> Object:
        return self._cluster.create(resource, namespace, value, manager=manager)

    def replace(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str, subresource: str
    ) -> Object:
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return self._cluster.replace(
            resource, namespace, {**value, **kind}, manager=manager, subresource=subresource
        )

    def merge(
        self, resource: Resource, namespace: str, name: str, patch: Any, *, manager: str, subresource: str
    ) -> Object:
        return self._cluster.patch(resource, namespace, name, patch, manager=manager, subresource=subresource)

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        self._cluster.delete(resource, namespace, name)

    def compact(self) -> None:
        self._cluster.compact()
        self._cluster.end_watches()

    def snapshot(self) -> object:
        return {key: self.objects[key] for key in self.objects}

    def restore(self, snapshot: Any) -> None:
        for key in [one for one in self.objects if one not in snapshot]:
            self._storage.remove(self._kind(key), key[1:])
        for key, value in snapshot.items():
            if self.objects.get(key) is not value:
                self._storage.put(self._kind(key), key[1:], value)
        self.compact()

    def add_namespaces(self) -> None:
        """Have the namespaces there that an installation and people bring."""
        for namespace in (AGENTS, APPS):
            self._cluster.add_namespace(namespace)

    def _kind(self, key: Key) -> KindKey:
        return next(kind for kind, plural in self._plurals.items() if plural == key[0])

    def _happened(self, kind: KindKey, change: Change) -> None:
        plural = self._plurals.get(kind)
        if plural is not None and self._follower is not None:
            self._follower((plural, *change.place), change.before, change.after)


def workload(name: str, clock: Clock) -> ServedCluster:
    """Return a cluster for an agent."""
    kinds = {one.plural: (one.group, one.plural) for one in (CONFIG_MAPS, SECRETS)}
    return ServedCluster(name, clock, kinds, is_management=False)


def management(name: str, clock: Clock) -> ServedCluster:
    """Return a cluster that serves the hub's kinds."""
    kinds = {one.plural: (one.group, one.plural) for one in map(resource_of, Kind)}
    return ServedCluster(name, clock, kinds, is_management=True)
