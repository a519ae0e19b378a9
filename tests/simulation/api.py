"""The ways into a simulated cluster: `agent.kube.api.Api` over a dict, and one with somebody who looks at each request and may hinder it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from agent.kube.api import Api, Applied, Listing, Object, PatchType, Propagation, Resource, WatchEvent
from agent.kube.errors import NotFound
from tests.simulation.cluster import Cluster, Selects

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `body` is what an apply or a create brings, `version` the resourceVersion that a deletion supposes."""

    verb: str
    user: str
    resource: str
    name: str = ""
    version: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_dry_run: bool = False

    @property
    def writes(self) -> bool:
        return self.verb not in ("get", "list", "watch", "read") and not self.is_dry_run


class Network(Protocol):
    """What is between a caller and the server: waits, raises, looks."""

    async def carry(self, call: Call, work: Callable[[], Awaitable[T]]) -> T: ...


class SimulatedApi:
    """`Api` by a door that takes no time, with a network before it. `watching` is the way for watches, which go on."""

    def __init__(self, door: Api, user: str, network: Network, *, watching: Api | None = None) -> None:
        self._door = door
        self._user = user
        self._network = network
        self._watching = watching or door

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        call = self._call("get", resource, name)
        return await self._do(call, lambda: self._door.get(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        call = self._call("list", resource)
        return await self._do(call, lambda: self._door.list(resource, namespace, **selectors))

    async def metadata(self, resource: Resource, namespace: str = "") -> Listing:
        return await self._do(self._call("list", resource), lambda: self._door.metadata(resource, namespace))

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        await self._do(self._call("watch", resource), _nothing)
        events = self._watching.watch(
            resource,
            namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        async for event in events:
            yield event

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        call = self._call("create", resource, value["metadata"]["name"], body=value)
        return await self._do(
            call, lambda: self._door.create(resource, namespace, value, field_manager=field_manager)
        )

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        named = {"field_manager": field_manager, "subresource": subresource}
        call = self._call("replace", resource, value["metadata"]["name"], body=value)
        return await self._do(call, lambda: self._door.replace(resource, namespace, value, **named))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: object,
        *,
        kind: PatchType,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        return await self._do(
            self._call("patch", resource, name),
            lambda: self._door.patch(
                resource,
                namespace,
                name,
                patch,
                kind=kind,
                field_manager=field_manager,
                subresource=subresource,
            ),
        )

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Applied:
        call = self._call("apply", resource, name, body=json.loads(body), is_dry_run=dry_run)
        return await self._do(
            call,
            lambda: self._door.apply(
                resource,
                namespace,
                name,
                body,
                field_manager=field_manager,
                force=force,
                dry_run=dry_run,
                subresource=subresource,
            ),
        )

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> None:
        call = self._call("delete", resource, name, version=resource_version)
        await self._do(
            call,
            lambda: self._door.delete(
                resource,
                namespace,
                name,
                uid=uid,
                resource_version=resource_version,
                propagation=propagation,
            ),
        )

    async def read(self, path: str, **query: str) -> bytes:
        call = Call(verb="read", user=self._user, resource=path)
        return await self._do(call, lambda: self._door.read(path, **query))

    def _call(self, verb: str, resource: Resource, name: str = "", **named: Any) -> Call:
        return Call(verb=verb, user=self._user, resource=resource.plural, name=name, **named)

    async def _do(self, call: Call, work: Callable[[], Awaitable[T]]) -> T:
        return await self._network.carry(call, work)


async def _nothing() -> None:
    """Ask for nothing but the way."""


class ClusterApi:
    """`Api` over a cluster that is a dict: what is asked for is done at once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return self._cluster.get(resource, namespace, name)

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        return self._cluster.list(resource, namespace, selects_of(label_selector))

    async def metadata(self, resource: Resource, namespace: str = "") -> Listing:
        listing = self._cluster.list(resource, namespace)
        items: list[Object] = [{"metadata": one["metadata"]} for one in listing.items]
        return Listing(items=items, resource_version=listing.resource_version)

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        selects = selects_of(label_selector)
        return self._cluster.watch(resource, namespace, resource_version=resource_version, selects=selects)

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        return self._cluster.create(resource, namespace, value, manager=field_manager)

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        return self._cluster.replace(
            resource, namespace, value, manager=field_manager, subresource=subresource
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: object,
        *,
        kind: PatchType,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        assert kind is PatchType.MERGE
        return self._cluster.merge(
            resource, namespace, name, patch, manager=field_manager, subresource=subresource
        )

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Applied:
        value = json.loads(body)
        made, created = self._cluster.apply(
            resource, namespace, name, value, manager=field_manager, dry_run=dry_run
        )
        return Applied(object=made, created=created)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> None:
        self._cluster.delete(resource, namespace, name, uid=uid, resource_version=resource_version)

    async def read(self, path: str, **query: str) -> bytes:
        """Answer discovery of one group's version."""
        if path not in self._cluster.kinds:
            raise NotFound("the server could not find the requested resource", status=404, reason="NotFound")
        kinds = self._cluster.kinds[path]
        found = [{"name": one.plural, "kind": one.kind, "namespaced": one.namespaced} for one in kinds]
        return json.dumps({"resources": found}).encode()


def selects_of(label_selector: str) -> Selects:
    """Return what a selector of one label, by its presence or its text, selects."""
    name, equals, text = label_selector.partition("=")

    def selects(value: Object) -> bool:
        labels = value["metadata"].get("labels") or {}
        return not name or (labels.get(name) == text if equals else name in labels)

    return selects
