"""Who has a home name in a cluster, of all deliveries that are placed there under it.

State: the claims. Who is there is not remembered here: wishes, reports, the agent's first word and what is stored on the Cluster tell it.
Whoever takes over a home name takes over what its agent holds under it, and deletes what of that is not its own. So nobody gets a name
from one that is there, and of several nobody gets it before it is known who is.
"""

from collections.abc import Callable, Iterable, Iterator

from agent.kube.watch import Key
from agent.model.names import ClusterId, HomeName
from agent.model.report import Stage
from hub.delivery.placement import Placed
from hub.model.cluster import Cluster
from hub.model.metadata import Metadata
from hub.model.wish import Assigned, Boards, PlacementKey


class Claims:
    """The claims of all deliveries, also of those that cannot be read."""

    def __init__(
        self,
        boards: Boards,
        *,
        delivery: Callable[[Key], Metadata | None],
        has_uid: Callable[[str], bool],
        cluster: Callable[[ClusterId], Cluster | None],
    ) -> None:
        self._boards = boards
        self._delivery = delivery
        self._has_uid = has_uid
        self._cluster = cluster
        self._claims: dict[PlacementKey, set[Key]] = {}

    def enter(self, key: Key, placed: Placed) -> None:
        """Note that a delivery is placed so."""
        for one in placed.placements:
            self._claims.setdefault(one.key, set()).add(key)

    def withdraw(self, key: Key, placed: Placed) -> None:
        """Forget that a delivery was placed so."""
        for one in placed.placements:
            claims = self._claims.get(one.key, set())
            claims.discard(key)
            if not claims:
                self._claims.pop(one.key, None)

    def rivals(self, key: Key, placed: Placed) -> set[Key]:
        """Return the other deliveries that are placed somewhere under the same home name."""
        return {other for one in placed.placements for other in self._claims.get(one.key, ())} - {key}

    def contested_in(self, cluster: ClusterId) -> set[Key]:
        """Return the deliveries in a cluster that have rivals there."""
        return {
            key for (id_, _), keys in self._claims.items() if id_ == cluster and len(keys) > 1 for key in keys
        }

    def of(self, place: PlacementKey) -> list[Metadata]:
        """Return the deliveries that are placed there under a home name."""
        found = [self._delivery(key) for key in self._claims.get(place, ())]
        return [one for one in found if one is not None]

    def rightful(self, place: PlacementKey) -> Metadata | None:
        """Return who has a home name: the claimant that is there, else the oldest.

        None when nobody claims it, when it is not known yet who is there, or while a delivery is there that is placed there no more.
        """
        claimants = self.of(place)
        there = self._there(place, is_contested=len(claimants) > 1)
        for one in claimants:
            if one.uid == there:
                return one
        if self.is_open(place) or (there and claimants and self._has_uid(there)):
            return None
        return min(claimants, key=rank, default=None)

    def is_open(self, place: PlacementKey) -> bool:
        """Tell whether several claim a home name in a cluster that was not heard of since this hub began."""
        is_contested = len(self._claims.get(place, ())) > 1
        is_heard = self._boards.presence.get(place[0]) is not None
        return is_contested and not is_heard and not self._there(place, is_contested=True)

    def rightful_in(self, cluster: ClusterId) -> Iterator[tuple[PlacementKey, Metadata]]:
        """Yield every home name in a cluster that somebody has, with who has it."""
        for place in [one for one in self._claims if one[0] == cluster]:
            if (found := self.rightful(place)) is not None:
                yield place, found

    def _there(self, place: PlacementKey, *, is_contested: bool) -> str:
        """Return the UID of the delivery that is there, or is wished for; empty when none is, as far as that is known."""
        wish, report = self._boards.wishes.get(place), self._boards.reports.get(place)
        if isinstance(wish, Assigned):
            return wish.assignment.uid
        if report is not None and report.stage is not Stage.GONE:
            return report.uid
        gone = report.uid if report is not None else ""
        found = [uid for home, uid in self._left(place[0]) if home == place[1]]
        if not found and is_contested and (presence := self._boards.presence.get(place[0])) is not None:
            found = [uid for home, uid in presence.desk if home == place[1]]
        return next((uid for uid in found if uid != gone), "")

    def _left(self, id_: ClusterId) -> Iterable[tuple[HomeName, str]]:
        """Yield what was released in a cluster; its objects are there."""
        cluster = self._cluster(id_)
        for one in cluster.status.released if cluster is not None else ():
            yield HomeName(kind=one.kind, namespace=one.namespace, name=one.name), one.uid


def rank(delivery: Metadata) -> tuple[str, str, str]:
    """Return what decides who gets a home name that several claim and nobody has: the oldest."""
    return (delivery.creation_timestamp or "", delivery.namespace, delivery.name)
