"""The door to an API server in memory, for one user: `Api` over `FakeCluster`, with the log, permissions and interference."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from agent.kube.api import Applied, Listing, Object, PatchType, Propagation, Resource, WatchEvent
from agent.kube.errors import Forbidden
from tests.fakes.patches import selects_fields, selects_labels
from tests.fakes.rules import told

if TYPE_CHECKING:
    from tests.fakes.kube import FakeCluster

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as the log keeps it. `resource_version` is what a deletion supposes."""

    verb: str
    user: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    is_dry_run: bool = False
    resource_version: str = ""

    @property
    def writes(self) -> bool:
        return self.verb not in ("get", "list", "watch", "read") and not self.is_dry_run


class Interference(Protocol):
    """What may come between a caller and the server: wait, or raise."""

    async def before(self, call: Call) -> None: ...

    async def after(self, call: Call) -> None: ...


class FakeApi:
    """The door to a FakeCluster for one user."""

    def __init__(self, cluster: "FakeCluster", user: str) -> None:
        self.cluster = cluster
        self.user = user

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        call = self._call("get", resource, namespace, name)
        return await self._do(call, resource, lambda: self.cluster.get(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        call = self._call("list", resource, namespace)
        return await self._do(
            call,
            resource,
            lambda: self.cluster.list(
                resource, namespace, label_selector=label_selector, field_selector=field_selector
            ),
        )

    async def metadata(self, resource: Resource, namespace: str = "") -> Listing:
        call = self._call("list", resource, namespace)
        listing = await self._do(call, resource, lambda: self.cluster.list(resource, namespace))
        partial = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata"}
        items = [{**partial, "metadata": one["metadata"]} for one in listing.items]
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
        await self._do(self._call("watch", resource, namespace), resource, lambda: None)
        stream = self.cluster.watch(
            resource,
            namespace,
            resource_version=resource_version,
            selects=lambda value: (
                selects_labels(label_selector, value) and selects_fields(field_selector, value)
            ),
        )
        async for event in stream:
            yield event

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        call = self._call("create", resource, namespace, str((value.get("metadata") or {}).get("name", "")))
        return await self._do(
            call, resource, lambda: self.cluster.create(resource, namespace, value, manager=field_manager)
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
        call = self._call("replace", resource, namespace, value["metadata"]["name"], subresource)
        return await self._do(
            call,
            resource,
            lambda: self.cluster.replace(
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
        call = self._call("patch", resource, namespace, name, subresource)
        return await self._do(
            call,
            resource,
            lambda: self.cluster.patch(
                resource,
                namespace,
                name,
                patch,
                kind=kind,
                manager=field_manager,
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
        call = self._call("apply", resource, namespace, name, subresource, is_dry_run=dry_run)
        return await self._do(
            call,
            resource,
            lambda: self.cluster.apply(
                resource,
                namespace,
                name,
                body,
                manager=field_manager,
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
        call = replace(self._call("delete", resource, namespace, name), resource_version=resource_version)
        await self._do(
            call,
            resource,
            lambda: self.cluster.delete(
                resource,
                namespace,
                name,
                uid=uid,
                resource_version=resource_version,
                propagation=propagation,
            ),
        )

    async def read(self, path: str, **query: str) -> bytes:
        call = Call(verb="read", user=self.user, resource=path)
        return await self._do(call, None, lambda: self.cluster.read(path))

    def _call(
        self,
        verb: str,
        resource: Resource,
        namespace: str,
        name: str = "",
        subresource: str = "",
        *,
        is_dry_run: bool = False,
    ) -> Call:
        return Call(
            verb=verb,
            user=self.user,
            resource=resource.plural,
            namespace=namespace if resource.namespaced else "",
            name=name,
            subresource=subresource,
            is_dry_run=is_dry_run,
        )

    async def _do(self, call: Call, resource: Resource | None, work: Callable[[], T]) -> T:
        between = self.cluster.interference
        if between is not None:
            await between.before(call)
        await asyncio.sleep(0)
        self.cluster.calls.append(call)
        if resource is not None and not self.cluster.may(call, resource):
            name = f' "{call.name}"' if call.name else ""
            raise Forbidden(
                f'{told(resource)}{name} is forbidden: User "{self.user}" cannot {call.verb} resource "{resource.plural}"',
                status=403,
                reason="Forbidden",
            )
        answer = work()
        if between is not None:
            await between.after(call)
        return answer
