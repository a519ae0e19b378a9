"""How every delivery stands with the hub, on the board that its status is made from.

State: none of its own. What is not known anew stays as it was told before.
"""

from collections.abc import Mapping
from dataclasses import replace

from agent.kit.errors import CartwheelError
from agent.kube.watch import Key
from hub.delivery.failures import BUILD_FAILED
from hub.delivery.placement import KIND, Placed, Placement
from hub.delivery.places import Places
from hub.delivery.wishes import Wishes
from hub.model.cluster import ClusterName
from hub.model.kustomization import Kustomization
from hub.model.source import Artifact
from hub.model.standing import Problem, Standing, Target
from hub.model.wish import Boards, DeliveryKey, PlacementKey


class Standings:
    """Tells how deliveries stand, after every step of the work on one."""

    def __init__(self, boards: Boards, places: Places, wishes: Wishes) -> None:
        self._board = boards.standings
        self._places = places
        self._wishes = wishes

    def forget(self, key: Key) -> None:
        """Drop what was told of a delivery that is gone."""
        self._board.drop((KIND, *key))

    def note_attempt(self, delivery: Kustomization, placed: Placed, artifact: Artifact) -> None:
        """Say at once that work on a new state goes on, if it is one."""
        before = self._board.get(_key(delivery))
        now = (delivery.metadata.uid, delivery.metadata.generation, artifact.revision)
        if before is None or (before.uid, before.generation, before.revision) != now:
            self.tell(delivery, placed=placed, artifact=artifact, is_attempted=False)

    def tell(
        self,
        delivery: Kustomization,
        *,
        placed: Placed | None = None,
        artifact: Artifact | None = None,
        problem: Problem | None = None,
        problems: Mapping[PlacementKey, Problem] | None = None,
        is_attempted: bool = True,
        was_applied: bool = False,
    ) -> None:
        """Say how the delivery stands: as a whole, and in single clusters. `was_applied` is what holds where no Bundle is known."""
        before = self._board.get(_key(delivery))
        if before is None or before.uid != delivery.metadata.uid:
            before = Standing(uid=delivery.metadata.uid, generation=delivery.metadata.generation)
        placed = placed or self._placed(delivery)
        targets = before.targets
        if placed is not None:
            targets = tuple(
                self._target(one, delivery, (problems or {}).get(one.key)) for one in placed.placements
            )
        revision = artifact.revision if artifact is not None else before.revision
        if was_applied:
            targets = tuple(_believed(one, delivery, revision) for one in targets)
        attempted = revision if artifact is not None and is_attempted else before.attempted
        if problem is not None and problem.reason == BUILD_FAILED:
            attempted = revision
        self._board.put(
            _key(delivery),
            Standing(
                uid=delivery.metadata.uid,
                generation=delivery.metadata.generation,
                revision=revision,
                origin_revision=before.origin_revision if artifact is None else artifact.origin_revision,
                attempted=attempted,
                targets=targets,
                problem=problem,
                is_suspended=delivery.spec.suspend,
            ),
        )

    def _placed(self, delivery: Kustomization) -> Placed | None:
        try:
            return self._places.of(delivery)
        except CartwheelError:
            return None

    def _target(self, placement: Placement, delivery: Kustomization, problem: Problem | None) -> Target:
        mine = self._wishes.mine(placement.key, delivery)
        metadata = placement.cluster.metadata
        return Target(
            id=placement.id,
            home=placement.home,
            cluster=ClusterName(namespace=metadata.namespace, name=metadata.name),
            hub_namespace=delivery.metadata.namespace,
            bundle=mine.bundle if mine is not None else None,
            revision=mine.revision if mine is not None else "",
            generation=mine.assignment.generation if mine is not None else 0,
            problem=problem,
        )


def _believed(target: Target, delivery: Kustomization, revision: str) -> Target:
    """Return a target of which no Bundle is known as one that is to have what was seen ready before."""
    if target.bundle is not None:
        return target
    return replace(target, revision=revision, generation=delivery.metadata.generation, was_applied=True)


def _key(delivery: Kustomization) -> DeliveryKey:
    return (KIND, delivery.metadata.namespace, delivery.metadata.name)
