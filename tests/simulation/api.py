"""The door to a simulated cluster for one caller: `agent.kube.api.Api`, with somebody who looks at each request and may hinder it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from agent.kube.api import Applied, Listing, Object, PatchType, Propagation, Resource, WatchEvent
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

    async def carry(self, call: Call, work: Callable[[], T]) -> T: ...


class SimulatedApi:
    """`Api` over a `Cluster`."""

    def __init__(
        self, cluster: Cluster, user: str, network: Network, kinds: Mapping[str, tuple[Resource, ...]]
    ) -> None:
        self._cluster = cluster
        self._user = user
        self._network = network
        self._kinds = kinds

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        call = self._call("get", resource, name)
        return await self._do(call, lambda: self._cluster.get(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        call, selects = self._call("list", resource), selects_of(label_selector)
        return await self._do(call, lambda: self._cluster.list(resource, namespace, selects))

    async def metadata(self, resource: Resource, namespace: str = "") -> Listing:
        listing = await self.list(resource, namespace)
        items: list[Object] = [{"metadata": one["metadata"]} for one in listing.items]
        return Listing(items=items, resource_version=listing.resource_version)

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        await self._do(self._call("watch", resource), lambda: None)
        selects = selects_of(label_selector)
        async for event in self._cluster.watch(
            resource, namespace, resource_version=resource_version, selects=selects
        ):
            yield event

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        call = self._call("create", resource, value["metadata"]["name"], body=value)
        return await self._do(
            call, lambda: self._cluster.create(resource, namespace, value, manager=field_manager)
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
        call = self._call("replace", resource, value["metadata"]["name"], body=value)
        return await self._do(
            call,
            lambda: self._cluster.replace(
                resource, namespace, value, manager=field_manager, subresource=subresource
            ),
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
        return await self._do(
            self._call("patch", resource, name),
            lambda: self._cluster.merge(
                resource, namespace, name, patch, manager=field_manager, subresource=subresource
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
        value = json.loads(body)
        call = self._call("apply", resource, name, body=value, is_dry_run=dry_run)
        made, created = await self._do(
            call,
            lambda: self._cluster.apply(
                resource, namespace, name, value, manager=field_manager, dry_run=dry_run
            ),
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
        call = self._call("delete", resource, name, version=resource_version)
        await self._do(
            call,
            lambda: self._cluster.delete(
                resource, namespace, name, uid=uid, resource_version=resource_version
            ),
        )

    async def read(self, path: str, **query: str) -> bytes:
        return await self._do(Call(verb="read", user=self._user, resource=path), lambda: self._said(path))

    def _said(self, path: str) -> bytes:
        """Answer discovery of one group's version."""
        if path not in self._kinds:
            raise NotFound("the server could not find the requested resource", status=404, reason="NotFound")
        found = [
            {"name": one.plural, "kind": one.kind, "namespaced": one.namespaced} for one in self._kinds[path]
        ]
        return json.dumps({"resources": found}).encode()

    def _call(self, verb: str, resource: Resource, name: str = "", **named: Any) -> Call:
        return Call(verb=verb, user=self._user, resource=resource.plural, name=name, **named)

    async def _do(self, call: Call, work: Callable[[], T]) -> T:
        return await self._network.carry(call, work)


def selects_of(label_selector: str) -> Selects:
    """Return what a selector of one label, by its presence or its text, selects."""
    name, equals, text = label_selector.partition("=")

    def selects(value: Object) -> bool:
        labels = value["metadata"].get("labels") or {}
        return not name or (labels.get(name) == text if equals else name in labels)

    return selects
