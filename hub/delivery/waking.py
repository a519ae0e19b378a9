"""What wakes the work on which delivery: changes of resources that matter for what is wished for, and reports of what runs where it should not.

State: of every resource the part that matters as it was last, so that a status that is written wakes nobody for nothing.
"""

from collections.abc import Callable
from functools import partial

from agent.kube.watch import Key
from agent.model.names import ClusterId, HomeName
from hub.delivery.dependencies import dependencies_of
from hub.delivery.places import Places
from hub.mirror import Index
from hub.model import annotations as names
from hub.model.cluster import Cluster
from hub.model.conditions import READY
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization, VariablesKind
from hub.model.metadata import Metadata
from hub.model.source import Source
from hub.model.wish import Boards
from hub.store import Store

Mark = Callable[[Key], None]
_UNSEEN = object()
"""What is there when a hub begins may go before it changes."""


class Waking:
    """Listens to the store and to reports; `delivery` and `cluster` mark what is to be worked on."""

    def __init__(
        self, store: Store, boards: Boards, places: Places, *, delivery: Mark, cluster: Mark
    ) -> None:
        self._store = store
        self._boards = boards
        self._places = places
        self._mark_delivery = delivery
        self._mark_cluster = cluster
        self._seen: dict[tuple[str, Key], object] = {}
        self._left: dict[Key, set[HomeName]] = {}
        self._dependents = Index(store.kustomizations, dependencies_of)
        self._users = Index(store.kustomizations, _source_of)

    def begin(self) -> None:
        """Mark everything, and from now on what changes."""
        store = self._store
        store.kustomizations.listen(self._delivery_changed)
        for kind, sources in store.sources.items():
            sources.listen(partial(self._source_changed, kind))
        store.clusters.listen(self._cluster_changed)
        store.fleets.listen(self._fleet_changed)
        store.namespaces.listen(self._namespace_changed)
        store.listen_to_variables(self._variables_changed)
        self._world_changed()
        for key in store.clusters.keys:
            self._mark_cluster(key)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a delivery that is gone."""
        for kind in ("delivery", "status"):
            self._seen.pop((kind, key), None)

    def _is_news(self, kind: str, key: Key, now: object) -> bool:
        """Tell whether what matters of a resource differs from what it was."""
        before = self._seen.get((kind, key), _UNSEEN)
        self._seen[(kind, key)] = now
        return before != now

    def _world_changed(self) -> None:
        self._places.world_changed()
        for key in self._store.kustomizations.keys:
            self._mark_delivery(key)

    def _delivery_changed(self, key: Key) -> None:
        if key in self._store.kustomizations.malformed:
            self._mark_delivery(key)
            return
        delivery = self._store.kustomizations.get(key)
        for rival in self._places.refresh(key):
            self._mark_delivery(rival)
        metadata = delivery.metadata if delivery is not None else None
        if self._is_news("delivery", key, metadata and _what_matters(metadata.generation, metadata)):
            self._mark_delivery(key)
        status = delivery.status if delivery is not None else None
        told = delivery and (status and status.observed_generation, delivery.conditions.get(READY))
        applied = status.last_applied_revision if status is not None else ""
        if self._is_news("status", key, (told, applied, metadata and metadata.uid)):
            for other in self._dependents.of(key):
                self._mark_delivery(other)

    def _source_changed(self, kind: Kind, key: Key) -> None:
        sources = self._store.sources[kind]
        source: Source | None = sources.readable(key)
        artifact = source.status.artifact if source is not None else None
        now = artifact and (artifact.revision, artifact.digest)
        if not self._is_news(kind, key, (now, str(sources.malformed.get(key)))):
            return
        for delivery in self._users.of((kind, key)):
            self._mark_delivery(delivery)

    def _cluster_changed(self, key: Key) -> None:
        self._mark_cluster(key)
        cluster = self._store.clusters.readable(key)
        now = cluster and (cluster.raw_spec, _what_matters(0, cluster.metadata), cluster.metadata.labels)
        if self._is_news("cluster", key, now):
            self._world_changed()
        if cluster is not None and cluster.spec.id is not None:
            self._left_changed(key, cluster.spec.id, cluster)

    def _left_changed(self, key: Key, id_: ClusterId, cluster: Cluster) -> None:
        """Look at who waits for a home name under which something was left or leaves, and does so no more."""
        status = cluster.status
        now = {HomeName(kind=one.kind, namespace=one.namespace, name=one.name) for one in status.released}
        now |= {HomeName(kind=one.kind, namespace=one.namespace, name=one.name) for one in status.tombstones}
        before, self._left[key] = self._left.get(key, set()), now
        for home in sorted(before - now):
            for waiting in self._places.claims.of((id_, home)):
                self._mark_delivery((waiting.namespace, waiting.name))

    def _fleet_changed(self, key: Key) -> None:
        fleet = self._store.fleets.readable(key)
        now = fleet and fleet.raw_spec, str(self._store.fleets.malformed.get(key))
        if self._is_news("fleet", key, now):
            self._world_changed()

    def _namespace_changed(self, key: Key) -> None:
        namespace = self._store.namespaces.get(key)
        relevant = (names.CLUSTER, names.HOME_NAMESPACE)
        now = namespace and tuple(namespace.metadata.label_or_annotation(name) for name in relevant)
        if self._is_news("namespace", key, now):
            self._world_changed()

    def _variables_changed(self, kind: VariablesKind, key: Key) -> None:
        users = {
            cluster.metadata.namespace
            for cluster in self._store.clusters
            if cluster.metadata.namespace == key[0]
            and any((one.kind, one.name) == (kind, key[1]) for one in cluster.spec.variables_from)
        }
        for delivery in self._store.kustomizations:
            named = (kind, key[1]) in _read_by(delivery)
            if users or (named and delivery.metadata.namespace == key[0]):
                self._mark_delivery((delivery.metadata.namespace, delivery.metadata.name))

    async def follow_reports(self) -> None:
        """Look at what leaves when agents report, and at what runs where it is not placed."""
        with self._boards.reports.reader() as reader:
            while True:
                changed = await reader.next()
                for id_ in sorted({id_ for id_, _ in changed}):
                    for name in self._store.clusters_by_id.of(id_):
                        self._report_came(name)
                for key, report in changed.items():
                    if report is not None and self._boards.wishes.get(key) is None:
                        for owner in self._store.kustomizations_by_uid.of(report.uid):
                            self._mark_delivery(owner)

    def _report_came(self, key: Key) -> None:
        cluster = self._store.clusters.readable(key)
        if cluster is not None and (cluster.status.tombstones or cluster.metadata.is_being_deleted):
            self._mark_cluster(key)

    async def follow_presence(self) -> None:
        """Look at what leaves a cluster when its agent comes or goes."""
        with self._boards.presence.reader() as reader:
            while True:
                for id_, presence in (await reader.next()).items():
                    now = presence and (presence.connected, presence.term)
                    if self._is_news("presence", ("", id_), now):
                        for contested in self._places.claims.contested_in(id_):
                            self._mark_delivery(contested)
                        for key in self._store.clusters_by_id.of(id_):
                            self._mark_cluster(key)


def _read_by(delivery: Kustomization) -> set[tuple[VariablesKind, str]]:
    """Return the ConfigMaps and Secrets that are read for a delivery, by kind and name."""
    found = {(one.kind, one.name) for one in delivery.spec.post_build.substitute_from}
    decryption = delivery.spec.decryption
    if decryption is not None and decryption.secret_ref is not None:
        found.add((VariablesKind.SECRET, decryption.secret_ref.name))
    return found


def _source_of(delivery: Kustomization) -> tuple[tuple[str, Key], ...]:
    reference = delivery.spec.source_ref
    return ((reference.kind, (delivery.source_namespace, reference.name)),)


def _what_matters(generation: int, metadata: Metadata) -> object:
    """Return what of a resource's metadata changes what is wished for."""
    relevant = (
        names.VARIABLES,
        names.PLACED,
        names.RECONCILE_REQUESTED_AT,
        names.APPROVE_PRUNE,
        names.REMOVE,
    )
    annotations = tuple(metadata.annotations.get(name) for name in relevant)
    fleet = metadata.label_or_annotation(names.FLEET)
    return (metadata.uid, generation, metadata.is_being_deleted, fleet, annotations)
