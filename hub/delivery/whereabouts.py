"""In which clusters each delivery is, and how it leaves one: released where it is placed no more, with a tombstone when it is deleted.

State: for which placements each delivery was wished for in this hub's life. What runs is told by reports too, and what was placed before
by the annotation that remembers it, so that nothing is forgotten for want of one of them.
"""

from collections.abc import Iterable, Iterator, Mapping

from agent.kube.watch import Key
from agent.model.assignment import DeletionPolicy
from agent.model.names import ClusterId, HomeName
from agent.model.report import Stage
from hub.delivery.leaving import Leaving
from hub.delivery.placement import NotPlaced, Placed, Placement, home_name, place, remembered
from hub.delivery.places import Places
from hub.model import annotations as names
from hub.model.cluster import Cluster
from hub.model.fleet import OnLeave
from hub.model.kustomization import Kustomization
from hub.model.value import MALFORMED
from hub.model.wish import Boards, PlacementKey
from hub.store import Store


class Whereabouts:
    """Keeps deliveries where they are placed and nowhere else."""

    def __init__(self, store: Store, boards: Boards, places: Places, leaving: Leaving) -> None:
        self._store = store
        self._boards = boards
        self._places = places
        self._leaving = leaving
        self._owned: dict[Key, set[PlacementKey]] = {}

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a delivery that is gone. Its wishes stay: whatever is to leave has a tombstone."""
        self._owned.pop(key, None)

    def owned(self, key: Key) -> Iterable[PlacementKey]:
        """Return for which placements the delivery was wished for."""
        return self._owned.get(key, set())

    async def keep(self, delivery: Kustomization, placed: Placed) -> None:
        """Remember where the delivery is placed, and release it where it was and is placed no more."""
        key, uid = _key(delivery), delivery.metadata.uid
        left = remembered(delivery.metadata, self._places.world).fleet
        now = {one.key for one in placed.placements}
        for one in placed.placements:
            await self._leaving.take_back(_name(one.cluster), one.home, uid)
        prunes = left is not None and left.spec.on_leave is OnLeave.PRUNE
        for place_, cluster in self._clusters_of(self._where(key, uid) - now):
            await self._let_leave(place_[1], uid, cluster, by=placed.by, prunes=prunes)
            self._owned.get(key, set()).discard(place_)
        self._owned.setdefault(key, set()).update(now)
        if placed.placements and placed.by != f"cluster/{self._places.world.management}":
            # Last: until what it leaves is stored, the Fleet that it leaves is to be remembered.
            await self._store.annotate(self._store.kustomizations, key, {names.PLACED: placed.by})

    async def _let_leave(self, home: HomeName, uid: str, cluster: Cluster, *, by: str, prunes: bool) -> None:
        """Store that a delivery leaves a cluster where it is placed no more; what was released before stays so."""
        name = _name(cluster)
        if self._leaving.is_released(name, home, uid):
            return
        if prunes:
            await self._leaving.bury(name, home, uid, deletes=True, reason="it left the Fleet")
        else:
            await self._leaving.release(name, home, uid, reason=f"{by} no longer places it here")

    async def leave(self, delivery: Kustomization) -> Mapping[str, str]:
        """Have a deleted delivery leave every cluster; return the clusters that are connected and have it yet, each with the reason.

        Where it was released it was left on purpose: what becomes of it there a person says.
        """
        key, uid = _key(delivery), delivery.metadata.uid
        deletes = not delivery.spec.suspend and _deletes_objects(delivery)
        # One that cannot be read may have it, and can be given no tombstone.
        waits = {name: "the Cluster cannot be read" for _, name in self._store.clusters.malformed}
        for place_, cluster in self._clusters_of(self._where(key, uid) | self._may_have(delivery)):
            if self._leaving.is_gone(place_, uid) or self._leaving.is_released(
                _name(cluster), place_[1], uid
            ):
                continue
            rightful = self._places.claims.rightful(place_)
            if rightful is not None and rightful.uid != uid and not self._has(place_, uid):
                continue
            await self._leaving.bury(
                _name(cluster),
                place_[1],
                uid,
                deletes=deletes,
                reason=f"Kustomization {key[0]}/{key[1]} was deleted",
                time=delivery.metadata.deletion_timestamp or "",
            )
            presence = self._boards.presence.get(place_[0])
            if presence is not None and presence.connected:
                newest = self._store.clusters.readable(_name(cluster)) or cluster
                waits[cluster.metadata.name] = self._leaving.hindrance(newest, place_[1], uid)
        return waits

    def _clusters_of(self, places: Iterable[PlacementKey]) -> Iterator[tuple[PlacementKey, Cluster]]:
        """Yield the placements in clusters that stay in the fleet."""
        by_id: dict[ClusterId | None, Cluster] = {
            cluster.spec.id: cluster
            for cluster in self._places.world.clusters.values()
            if not cluster.metadata.is_being_deleted
        }
        for place_ in sorted(places):
            if (cluster := by_id.get(place_[0])) is not None:
                yield place_, cluster

    def _where(self, key: Key, uid: str) -> set[PlacementKey]:
        """Return where the delivery is by what was wished for and by what agents report."""
        reported = {
            place_
            for place_, report in self._boards.reports.snapshot().items()
            if report.uid == uid and report.stage is not Stage.GONE
        }
        return reported | self._owned.get(key, set())

    def may_differ(self, placement: Placement, uid: str) -> bool:
        """Tell whether a delivery may not be in a cluster as it was last seen ready: it was not in step there, or is not on the desk."""
        cluster = self._store.clusters.readable(_name(placement.cluster))
        if cluster is None or cluster.status.may_be_behind(placement.home):
            return True
        presence = self._boards.presence.get(placement.id)
        if presence is None or not presence.connected or (placement.home, uid) in presence.desk:
            return False
        return not self._has(placement.key, uid)

    def _has(self, place_: PlacementKey, uid: str) -> bool:
        report = self._boards.reports.get(place_)
        return report is not None and report.uid == uid and report.stage is not Stage.GONE

    def _may_have(self, delivery: Kustomization) -> set[PlacementKey]:
        """Return where a delivery may be that this hub did not see there: its placement may have changed while nobody looked.

        Where it says, where it is remembered to have been, on the desks that agents told of, and wherever none has told yet. An agent that never
        had it says so when it hears the tombstone; one that hears none would guard it for ever. Raises NotPlaced.
        """
        world = self._places.world
        placements = remembered(delivery.metadata, world).placements
        try:
            placements += place(delivery.metadata, world).placements
        except NotPlaced as problem:
            if problem.reason == MALFORMED:
                raise
        desks = {
            (id_, home)
            for id_, presence in self._boards.presence.snapshot().items()
            for home, uid in presence.desk
            if uid == delivery.metadata.uid
        }
        return {one.key for one in placements} | desks | self._unheard(delivery)

    def _unheard(self, delivery: Kustomization) -> set[PlacementKey]:
        """Return where a delivery may be because the agents there have not said yet what they hold."""
        world, metadata = self._places.world, delivery.metadata
        home = home_name(metadata, world.namespaces.get(metadata.namespace))
        return {
            (one.spec.id, home)
            for one in world.clusters.values()
            if one.spec.id is not None
            and one.metadata.namespace == metadata.namespace
            and one.status.certificate.key_fingerprint
            and self._boards.presence.get(one.spec.id) is None
        }


def _deletes_objects(delivery: Kustomization) -> bool:
    match delivery.spec.deletion_policy:
        case DeletionPolicy.MIRROR_PRUNE:
            return delivery.spec.prune
        case DeletionPolicy.DELETE | DeletionPolicy.WAIT_FOR_TERMINATION:
            return True
        case DeletionPolicy.ORPHAN:
            return False


def _key(delivery: Kustomization) -> Key:
    return (delivery.metadata.namespace, delivery.metadata.name)


def _name(cluster: Cluster) -> Key:
    return (cluster.metadata.namespace, cluster.metadata.name)
