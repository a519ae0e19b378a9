"""The verdicts on placements, from what the boards say now, and of clusters that are away from what was written of them before.

State: since when this hub is there to be told, and the targets of each delivery by their place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agent.kit.clock import Clock
from agent.kube.watch import Key
from agent.model.names import ClusterId, HomeName
from hub.mirror import Collection
from hub.model.cluster import Cluster
from hub.model.standing import Standing, Target
from hub.model.wish import Boards, PlacementKey
from hub.status.cluster import written_state
from hub.status.declined import problem_of
from hub.status.placements import Placements
from hub.status.summary import next_change_s
from hub.status.verdict import Patience, Verdict, judge

DELIVERY = "Kustomization"


class Judging:
    """Weighs standings, reports, presence and what was declined against each other."""

    def __init__(
        self,
        boards: Boards,
        placements: Placements,
        patience: Patience,
        *,
        clusters: Collection[Cluster],
        clock: Clock,
    ) -> None:
        self._boards = boards
        self._clusters = clusters
        self._placements = placements
        self._clock = clock
        self._targets: dict[Key, tuple[Standing, Mapping[PlacementKey, Target]]] = {}
        self.patience = patience

    def of(self, standing: Standing) -> tuple[Verdict, ...]:
        """Return the verdicts on a delivery, one for each of its clusters."""
        return self._verdicts(standing, standing.targets)

    def in_cluster(self, id_: ClusterId) -> tuple[Verdict, ...]:
        """Return the verdicts on all deliveries of a cluster."""
        found: list[Verdict] = []
        for place, owner in self._placements.in_cluster(id_):
            standing = self._boards.standings.get((DELIVERY, *owner))
            target = self._target(owner, standing, place) if standing is not None else None
            if standing is not None and target is not None:
                found += self._verdicts(standing, (target,))
        return tuple(found)

    def _target(self, owner: Key, standing: Standing, place: PlacementKey) -> Target | None:
        """Return a delivery's target of one cluster. All are sorted once for each standing: each of a thousand clusters looks for its own."""
        known = self._targets.get(owner)
        if known is None or known[0] is not standing:
            known = self._targets[owner] = (standing, {one.key: one for one in standing.targets})
        return known[1].get(place)

    def forget(self, owner: Key) -> None:
        """Drop what is kept of a delivery that is gone."""
        self._targets.pop(owner, None)

    def resting_in(self, id_: ClusterId) -> frozenset[HomeName]:
        """Return the deliveries of a cluster to which nothing is said now."""
        return frozenset(
            home
            for (_, home), owner in self._placements.in_cluster(id_)
            if (standing := self._boards.standings.get((DELIVERY, *owner))) is None
            or standing.problem is not None
            or standing.is_suspended
        )

    def next_lapse_s(self, ids: Iterable[ClusterId]) -> float | None:
        """Return when time alone changes what is to be said: an agent that is away is believed no more, or longer away."""
        now, unknown_after_s = self._clock.now(), self.patience.unknown_after.total_seconds()
        waits: list[float] = []
        for id_ in ids:
            presence = self._boards.presence.get(id_)
            began = self.patience.began
            seen = began if presence is None else max(presence.last_seen, began)
            silent_s = (now - seen).total_seconds()
            left_s = unknown_after_s - silent_s
            waits.append(left_s if left_s >= 0 else next_change_s(silent_s))
        return min(waits) if waits else None

    def _verdicts(self, standing: Standing, targets: Iterable[Target]) -> tuple[Verdict, ...]:
        now = self._clock.now()
        return tuple(
            judge(
                self._with_declined(target, standing.uid),
                standing.uid,
                self._boards.reports.get(target.key),
                self._boards.presence.get(target.id),
                patience=self.patience,
                now=now,
                written=self._written,
            )
            for target in targets
        )

    def _written(self, target: Target) -> str:
        cluster = self._clusters.readable((target.cluster.namespace, target.cluster.name))
        return written_state(cluster.status, target.home) if cluster is not None else ""

    def _with_declined(self, target: Target, uid: str) -> Target:
        """Return the target with what its agent would not take as its problem, unless it has one already."""
        declined = self._boards.declined.get(target.key)
        if target.problem is not None or declined is None or declined.uid != uid:
            return target
        return replace(target, problem=problem_of(declined, target.cluster.name))
