"""The hub's resources, typed: mirrored from the management cluster, and written back by conditional patches of what differs.

State: a mirror per kind. A write's answer goes into the mirror at once, so that whoever reads after writing sees what was written; news
that is older than what the mirror has is left out. Writes nothing that is already so. Decides nothing.
"""

import base64
import logging
from collections.abc import Callable, Mapping
from typing import Any

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.api import Api, Object, PatchType, Resource
from agent.kube.errors import AlreadyExists, Conflict, Forbidden, NotFound
from agent.kube.resources import CONFIG_MAPS, EVENTS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS
from agent.kube.watch import Follower, Key
from agent.model.names import ClusterId, timestamp
from hub.mirror import Collection, Index, R, S, Watched
from hub.model import annotations as names
from hub.model.cluster import Cluster
from hub.model.events import Event, event_object
from hub.model.fleet import Fleet
from hub.model.gitrepository import GitRepository
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization, VariablesKind
from hub.model.namespace import Namespace
from hub.model.ocirepository import OciRepository
from hub.model.rollout import Rollout
from hub.model.value import Value, merge_patch, raw
from hub.resources import resource_of

_LOG = logging.getLogger(__name__)

FIELD_MANAGER = "cartwheel-hub"
ATTEMPTS = 5


class Store:
    """The mirrors and the writes. `run` until cancelled; before `is_complete` nothing may be concluded from absence."""

    def __init__(self, api: Api, *, clock: Clock, randomness: Randomness, backoff: Backoff) -> None:
        self._api = api
        self._clock = clock
        self._randomness = randomness
        self._backoff = backoff
        self.git_repositories = Collection(resource_of(Kind.GIT_REPOSITORY), GitRepository.parse)
        self.oci_repositories = Collection(resource_of(Kind.OCI_REPOSITORY), OciRepository.parse)
        self.kustomizations = Collection(resource_of(Kind.KUSTOMIZATION), Kustomization.parse)
        self.clusters = Collection(resource_of(Kind.CLUSTER), Cluster.parse)
        self.fleets = Collection(resource_of(Kind.FLEET), Fleet.parse)
        self.rollouts = Collection(resource_of(Kind.ROLLOUT), Rollout.parse)
        self.namespaces = Collection(NAMESPACES, Namespace.parse)
        self.clusters_by_id = Index(self.clusters, _id_of)
        self.kustomizations_by_uid = Index(self.kustomizations, _uid_of)
        self._watched = (Watched(VariablesKind.CONFIG_MAP), Watched(VariablesKind.SECRET))

    def clusters_of(self, id_: ClusterId) -> tuple[Cluster, ...]:
        """Return the Clusters of an identity: one, unless somebody gave it twice."""
        found = (self.clusters.readable(key) for key in self.clusters_by_id.of(id_))
        return tuple(one for one in found if one is not None)

    @property
    def resources(self) -> Mapping[Kind, Collection[Any]]:
        """Return the mirrors of the hub's own kinds."""
        return {
            **self.sources,
            Kind.KUSTOMIZATION: self.kustomizations,
            Kind.CLUSTER: self.clusters,
            Kind.FLEET: self.fleets,
            Kind.ROLLOUT: self.rollouts,
        }

    @property
    def sources(self) -> Mapping[Kind, Collection[Any]]:
        """Return the mirrors of the kinds of sources."""
        return {Kind.GIT_REPOSITORY: self.git_repositories, Kind.OCI_REPOSITORY: self.oci_repositories}

    @property
    def is_complete(self) -> bool:
        """Tell whether every mirror has been listed once."""
        return all(one.is_complete for one in self._mirrors)

    @property
    def _mirrors(self) -> tuple[Collection[Any], ...]:
        return (*self.resources.values(), self.namespaces)

    async def run(self) -> None:
        """Follow all kinds until cancelled."""
        followed: list[tuple[Resource, Any, str]] = [(one.resource, one, "") for one in self._mirrors]
        label = f"{names.WATCH}={names.WATCH_ENABLED}"
        followed += [
            (resource, sink, label)
            for resource, sink in zip((CONFIG_MAPS, SECRETS), self._watched, strict=True)
        ]
        async with Tasks() as tasks:
            for resource, sink, selector in followed:
                follower = Follower(
                    self._api,
                    resource,
                    sink,
                    label_selector=selector,
                    clock=self._clock,
                    randomness=self._randomness,
                    backoff=self._backoff,
                )
                tasks.start(follower.run(), name=f"follow-{resource.plural}")
            await tasks.wait_for_failure()

    async def wait_until_complete(self, poll_s: float = 0.05) -> None:
        """Wait until every mirror has been listed once."""
        while not self.is_complete:
            await self._clock.sleep(poll_s)

    def listen_to_variables(self, listener: Callable[[VariablesKind, Key], None]) -> None:
        """Be told of ConfigMaps and Secrets that carry the watch label and changed."""
        for watched in self._watched:
            watched.listeners.append(listener)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's data, None when it does not exist. Raises ApiError."""
        value = await self._found(SECRETS, namespace, name)
        if value is None:
            return None
        return {key: base64.b64decode(text) for key, text in (value.get("data") or {}).items()}

    async def pull_secrets(self, namespace: str, service_account: str) -> tuple[str, ...] | None:
        """Return the names of a ServiceAccount's imagePullSecrets, None when it does not exist. Raises ApiError."""
        value = await self._found(SERVICE_ACCOUNTS, namespace, service_account)
        if value is None:
            return None
        return tuple(one["name"] for one in value.get("imagePullSecrets") or () if one.get("name"))

    async def variables(self, kind: VariablesKind, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap or Secret as text, None when it does not exist. Raises ApiError.

        Bytes of a Secret that are no UTF-8 are surrogates, so that the text is as exact as the bytes are and whoever uses it can tell.
        """
        if kind is VariablesKind.SECRET:
            data = await self.secret(namespace, name)
            if data is None:
                return None
            return {key: value.decode("utf-8", "surrogateescape") for key, value in data.items()}
        found = await self._found(CONFIG_MAPS, namespace, name)
        return None if found is None else found.get("data") or {}

    async def _found(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return await self._api.get(resource, namespace, name)
        except NotFound:
            return None

    async def update_status(self, collection: Collection[S], key: Key, change: Callable[[S], Value]) -> bool:
        """Write the status that `change` makes of the newest resource; tell whether anything had to be written.

        `change` is called again on the resource as it then is when somebody else wrote meanwhile. Nothing happens to one that is gone.
        """

        def patch(resource: S) -> Object | None:
            changed = change(resource)
            if changed == resource.status:
                # Most often; to write both out to find no difference is what costs.
                return None
            difference = merge_patch(raw(resource.status), raw(changed))
            return {"status": difference} if difference else None

        return await self.update(collection, key, patch, subresource="status")

    async def write_unread(self, collection: Collection[Any], key: Key, status: Object) -> None:
        """Write fields of the status of a resource that cannot be read, over exactly the one that is known. Raises ApiError."""
        found = collection.unread(key)
        if found is None:
            return
        metadata = {name: found["metadata"][name] for name in ("resourceVersion", "uid")}
        patch = {"metadata": metadata, "status": status}
        collection.written(await self._send(collection.resource, key, patch, "status"))

    async def set_finalizer(self, collection: Collection[R], key: Key, *, present: bool) -> bool:
        """Add the hub's finalizer, or take it away."""

        def patch(resource: R) -> Object | None:
            before = resource.metadata.finalizers
            if (names.FINALIZER in before) is present:
                return None
            others = [one for one in before if one != names.FINALIZER]
            return {"metadata": {"finalizers": [*others, names.FINALIZER] if present else others}}

        return await self.update(collection, key, patch)

    async def annotate(self, collection: Collection[R], key: Key, values: Mapping[str, str | None]) -> bool:
        """Set annotations; None takes one away."""

        def patch(resource: R) -> Object | None:
            before = resource.metadata.annotations
            different = {name: text for name, text in values.items() if before.get(name) != text}
            return {"metadata": {"annotations": different}} if different else None

        return await self.update(collection, key, patch)

    async def update(
        self,
        collection: Collection[R],
        key: Key,
        make: Callable[[R], Object | None],
        *,
        subresource: str = "",
    ) -> bool:
        """Send the merge patch that `make` makes of the newest resource, over exactly that one; None is nothing to write."""
        for attempt in range(ATTEMPTS):
            try:
                resource = await self._newest(collection, key, fresh=attempt > 0)
                patch = make(resource) if resource is not None else None
                if resource is None or patch is None:
                    return False
                metadata = {
                    **patch.get("metadata", {}),
                    "resourceVersion": resource.metadata.resource_version,
                    "uid": resource.metadata.uid,
                }
                patch = {**patch, "metadata": metadata}
                collection.written(await self._send(collection.resource, key, patch, subresource))
            except NotFound:
                return False
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return True
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, resource: Resource, key: Key, patch: Object, subresource: str) -> Object:
        return await self._api.patch(
            resource,
            *key,
            patch,
            kind=PatchType.MERGE,
            field_manager=FIELD_MANAGER,
            subresource=subresource,
        )

    async def _newest(self, collection: Collection[R], key: Key, *, fresh: bool) -> R | None:
        if fresh:
            collection.written(await self._api.get(collection.resource, *key))
        return collection.get(key)

    async def record_event(self, event: Event) -> None:
        """Tell `kubectl` and Flux's commands of an event; the same one again only counts up.

        Where none can be written, as in a namespace that is being deleted, none is: nothing that waits for that would ever end.
        """
        involved = event.involved
        body = event_object(event, timestamp(self._clock.now()))
        try:
            await self._api.create(EVENTS, involved.namespace, body, field_manager=FIELD_MANAGER)
        except (Forbidden, NotFound) as problem:
            _LOG.warning("event not written", extra={"namespace": involved.namespace, "error": str(problem)})
        except AlreadyExists:
            name = body["metadata"]["name"]
            before = await self._api.get(EVENTS, involved.namespace, name)
            patch = {"count": int(before.get("count") or 1) + 1, "lastTimestamp": body["lastTimestamp"]}
            await self._api.patch(
                EVENTS, involved.namespace, name, patch, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
            )


def _id_of(cluster: Cluster) -> tuple[ClusterId, ...]:
    return (cluster.spec.id,) if cluster.spec.id is not None else ()


def _uid_of(delivery: Kustomization) -> tuple[str, ...]:
    return (delivery.metadata.uid,)
