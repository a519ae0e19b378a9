"""Gives Clusters their identity, tells of identities used twice, and lets removed ones go.

State: none of its own. Whether an agent is connected and how its deliveries stand is written by whoever reports; what leaves the cluster is
decided where deliveries are placed.
"""

import uuid
from collections.abc import Callable

import msgspec

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Done, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.api import Object
from agent.kube.watch import Key
from agent.model.names import ClusterId
from hub.clusters.departure import ClusterSettings, Departure
from hub.model import annotations as names
from hub.model.cluster import IDENTITY_CONFLICT, Cluster, ClusterStatus
from hub.model.kinds import Kind
from hub.model.wish import Boards
from hub.store import Store
from hub.telemetry import about


def random_id() -> str:
    """Return a new identity."""
    return str(uuid.uuid4())


class ClusterController:
    """Reconciles all Clusters. `run` until cancelled."""

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        store: Store,
        boards: Boards,
        clock: Clock,
        randomness: Randomness,
        new_id: Callable[[], str] = random_id,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._store = store
        self._boards = boards
        self._clock = clock
        self._new_id = new_id
        self._departure = Departure(settings, store, boards, clock=clock)
        self._loop: Loop[Key] = Loop(
            "clusters",
            self._reconcile,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=settings.workers,
            telemetry=telemetry,
            about=about("cluster", Kind.CLUSTER),
        )

    @property
    def depth(self) -> int:
        """Return how many Clusters wait to be worked on."""
        return self._loop.depth

    async def run(self) -> None:
        """Work on all Clusters, and on each that changes."""
        await self._store.wait_until_complete()
        self._store.clusters.listen(self._changed)
        for key in self._store.clusters.keys:
            self._loop.mark(key)
        async with Tasks() as tasks:
            tasks.start(self._loop.run(), name="clusters")
            tasks.start(self._follow_reports(), name="cluster-reports")
            tasks.start(self._follow_presence(), name="cluster-presence")
            await tasks.wait_for_failure()

    def _changed(self, key: Key) -> None:
        self._loop.mark(key)
        if not self._store.clusters.holds(key):
            # Whoever had the same identity may be alone with it now.
            for other in self._store.clusters:
                if other.conditions.is_true(IDENTITY_CONFLICT):
                    self._loop.mark(_key(other))

    async def _follow_reports(self) -> None:
        with self._boards.reports.reader() as reader:
            while True:
                self._mark_leaving({id_ for id_, _ in await reader.next()})

    async def _follow_presence(self) -> None:
        with self._boards.presence.reader() as reader:
            while True:
                self._mark_leaving(set(await reader.next()))

    def _mark_leaving(self, ids: set[ClusterId]) -> None:
        """Look again at those of the given clusters that are being removed."""
        for cluster in (one for id_ in sorted(ids) for one in self._store.clusters_of(id_)):
            if cluster.metadata.is_being_deleted:
                self._loop.mark(_key(cluster))

    async def _reconcile(self, key: Key) -> Outcome:
        cluster = self._store.clusters.get(key)
        if cluster is None:
            return Done()
        if cluster.metadata.is_being_deleted:
            return await self._departure.let_go(key, cluster)
        if names.FINALIZER not in cluster.metadata.finalizers:
            await self._store.set_finalizer(self._store.clusters, key, present=True)
        if cluster.spec.id is None:
            await self._store.update(self._store.clusters, key, self._with_id)
        await self._tell_conflict(key)
        return Done()

    def _with_id(self, cluster: Cluster) -> Object | None:
        return {"spec": {"id": self._new_id()}} if cluster.spec.id is None else None

    async def _tell_conflict(self, key: Key) -> None:
        """Say on a Cluster, and on the others of its id, whether they share it."""
        cluster = self._store.clusters.get(key)
        if cluster is None or cluster.spec.id is None:
            return
        of_id = self._store.clusters_of(cluster.spec.id)
        same = [one for one in of_id if not one.metadata.is_being_deleted]
        for one in same if len(same) > 1 else [cluster]:
            others = [other for other in same if _key(other) != _key(one)]
            await self._store.update_status(self._store.clusters, _key(one), self._conflict(others))

    def _conflict(self, others: list[Cluster]) -> Callable[[Cluster], ClusterStatus]:
        def change(newest: Cluster) -> ClusterStatus:
            conditions = newest.conditions.delete(IDENTITY_CONFLICT)
            if others:
                named = ", ".join(f"{one.metadata.namespace}/{one.metadata.name}" for one in others)
                conditions = newest.conditions.mark_true(
                    IDENTITY_CONFLICT,
                    IDENTITY_CONFLICT,
                    f"spec.id is also that of Cluster {named}; no agent of either is let in until one of them is removed",
                    now=self._clock.now(),
                )
            return msgspec.structs.replace(newest.status, conditions=conditions.items)

        return change


def _key(cluster: Cluster) -> Key:
    return (cluster.metadata.namespace, cluster.metadata.name)
