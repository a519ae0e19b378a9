"""What leaves a cluster: tombstones and released placements, stored on the Cluster before anything is said to its agent.

State: which tombstones were seen carried out, for the deliveries that wait for them. Never removes anything for want of information: every
step follows from a stored entry.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

import msgspec

from agent.kit.clock import Clock
from agent.kube.watch import Key
from agent.model.assignment import DeletionPolicy, Hold, HoldReason
from agent.model.assignment import Tombstone as Wished
from agent.model.names import ClusterId, HomeName, timestamp
from agent.model.report import Stage
from hub.artifacts.blobs import Blobs
from hub.delivery.places import Places
from hub.model import annotations as names
from hub.model.cluster import (
    Cluster,
    ClusterStatus,
    ReleasedPlacement,
    Removal,
    Tombstone,
    shares_identity,
)
from hub.model.durations import instant
from hub.model.metadata import Metadata, Uid
from hub.model.wish import Boards, PlacementKey, present_in
from hub.store import Store


class Leaving:
    """Keeps the entries of Clusters and the wishes that follow from them."""

    def __init__(
        self,
        store: Store,
        boards: Boards,
        blobs: Blobs,
        places: Places,
        *,
        clock: Clock,
        rename_window_s: float,
    ) -> None:
        self._store = store
        self._boards = boards
        self._blobs = blobs
        self._places = places
        self._clock = clock
        self._rename_window = timedelta(seconds=rename_window_s)
        self._gone: set[tuple[PlacementKey, str]] = set()

    def is_gone(self, key: PlacementKey, uid: str) -> bool:
        """Tell whether the agent has said that the delivery has left."""
        return (key, uid) in self._gone

    def is_released(self, cluster: Key, home: HomeName, uid: str) -> bool:
        """Tell whether a delivery was left in a cluster where it is no longer placed."""
        found = self._store.clusters.get(cluster)
        return found is not None and _is_released(found, home, uid)

    def hindrance(self, cluster: Cluster, home: HomeName, uid: str) -> str:
        """Say why a delivery that is to leave a connected cluster has not left it yet."""
        key = (cluster.spec.id or ClusterId(""), home)
        report, wish = self._boards.reports.get(key), self._boards.wishes.get(key)
        is_told = isinstance(wish, Wished) and wish.uid == uid
        if (
            is_told
            and report is not None
            and report.uid == uid
            and report.stage in (Stage.FAILED, Stage.WAITING)
        ):
            return report.message
        entries = [one for one in cluster.status.tombstones if (_home(one), one.uid) == (home, uid)]
        heir = self._heir(key[0], entries[0]) if entries else None
        if heir is not None:
            return (
                f"Kustomization {heir.namespace}/{heir.name} is new there and not on its desk yet; until it is, it may be what takes "
                "the objects over"
            )
        return "its agent has not let go of it yet"

    def comes(self, key: PlacementKey, uid: str) -> None:
        """Note that a delivery is wished for again: that it once left says nothing of its next leaving."""
        self._gone.discard((key, uid))
        report = self._boards.reports.get(key)
        if report is not None and (report.uid, report.stage) == (uid, Stage.GONE):
            self._boards.reports.drop(key)

    async def bury(
        self,
        cluster: Key,
        home: HomeName,
        uid: str,
        *,
        deletes: bool,
        reason: str,
        time: str = "",
        author: str = "",
    ) -> None:
        """Store a tombstone on the Cluster, in place of a release of the same delivery; an entry that is there stays as it is.

        `time` is the deletion's by the API server's clock, which says when deliveries were made, too; else it is now.
        """
        policy = DeletionPolicy.DELETE if deletes else DeletionPolicy.ORPHAN
        entry = Tombstone(
            kind=home.kind,
            namespace=home.namespace,
            name=home.name,
            uid=Uid(uid),
            deletion_policy=policy,
            time=time or timestamp(self._clock.now()),
            author=author,
            reason=reason,
        )

        def add(resource: Cluster) -> ClusterStatus:
            status = resource.status
            if any(_home(one) == home and one.uid == uid for one in status.tombstones):
                return status
            released = tuple(one for one in status.released if (_home(one), one.uid) != (home, uid))
            return msgspec.structs.replace(status, tombstones=(*status.tombstones, entry), released=released)

        await self._store.update_status(self._store.clusters, cluster, add)

    async def release(self, cluster: Key, home: HomeName, uid: str, *, reason: str) -> None:
        """Store that a delivery is no longer placed there; its objects stay."""
        entry = ReleasedPlacement(
            kind=home.kind,
            namespace=home.namespace,
            name=home.name,
            since=timestamp(self._clock.now()),
            uid=Uid(uid),
            reason=reason,
        )

        def add(resource: Cluster) -> ClusterStatus:
            status = resource.status
            if _is_released(resource, home, uid):
                return status
            return msgspec.structs.replace(status, released=(*status.released, entry))

        await self._store.update_status(self._store.clusters, cluster, add)

    async def take_back(self, cluster: Key, home: HomeName, uid: str) -> None:
        """Forget that a delivery was released or is to leave, because it is placed there again."""

        def drop(resource: Cluster) -> ClusterStatus:
            status, gone = resource.status, (home, uid)
            released = tuple(one for one in status.released if (_home(one), one.uid) != gone)
            tombstones = tuple(one for one in status.tombstones if (_home(one), one.uid) != gone)
            return msgspec.structs.replace(status, released=released, tombstones=tombstones)

        found = self._store.clusters.get(cluster)
        if found is not None and drop(found) != found.status:
            await self._store.update_status(self._store.clusters, cluster, drop)

    async def settle(self, key: Key) -> None:
        """Bring the wishes of a cluster in line with its entries, and forget entries that are done with."""
        cluster = self._store.clusters.get(key)
        if cluster is None:
            self._forget_unknown()
        if cluster is None or cluster.spec.id is None:
            return
        if cluster.metadata.is_being_deleted:
            if not shares_identity(cluster, self._store.clusters):
                self._clear(cluster, cluster.spec.id)
            return
        await self._decide_released(key, cluster)
        cluster = self._store.clusters.get(key)
        if cluster is None or cluster.spec.id is None:
            return
        done = [one for one in cluster.status.tombstones if self._settle_tombstone(cluster.spec.id, one)]
        for released in cluster.status.released:
            self._hold(cluster.spec.id, released)
        if done:
            await self._store.update_status(self._store.clusters, key, _without(done))

    def _forget_unknown(self) -> None:
        """Drop what is kept for clusters that are no more; not while one cannot be read, for it may be that one."""
        if self._store.clusters.malformed:
            return
        known = {one.spec.id for one in self._store.clusters}
        for key in self._boards.wishes.snapshot():
            if key[0] not in known:
                self._boards.wishes.drop(key)
                self._blobs.release(key)
        for key in self._boards.reports.snapshot():
            if key[0] not in known:
                self._boards.reports.drop(key)

    def _settle_tombstone(self, id_: ClusterId, entry: Tombstone) -> bool:
        """Say a tombstone when its time has come; tell whether it is done with."""
        home = _home(entry)
        key = (id_, home)
        report = self._boards.reports.get(key)
        if report is not None and report.uid == entry.uid and report.stage is Stage.GONE:
            self._gone.add((key, entry.uid))
            if isinstance(self._boards.wishes.get(key), Wished):
                self._boards.wishes.drop(key)
                self._blobs.release(key)
            return True
        rightful = self._places.claims.rightful(key)
        if self._places.claims.is_open(key) or (
            rightful is not None and rightful.uid == entry.uid and not rightful.is_being_deleted
        ):
            # Who has the name is not known yet; or it is placed here again, and its tombstone is about to be taken back.
            return False
        if rightful is not None and rightful.uid != entry.uid:
            # A newer delivery of that name takes the objects over by inventory; once it is on the desk the old one is not there.
            superseded = report is not None and report.stage is not Stage.GONE and report.uid != entry.uid
            if superseded:
                self._gone.add((key, entry.uid))
            return superseded
        if self._heir(id_, entry) is None:
            deletes = entry.deletion_policy is not DeletionPolicy.ORPHAN
            wish = Wished(
                home=home,
                uid=entry.uid,
                delete_objects=deletes,
                author=entry.author,
                reason=entry.reason,
            )
            self._boards.wishes.put(key, wish)
        return False

    def _heir(self, id_: ClusterId, entry: Tombstone) -> Metadata | None:
        """Return a delivery that is new in the cluster and not on its desk yet: it may be what takes the objects over.

        One that was made long before the deletion is no renaming, unless it is the very same under another home name.
        """
        since = instant(entry.time) - self._rename_window
        for key, metadata in self._places.claims.rightful_in(id_):
            created = metadata.creation_timestamp
            is_new = metadata.uid == entry.uid or (created is not None and instant(created) >= since)
            delivery = self._store.kustomizations.readable((metadata.namespace, metadata.name))
            is_suspended = delivery is not None and delivery.spec.suspend
            if metadata.is_being_deleted or is_suspended or not is_new:
                continue
            report = self._boards.reports.get(key)
            if report is None or report.uid != metadata.uid or report.stage is Stage.GONE:
                return metadata
        return None

    def _hold(self, id_: ClusterId, entry: ReleasedPlacement) -> None:
        key = (id_, _home(entry))
        if self._places.claims.rightful(key) is None:
            self._boards.wishes.put(key, Hold(reason=HoldReason.RELEASED, message=entry.reason))

    async def _decide_released(self, key: Key, cluster: Cluster) -> None:
        """Carry out what a person decided about released placements."""
        annotations = cluster.metadata.annotations
        for name, verb in ((names.PRUNE_RELEASED, "prune"), (names.FORGET_RELEASED, "forget")):
            wanted = {one.strip() for one in annotations.get(name, "").split(",")}
            for entry in cluster.status.released:
                if f"{_home(entry)}@{entry.since}" in wanted:
                    reason = f"`hub placement {verb}`"
                    await self.bury(key, _home(entry), entry.uid, deletes=verb == "prune", reason=reason)

    def _clear(self, cluster: Cluster, id_: ClusterId) -> None:
        """Have everything leave a cluster that is being removed from the fleet; objects only when that was asked for."""
        deletes = cluster.removal is Removal.PRUNE
        for home, uid in present_in(cluster, self._boards).items():
            wish = Wished(home=home, uid=uid, delete_objects=deletes, reason="the cluster leaves the fleet")
            self._boards.wishes.put((id_, home), wish)


def _is_released(cluster: Cluster, home: HomeName, uid: str) -> bool:
    return any((_home(one), one.uid) == (home, uid) for one in cluster.status.released)


def _home(entry: Tombstone | ReleasedPlacement) -> HomeName:
    return HomeName(kind=entry.kind, namespace=entry.namespace, name=entry.name)


def _without(done: Iterable[Tombstone]) -> Callable[[Cluster], ClusterStatus]:
    names_ = {(_home(one), one.uid) for one in done}

    def drop(resource: Cluster) -> ClusterStatus:
        kept = tuple(one for one in resource.status.tombstones if (_home(one), one.uid) not in names_)
        return msgspec.structs.replace(resource.status, tombstones=kept)

    return drop
