"""Where every delivery is placed now, and who has which home name.

State: per delivery its place or why it has none, recomputed when something that placement depends on changes, before anybody acts on it.
"""

from collections.abc import Iterator, Mapping

from agent.kit.errors import Stalled
from agent.kube.watch import Key
from agent.model.names import ClusterId
from hub.delivery.dependencies import Neighbour
from hub.delivery.placement import NotPlaced, Placed, World, place, refuse_conflict
from hub.model.cluster import ClusterName
from hub.model.kustomization import Kustomization
from hub.model.wish import PlacementKey
from hub.store import Store


class Places:
    """The placements of all deliveries as the store has them."""

    def __init__(self, store: Store, management: ClusterName) -> None:
        self._store = store
        self._management = management
        self._world: World | None = None
        self._found: dict[Key, Placed | NotPlaced] = {}
        self._claims: dict[PlacementKey, set[Key]] = {}

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
            )
        return self._world

    def world_changed(self) -> None:
        """Take in that clusters, fleets or namespaces are different, and place everything anew."""
        self._world = None
        for key in {*self._store.kustomizations.keys, *self._found}:
            self.refresh(key)

    def refresh(self, key: Key) -> None:
        """Place one delivery anew. One that cannot be read stays where it was."""
        if key in self._store.kustomizations.malformed:
            return
        self._unclaim(key)
        delivery = self._store.kustomizations.get(key)
        if delivery is None:
            return
        try:
            found: Placed | NotPlaced = place(delivery, self.world)
        except NotPlaced as problem:
            found = problem
        self._found[key] = found
        if isinstance(found, Placed):
            for one in found.placements:
                self._claims.setdefault(one.key, set()).add(key)

    def of(self, delivery: Kustomization) -> Placed:
        """Return where a delivery is placed. Raises NotPlaced."""
        key = (delivery.metadata.namespace, delivery.metadata.name)
        found = self._found.get(key)
        if found is None:
            self.refresh(key)
            found = self._found[key]
        if isinstance(found, Stalled):
            raise found
        rivals = {other for one in found.placements for other in self._claims.get(one.key, ())} - {key}
        refuse_conflict(delivery, found, self._others(rivals))
        return found

    def claimants(self, key: PlacementKey) -> list[Kustomization]:
        """Return the deliveries that are placed under a home name in a cluster."""
        return [other for other, _ in self._others(self._claims.get(key, set()))]

    def in_cluster(self, cluster: ClusterId) -> Iterator[tuple[PlacementKey, Kustomization]]:
        """Yield every placement in a cluster with its delivery."""
        for key in [one for one in self._claims if one[0] == cluster]:
            for delivery in self.claimants(key):
                yield key, delivery

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

    def _others(self, keys: set[Key]) -> list[tuple[Kustomization, Placed]]:
        found = []
        for key in keys:
            other, placed = self._store.kustomizations.readable(key), self._found.get(key)
            if other is not None and isinstance(placed, Placed):
                found.append((other, placed))
        return found

    def _unclaim(self, key: Key) -> None:
        found = self._found.pop(key, None)
        for one in found.placements if isinstance(found, Placed) else ():
            claims = self._claims.get(one.key, set())
            claims.discard(key)
            if not claims:
                self._claims.pop(one.key, None)


def _key(namespace: str, name: str) -> Key:
    return (namespace, name)
