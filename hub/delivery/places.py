"""Where every delivery is placed now, and who has which home name.

State: per delivery its place or why it has none, recomputed when something that placement depends on changes, before anybody acts on it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from agent.kit.errors import Stalled, Transient
from agent.kube.watch import Key
from agent.model.names import ClusterId
from hub.delivery.claims import Claims
from hub.delivery.dependencies import Neighbour
from hub.delivery.placement import NotPlaced, Placed, Placement, Refusal, World, place
from hub.model.cluster import Cluster, ClusterName
from hub.model.kustomization import Kustomization
from hub.model.metadata import Metadata, metadata_of
from hub.model.value import MalformedResource
from hub.model.wish import Boards
from hub.store import Store


class Places:
    """The placements of all deliveries as the store has them."""

    def __init__(self, store: Store, boards: Boards, management: ClusterName) -> None:
        self._store = store
        self._management = management
        self._world: World | None = None
        self._found: dict[Key, Placed | NotPlaced] = {}
        self._by_id: dict[ClusterId, Key] = {}
        self.claims = Claims(boards, delivery=self._metadata, has_uid=self._has_uid, cluster=self._cluster)

    @property
    def world(self) -> World:
        """Return what placement depends on."""
        if self._world is None:
            store = self._store
            self._world = World(
                clusters={_key(one.metadata.namespace, one.metadata.name): one for one in store.clusters},
                fleets={_key(one.metadata.namespace, one.metadata.name): one for one in store.fleets},
                namespaces={one.metadata.name: one.metadata for one in store.namespaces},
                unread={key: str(problem) for key, problem in store.fleets.malformed.items()},
                management=self._management,
                contested=_contested(store.clusters),
            )
            self._by_id = {
                one.spec.id: key
                for key, one in self._world.clusters.items()
                if one.spec.id is not None and not one.metadata.is_being_deleted
            }
        return self._world

    def world_changed(self) -> None:
        """Take in that clusters, fleets or namespaces are different, and place everything anew."""
        self._world = None
        for key in sorted({*self._store.kustomizations.keys, *self._found}):
            self.refresh(key)

    def refresh(self, key: Key) -> set[Key]:
        """Place one delivery anew; return who has or had the same home name. One that cannot be read any more stays where it was."""
        if key in self._store.kustomizations.malformed and key in self._found:
            return set()
        rivals = self._unclaim(key)
        delivery = self._metadata(key)
        if delivery is None:
            return rivals
        try:
            found: Placed | NotPlaced = place(delivery, self.world)
        except NotPlaced as problem:
            found = problem
        self._found[key] = found
        if isinstance(found, Placed):
            self.claims.enter(key, found)
            rivals |= self.claims.rivals(key, found)
        return rivals

    def of(self, delivery: Kustomization) -> Placed:
        """Return where a delivery is placed. Raises NotPlaced, also when another one has its home name somewhere, and Transient when it is gone."""
        key = (delivery.metadata.namespace, delivery.metadata.name)
        found = self._found.get(key)
        if found is None:
            self.refresh(key)
            found = self._found.get(key)
        if found is None:
            # It was deleted while it was worked on.
            raise Transient(f"{delivery.metadata.name} is not there any more", reason="Deleted")
        if isinstance(found, Stalled):
            raise found
        for one in found.placements:
            holder = self.claims.rightful(one.key)
            if holder is None or holder.uid != delivery.metadata.uid:
                raise _refusal(one, holder)
        return found

    def neighbours(self, delivery: Kustomization) -> Mapping[Key, Neighbour | None]:
        """Return the deliveries that one names as its dependencies, those that exist; None for one that cannot be read."""
        found: dict[Key, Neighbour | None] = {}
        for dependency in delivery.spec.depends_on:
            key = (dependency.namespace or delivery.metadata.namespace, dependency.name)
            other = self._store.kustomizations.readable(key)
            placed = self._found.get(key)
            if key in self._store.kustomizations.malformed:
                found[key] = None
            elif other is not None and placed is not None:
                found[key] = Neighbour(delivery=other, placed=placed if isinstance(placed, Placed) else None)
        return found

    def _unclaim(self, key: Key) -> set[Key]:
        found = self._found.pop(key, None)
        if not isinstance(found, Placed):
            return set()
        self.claims.withdraw(key, found)
        return self.claims.rivals(key, found)

    def _metadata(self, key: Key) -> Metadata | None:
        """Return the metadata of a delivery, even of one that cannot be read otherwise."""
        delivery = self._store.kustomizations.readable(key)
        if delivery is not None:
            return delivery.metadata
        unread = self._store.kustomizations.unread(key)
        try:
            return metadata_of(unread) if unread is not None else None
        except MalformedResource:
            return None

    def _has_uid(self, uid: str) -> bool:
        found = (self._metadata(key) for key in self._store.kustomizations.keys)
        return any(one is not None and one.uid == uid for one in found)

    def _cluster(self, id_: ClusterId) -> Cluster | None:
        key = self._by_id.get(id_)
        return self._store.clusters.readable(key) if key is not None else None


def _refusal(placement: Placement, holder: Metadata | None) -> NotPlaced:
    where = f"{placement.home} in Cluster {placement.cluster.metadata.name}"
    if holder is not None:
        text = f"Kustomization {holder.namespace}/{holder.name} is already {where}; rename one of them or change the home namespace"
    else:
        text = f"another Kustomization is {where}, or it is not known yet which one; rename this one or change the home namespace"
    return NotPlaced(text, reason=Refusal.CONFLICT)


def _key(namespace: str, name: str) -> Key:
    return (namespace, name)


def _contested(clusters: Iterable[Cluster]) -> frozenset[ClusterId]:
    """Return the ids that more than one Cluster has which stays."""
    claims = Counter(one.spec.id for one in clusters if not one.metadata.is_being_deleted)
    return frozenset(id_ for id_, count in claims.items() if id_ is not None and count > 1)
