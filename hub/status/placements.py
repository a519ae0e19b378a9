"""Which placement is of which delivery, from the standings. State: that, both ways. Pure."""

from collections.abc import Iterable

from agent.kube.watch import Key
from agent.model.names import ClusterId
from hub.model.standing import Standing
from hub.model.wish import PlacementKey


class Placements:
    """The placements of all deliveries."""

    def __init__(self) -> None:
        self._targets: dict[Key, tuple[PlacementKey, ...]] = {}
        self._owners: dict[PlacementKey, Key] = {}
        self._by_cluster: dict[ClusterId, set[PlacementKey]] = {}

    def take(self, key: Key, standing: Standing | None) -> set[ClusterId]:
        """Note which placements are the delivery's now; return the clusters that have one or had one."""
        touched = set()
        for place in self._targets.pop(key, ()):
            if self._owners.get(place) == key:
                del self._owners[place]
                self._by_cluster.get(place[0], set()).discard(place)
                touched.add(place[0])
        if standing is None:
            return touched
        self._targets[key] = tuple(target.key for target in standing.targets)
        for place in self._targets[key]:
            self._owners[place] = key
            self._by_cluster.setdefault(place[0], set()).add(place)
            touched.add(place[0])
        return touched

    def owner(self, place: PlacementKey) -> Key | None:
        """Return whose placement it is."""
        return self._owners.get(place)

    def in_cluster(self, id_: ClusterId) -> Iterable[tuple[PlacementKey, Key]]:
        """Return the placements in a cluster, in order, with their deliveries."""
        return [(place, self._owners[place]) for place in sorted(self._by_cluster.get(id_, ()))]
