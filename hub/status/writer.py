"""Writes the status of deliveries, Clusters and Fleets, and their events, from what the boards say.

State: when what was last written: each status is written at most once per interval, and never when it would be equal. Decides nothing:
what is written follows from the pure parts beside it.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from agent.kit.board import Board
from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Again, Backoff, Done, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from agent.model.names import ClusterId
from hub.model.cluster import Cluster, ClusterStatus
from hub.model.fleet import Fleet, FleetStatus
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization, KustomizationStatus
from hub.model.standing import DELETING, Standing
from hub.model.wish import Boards, PlacementKey, Presence, present_in
from hub.status.cluster import ClusterOutlook, cluster_status_of
from hub.status.delivery import Outlook, status_of
from hub.status.exposition import Exposition
from hub.status.fleet import FleetOutlook, fleet_status_of, selected
from hub.status.judging import DELIVERY, Judging
from hub.status.news import news, stalled
from hub.status.placements import Placements
from hub.status.progress import Progress
from hub.status.rollouts import Rollouts
from hub.status.telling import Telling
from hub.status.traces import Traces
from hub.status.unread import Unread
from hub.status.verdict import Patience, Verdict
from hub.store import Store
from hub.telemetry import about

_MARGIN_S = 0.05

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSettings:
    """Times in seconds: least between two writes of a status, and how long an agent that is away is believed."""

    backoff: Backoff
    interval_s: float = 1.0
    unknown_after_s: float = 60.0
    workers: int = 4


class StatusWriter:
    """Follows the boards. `run` until cancelled."""

    def __init__(
        self,
        settings: StatusSettings,
        *,
        store: Store,
        boards: Boards,
        clock: Clock,
        randomness: Randomness,
        telemetry: Telemetry | None = None,
    ) -> None:
        telemetry = self._telemetry = telemetry or Telemetry()
        self._traces = Traces(telemetry.tracer)
        telemetry.registry.register(Exposition(store, boards))
        self._settings = settings
        self._store = store
        self._boards = boards
        self._clock = clock
        self._placements = Placements()
        self._presences: dict[ClusterId, Presence] = {}
        self._written_s: dict[tuple[str, Key], float] = {}
        self._progress = Progress(clock, interval_s=settings.interval_s)
        patience = Patience(began=clock.now(), unknown_after=timedelta(seconds=settings.unknown_after_s))
        self._judging = Judging(boards, self._placements, patience, clusters=store.clusters, clock=clock)
        of_delivery, of_cluster = about("delivery", Kind.KUSTOMIZATION), about("cluster", Kind.CLUSTER)
        self._randomness = randomness
        self._delivery_loop = self._loop("delivery-status", self._write_delivery, of_delivery)
        self._cluster_loop = self._loop("cluster-status", self._write_cluster, of_cluster)
        self._fleet_loop = self._loop("fleet-status", self._write_fleet, about("fleet", Kind.FLEET))
        self._unread = Unread(
            store, clock=clock, randomness=randomness, backoff=settings.backoff, telemetry=telemetry
        )
        self._rollouts = Rollouts(
            store, clock=clock, randomness=randomness, backoff=settings.backoff, telemetry=telemetry
        )
        self._telling = Telling(
            self._placements,
            store=store,
            boards=boards,
            gather_s=settings.interval_s,
            loop=lambda work: self._loop("events", work, lambda subject: {"delivery": str(subject.home)}),
        )

    def _loop(
        self,
        name: str,
        work: Callable[[K], Awaitable[Outcome]],
        about_: Callable[[K], Mapping[str, str]],
    ) -> Loop[K]:
        settings = self._settings
        return Loop(
            name,
            work,
            clock=self._clock,
            randomness=self._randomness,
            backoff=settings.backoff,
            workers=settings.workers,
            telemetry=self._telemetry,
            about=about_,
        )

    async def run(self) -> None:
        """Write what is known, and what changes."""
        await self._store.wait_until_complete()
        self._store.kustomizations.listen(self._mark_delivery)
        self._store.clusters.listen(self._mark_cluster)
        self._store.fleets.listen(self._mark_fleet)
        for key in self._store.clusters.keys:
            self._mark_cluster(key)
        for key in self._store.fleets.keys:
            self._mark_fleet(key)
        async with Tasks() as tasks:
            for loop in (self._delivery_loop, self._cluster_loop, self._fleet_loop):
                tasks.start(loop.run(), name="status")
            tasks.start(self._unread.run(), name="status-unread")
            tasks.start(self._rollouts.run(), name="status-rollouts")
            tasks.start(self._follow_standings(), name="status-standings")
            tasks.start(self._follow_placements(self._boards.reports), name="status-reports")
            tasks.start(self._follow_placements(self._boards.declined), name="status-declined")
            tasks.start(self._follow_presence(), name="status-presence")
            tasks.start(self._telling.run(), name="status-happenings")
            await tasks.wait_for_failure()

    async def _follow_standings(self) -> None:
        with self._boards.standings.reader() as reader:
            while True:
                for (_, namespace, name), standing in (await reader.next()).items():
                    key = (namespace, name)
                    for id_ in sorted(self._placements.take(key, standing)):
                        self._mark_cluster_of(id_)
                    self._mark_delivery(key)

    async def _follow_placements(self, board: Board[PlacementKey, Any]) -> None:
        with board.reader() as reader:
            while True:
                for place in await reader.next():
                    if (owner := self._placements.owner(place)) is not None:
                        self._mark_delivery(owner)
                    self._mark_cluster_of(place[0])

    async def _follow_presence(self) -> None:
        with self._boards.presence.reader() as reader:
            while True:
                for id_, presence in (await reader.next()).items():
                    if not self._is_news(id_, presence):
                        continue
                    self._mark_cluster_of(id_)
                    for _, owner in self._placements.in_cluster(id_):
                        self._mark_delivery(owner)

    def _is_news(self, id_: ClusterId, presence: Presence | None) -> bool:
        """Tell whether more is said than that an agent which was believed to be there is still there: that changes nothing.

        A thousand agents say it a hundred times a second.
        """
        before = self._presences.pop(id_, None)
        if presence is None:
            return before is not None
        self._presences[id_] = presence
        if before is None or replace(before, last_seen=presence.last_seen) != presence:
            return True
        return presence.last_seen - before.last_seen > self._judging.patience.unknown_after

    def _mark_delivery(self, key: Key) -> None:
        self._delivery_loop.mark(key, after_s=self._due_in_s(DELIVERY, key))

    def _mark_cluster(self, key: Key) -> None:
        # A moment later: what a change passes through on its way is not worth a write in every cluster.
        self._cluster_loop.mark(key, after_s=max(self._due_in_s("Cluster", key), self._settings.interval_s))
        for fleet in self._store.fleets:
            # Whatever a Cluster says anew may count in the Fleets of its namespace.
            if fleet.metadata.namespace == key[0]:
                self._mark_fleet((fleet.metadata.namespace, fleet.metadata.name))

    def _mark_fleet(self, key: Key) -> None:
        self._fleet_loop.mark(key, after_s=max(self._due_in_s("Fleet", key), self._settings.interval_s))

    def _mark_cluster_of(self, id_: ClusterId) -> None:
        for key in self._store.clusters_by_id.of(id_):
            self._mark_cluster(key)

    def _due_in_s(self, kind: str, key: Key) -> float:
        """Return how long to wait until the status of a resource may be written again."""
        last = self._written_s.get((kind, key))
        if last is None:
            return 0.0
        return max(last + self._settings.interval_s - self._clock.monotonic_s(), 0.0)

    async def _write_delivery(self, key: Key) -> Outcome:
        delivery = self._store.kustomizations.readable(key)
        standing = self._boards.standings.get((DELIVERY, *key))
        if delivery is None:
            self._written_s.pop((DELIVERY, key), None)
            self._progress.forget(key)
            self._judging.forget(key)
            self._traces.forget(key)
            return Done()
        if standing is None or not _is_about(standing, delivery) or _leaves_soon(delivery, standing):
            # The next word comes soon.
            return Done()
        verdicts = self._judging.of(standing)
        if (left_s := self._progress.left_unsaid_s(key, standing, verdicts)) > 0:
            return Again(after_s=left_s)
        made: list[tuple[Kustomization, KustomizationStatus]] = []

        def change(newest: Kustomization) -> KustomizationStatus:
            if not _is_about(standing, newest):
                return newest.status
            outlook = Outlook(
                delivery=newest,
                standing=standing,
                verdicts=verdicts,
                now=self._clock.now(),
                took_s=self._progress.took_s(key),
            )
            made.append((newest, status_of(outlook)))
            return made[-1][1]

        began = self._clock.now()
        if await self._store.update_status(self._store.kustomizations, key, change):
            self._written_s[(DELIVERY, key)] = self._clock.monotonic_s()
            self._traces.written(key, verdicts, began=began, revision=standing.revision)
            told = tuple(news(*made[-1], standing, verdicts))
            if told:
                # What the agents did comes before what the hub says of it.
                await self._telling.tell_now(standing.uid)
            for one in told:
                await self._store.record_event(one)
        self._progress.told(key)
        return self._until_lapse(target.id for target in standing.targets)

    async def _write_cluster(self, key: Key) -> Outcome:
        cluster = self._store.clusters.readable(key)
        if cluster is None:
            self._written_s.pop(("Cluster", key), None)
            return Done()
        if cluster.spec.id is None:
            return Done()
        id_ = cluster.spec.id
        verdicts, resting = self._judging.in_cluster(id_), self._judging.resting_in(id_)
        presence = self._boards.presence.get(id_)

        def change(newest: Cluster) -> ClusterStatus:
            return cluster_status_of(
                ClusterOutlook(
                    cluster=newest,
                    presence=presence,
                    verdicts=verdicts,
                    resting=resting,
                    patience=self._judging.patience,
                    now=self._clock.now(),
                    present=len(present_in(newest, self._boards)) if newest.metadata.is_being_deleted else 0,
                )
            )

        if await self._store.update_status(self._store.clusters, key, change):
            self._written_s[("Cluster", key)] = self._clock.monotonic_s()
            await self._tell_stalled(Kind.CLUSTER, cluster)
        return self._until_lapse((id_,))

    async def _write_fleet(self, key: Key) -> Outcome:
        fleet = self._store.fleets.readable(key)
        if fleet is None:
            self._written_s.pop(("Fleet", key), None)
            return Done()
        clusters = selected(fleet, tuple(self._store.clusters))
        verdicts: dict[ClusterId, list[Verdict]] = {}
        for delivery in self._store.kustomizations:
            place = (delivery.metadata.namespace, delivery.metadata.name)
            standing = self._boards.standings.get((DELIVERY, *place))
            if standing is not None and (delivery.metadata.namespace, delivery.fleet) == key:
                for one in self._judging.of(standing):
                    verdicts.setdefault(one.target.id, []).append(one)

        def change(newest: Fleet) -> FleetStatus:
            outlook = FleetOutlook(fleet=newest, clusters=clusters, verdicts=verdicts, now=self._clock.now())
            return fleet_status_of(outlook)

        if await self._store.update_status(self._store.fleets, key, change):
            self._written_s[("Fleet", key)] = self._clock.monotonic_s()
            await self._tell_stalled(Kind.FLEET, fleet)
        return self._until_lapse(one.spec.id for one in clusters if one.spec.id is not None)

    async def _tell_stalled(self, kind: Kind, before: Cluster | Fleet) -> None:
        key = (before.metadata.namespace, before.metadata.name)
        after = self._store.resources[kind].readable(key)
        if after is not None:
            for one in stalled(kind, before.metadata, before.conditions, after.conditions):
                await self._store.record_event(one)

    def _until_lapse(self, ids: Iterable[ClusterId]) -> Outcome:
        lapse_s = self._judging.next_lapse_s(ids)
        return Again(after_s=lapse_s + _MARGIN_S) if lapse_s is not None else Done()


def _leaves_soon(delivery: Kustomization, standing: Standing) -> bool:
    """Tell whether a delivery was deleted and nothing is known to hinder that."""
    is_hindered = standing.problem is not None and standing.problem.reason == DELETING
    return delivery.metadata.is_being_deleted and not is_hindered


def _is_about(standing: Standing, delivery: Kustomization) -> bool:
    """Tell whether a standing is of this delivery as it is: a word on another generation, or on one that had the name before, is not for it."""
    metadata = delivery.metadata
    return (standing.uid, standing.generation) == (metadata.uid, metadata.generation)
