"""Has deletions wait while the object may be about to come to another delivery: a commit that moves it changes two, and either may be first.

Every delivery of a source comes to each of its revisions, by an assignment or by a mark. Until all of them on the desk have come to that of
the one that deletes, it is not known what they list. One that does not come, since its build fails, is waited for only so long.

State: in memory only, for which assignment of a delivery deletions wait and since when, and who holds what was kept for others. After a
restart they wait anew.
"""

from agent.desk import Desk
from agent.kit.clock import Clock
from agent.model.head import Head
from agent.model.names import HomeName
from agent.reconciler.state import States


class Moves:
    """The deliveries whose deletions wait; for at most `wait_s` with one assignment."""

    def __init__(self, desk: Desk, states: States, *, clock: Clock, wait_s: float) -> None:
        self._desk = desk
        self._states = states
        self._clock = clock
        self._wait_s = wait_s
        self._since: dict[HomeName, tuple[bytes, float]] = {}
        self._keepers: set[HomeName] = set()

    @property
    def waiting(self) -> tuple[HomeName, ...]:
        """Return who is to be looked at when any delivery has moved: it may list what was waited or kept for, or list it no more."""
        return tuple(sorted(self._since.keys() | self._keepers))

    def must_wait(self, head: Head) -> bool:
        """Tell whether what a delivery deletes now may be about to come to another one; the time counts from the first such answer."""
        return bool(self.behind(head)) and self.left_s(head) > 0

    def behind(self, head: Head) -> tuple[HomeName, ...]:
        """Return the deliveries of the same source that are worked on and at another revision of it, and those that are just coming."""
        others = {home for home, one in self._desk.heads.items() if self._is_behind(one, head)}
        return tuple(sorted(others | (self._desk.arriving - {head.home})))

    def _is_behind(self, one: Head, head: Head) -> bool:
        return (
            one.home != head.home
            and one.assignment.source == head.assignment.source
            and self._states.revision(one) != self._states.revision(head)
            and not (one.leaving or one.released or one.assignment.spec.suspend)
        )

    def left_s(self, head: Head) -> float:
        """Return for how long deletions may wait yet."""
        now_s = self._clock.monotonic_s()
        of, since_s = self._since.get(head.home, (b"", now_s))
        if of != head.raw_assignment:
            # What a newer one deletes may move as well, and has not waited yet.
            of, since_s = self._since[head.home] = (head.raw_assignment, now_s)
        return since_s + self._wait_s - now_s

    def settle(self, home: HomeName, *, keeps: bool = False) -> None:
        """Note that nothing of a delivery waits any more, and whether it still holds what others need."""
        self._since.pop(home, None)
        if keeps:
            self._keepers.add(home)
        else:
            self._keepers.discard(home)
