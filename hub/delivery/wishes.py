"""What is wished for a delivery where it is placed. State: none of its own, the wishes are on their board.

A wish is never taken back for want of information: what was wished for is kept, and a Hold is only for where nothing is known.
"""

from collections.abc import Iterable
from dataclasses import replace

from agent.kit.tracing import NO_TRACE, Traceparent
from agent.model.assignment import Hold, HoldReason
from agent.model.names import Digest
from hub.delivery.placement import Placed
from hub.model.kustomization import Kustomization
from hub.model.wish import Assigned, Boards, PlacementKey


class Wishes:
    """The wishes of all deliveries, as one delivery after the other is worked on."""

    def __init__(self, boards: Boards) -> None:
        self._board = boards.wishes

    def put(self, key: PlacementKey, wish: Assigned, *, request: Traceparent = NO_TRACE) -> None:
        """Wish for this there from now on, because of its build or, when that is wished for already, of an open request."""
        before = self._board.get(key)
        if isinstance(before, Assigned) and before.assignment.bundle == wish.assignment.bundle:
            wish = replace(wish, traceparent=request)
        self._board.put(key, wish)

    def mine(self, key: PlacementKey, delivery: Kustomization) -> Assigned | None:
        """Return what is assigned there for this very delivery, not for one that had its name before."""
        wish = self._board.get(key)
        if isinstance(wish, Assigned) and wish.assignment.uid == delivery.metadata.uid:
            return wish
        return None

    def candidates(self, keys: Iterable[PlacementKey]) -> dict[PlacementKey, Digest]:
        """Return the Candidate that each placement has now."""
        found = {key: self._board.get(key) for key in keys}
        return {key: wish.assignment.candidate for key, wish in found.items() if isinstance(wish, Assigned)}

    def hold(self, keys: Iterable[PlacementKey], reason: HoldReason, message: str) -> None:
        """Keep what was wished for; where nothing was since this hub began, say that nothing is known yet."""
        for key in keys:
            # Even one for an earlier delivery of this name, or for the one that has the name now, is better than none.
            if not isinstance(self._board.get(key), Assigned):
                self._board.put(key, Hold(reason=reason, message=message))

    def suspend(self, delivery: Kustomization, placed: Placed) -> bool:
        """Have the agents stop at what they have; tell whether all of that is known here."""
        found = {one.key: self.mine(one.key, delivery) for one in placed.placements}
        mine = {key: wish for key, wish in found.items() if wish is not None}
        if len(mine) < len(found):
            return False
        for key, wish in mine.items():
            spec = replace(wish.assignment.spec, suspend=True)
            self.put(key, replace(wish, assignment=replace(wish.assignment, spec=spec)))
        return True
