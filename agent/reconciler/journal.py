"""The desk as an apply sees it: where ids are written ahead, and what other assignments name."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.apply.convergence import Action, ChangeSet
from agent.desk import Desk
from agent.kit.errors import Transient
from agent.model.head import Head
from agent.model.inventory import format_id
from agent.model.names import ObjectRef


class Named:
    """All objects that assignments on the desk name at the time of asking."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, ObjectRef) and self._desk.names(ref)

    def __iter__(self) -> Iterator[ObjectRef]:
        return self._desk.named()


class DeskJournal:
    """Writes ahead on the desk which objects of a delivery are about to exist.

    Deleted objects leave with the write that ends the convergence; until then their ids do no harm.
    """

    def __init__(self, desk: Desk, head: Head) -> None:
        self._desk = desk
        self._home = head.home
        self._wish = _wish_of(head)

    async def enter(self, ids: Mapping[str, str]) -> None:
        head = self._desk.get(self._home)
        if head is None:
            raise Transient(f"{self._home} left the desk meanwhile", reason="Superseded")
        unknown = {id_: version for id_, version in ids.items() if id_ not in head.held}
        if unknown:
            await self._desk.save(replace(head, ahead={**head.ahead, **unknown}))

    def is_superseded(self) -> bool:
        """Tell whether the desk has a newer assignment or a tombstone, or the delivery was released, since the head was looked at."""
        head = self._desk.get(self._home)
        return head is None or _wish_of(head) != self._wish


def _wish_of(head: Head) -> tuple[bytes, str, bool]:
    return head.raw_assignment, head.leaving, head.released


def keeps_in_doubt(desk: Desk, changes: ChangeSet) -> bool:
    """Tell whether an object was kept for an assignment of which it is not sure that it came to the desk."""
    return any(
        change.action is Action.SKIPPED
        and format_id(change.ref) in changes.inventory
        and desk.names(change.ref)
        and not desk.surely_names(change.ref)
        for change in changes.changes
    )
