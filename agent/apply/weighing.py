"""Reads from the cluster what would go with objects that leave: only when such an object leaves, and by metadata where that is enough.

What cannot be read is no small weight: then it is not known, and a person has to say that it may go. A server that does not answer at all
ends the pass, as everywhere.
"""

from collections.abc import Collection, Coroutine, Mapping
from typing import Any

from agent.apply import prune
from agent.apply.convergence import Convergence
from agent.apply.server import Server
from agent.apply.stages import DEFINITION, NAMESPACE
from agent.apply.weight import (
    CLUSTER,
    FLEET,
    KUSTOMIZATION,
    Weight,
    clusters_of,
    counted,
    deletes_objects,
    deliveries_of,
    entries,
    fleet_of,
)
from agent.kit.errors import CartwheelError, Transient
from agent.kit.tasks import all_of
from agent.kube.api import Object, Resource
from agent.kube.errors import NotFound, TooManyRequests, Unauthorized, UnknownKind, Unreachable
from agent.model.inventory import parse_id
from agent.model.names import ObjectRef

MAX_PROBLEM = 300


class Weighing:
    """Weighs for one convergence. `on_desk` are the ids that any delivery of the desk holds."""

    def __init__(self, server: Server, task: Convergence, on_desk: Collection[str]) -> None:
        self._server = server
        self._task = task
        self._on_desk = on_desk

    async def leaving(self, ids: Mapping[str, str]) -> dict[str, Weight]:
        """Weigh what leaves; what is not going to be deleted all the same has no weight. Raises ApiError when the server does not answer."""
        return {id_: await self._weigh(parse_id(id_), version, leaves=True) for id_, version in ids.items()}

    async def staying(self, ids: Mapping[str, str]) -> int:
        """Weigh what stays, for comparison: what cannot be read does not count. Raises ApiError when the server does not answer."""
        found = [await self._weigh(parse_id(id_), version, leaves=False) for id_, version in ids.items()]
        return sum(one.count for one in found)

    async def _weigh(self, ref: ObjectRef, version: str, *, leaves: bool) -> Weight:
        try:
            found = await self._find(ref, version)
            if found is None or (leaves and self._fate(found[1], ref, found[0]) is not prune.Fate.DELETE):
                return Weight()
            count, what = await self._count(ref, found[1])
        except (Unreachable, TooManyRequests, Unauthorized):
            raise
        except CartwheelError as problem:
            return Weight(
                is_known=False,
                words=f"{ref}, of which cannot be read what goes with it: {str(problem)[:MAX_PROBLEM]}",
            )
        return Weight(count=count, words=f"{ref} with {count} {what}" if count else "")

    async def _find(self, ref: ObjectRef, version: str) -> tuple[Resource, Object] | None:
        try:
            resource = await self._server.resource_of(ref, version)
            return resource, await self._server.api.get(resource, ref.namespace, ref.name)
        except (NotFound, UnknownKind):
            return None

    def _fate(self, live: Object, ref: ObjectRef, resource: Resource) -> prune.Fate:
        mine = frozenset(one.ref for one in self._task.manifests)
        return prune.decide(
            live,
            ref,
            self._task.owner,
            mine=mine,
            elsewhere=self._task.kept_elsewhere,
            is_namespaced=resource.namespaced,
        )

    async def _count(self, ref: ObjectRef, live: Object) -> tuple[int, str]:
        """Return how much goes with an object, and what that is."""
        match (ref.group, ref.kind):
            case kind if kind == NAMESPACE:
                return await self._count_in(ref.name), "objects in it"
            case kind if kind == DEFINITION:
                return await self._count_of(live), "objects of its kind"
            case kind if kind == KUSTOMIZATION:
                return await self._count_delivered(live)
            case kind if kind == CLUSTER:
                return deliveries_of(live), "deliveries"
            case kind if kind == FLEET:
                return clusters_of(live), "clusters"
            case _:
                return 0, ""

    async def _count_in(self, namespace: str) -> int:
        kinds = await self._server.resolver.namespaced()
        reading: list[Coroutine[Any, Any, frozenset[str]]] = [self._list(one, namespace) for one in kinds]
        # By UID: several groups may serve the same objects.
        found = await all_of(reading, at_once=self._server.settings.dry_runs)
        return len(frozenset().union(*found))

    async def _count_of(self, definition: Object) -> int:
        spec = definition.get("spec") or {}
        names = spec.get("names") or {}
        try:
            resource = await self._server.resolver.preferred(str(spec.get("group")), str(names.get("kind")))
        except UnknownKind as problem:
            raise Transient("no version of its kind is served", reason="NotServed") from problem
        return len(await self._list(resource, ""))

    async def _list(self, resource: Resource, namespace: str) -> frozenset[str]:
        try:
            listing = await self._server.api.metadata(resource, namespace)
        except NotFound:
            # The kind went meanwhile, or it cannot be listed though it says so.
            return frozenset()
        return counted(resource, listing.items, self._on_desk)

    async def _count_delivered(self, kustomization: Object) -> tuple[int, str]:
        if not deletes_objects(kustomization):
            return 0, ""
        clusters = await self._clusters(kustomization)
        where = f" in {clusters} clusters" if clusters > 1 else ""
        return entries(kustomization) * clusters, f"objects{where}"

    async def _clusters(self, kustomization: Object) -> int:
        """Return in how many clusters a Kustomization is, one when nothing tells."""
        if not (name := fleet_of(kustomization)):
            return 1
        try:
            resource = await self._server.resolver.preferred(*FLEET)
            fleet = await self._server.api.get(resource, kustomization["metadata"]["namespace"], name)
        except (NotFound, UnknownKind):
            return 1
        return max(clusters_of(fleet), 1)
