"""Whether the deliveries that one depends on are ready, by Flux's rules, as far as this cluster's desk knows. Pure, but for the memory of
who depends on whom."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.model.assignment import Assignment
from agent.model.head import Head
from agent.model.names import HomeName
from agent.model.report import Report, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A delivery that another one depends on: what the desk holds of it, what was last said of it, and its revision."""

    home: HomeName
    head: Head | None
    report: Report | None
    revision: str

    def obstacle_to(self, assignment: Assignment, revision: str) -> str:
        """Say why an assignment has to wait for it, empty when it need not."""
        name = f"{self.home.namespace}/{self.home.name}"
        if self.head is None or self.head.leaving:
            return f"dependency '{name}' not found"
        mine = self.head.assignment
        if (
            self.report is None
            or self.report.stage is not Stage.READY
            or self.report.prune_held
            or self.report.bundle != mine.bundle.digest
        ):
            return f"dependency '{name}' is not ready"
        if mine.source == assignment.source and self.revision != revision:
            return f"dependency '{name}' revision is not up to date"
        return ""


class Dependents:
    """Which deliveries depend on one, so that they are looked at when it changes."""

    def __init__(self) -> None:
        self._needs: dict[HomeName, frozenset[HomeName]] = {}
        self._needed_by: dict[HomeName, set[HomeName]] = {}

    def note(self, home: HomeName, needs: Iterable[HomeName]) -> None:
        """Note what a delivery depends on now."""
        before, now = self._needs.get(home, frozenset()), frozenset(needs)
        if before == now:
            return
        for gone in before - now:
            self._needed_by[gone].discard(home)
        for new in now - before:
            self._needed_by.setdefault(new, set()).add(home)
        self._needs[home] = now

    def of(self, home: HomeName) -> tuple[HomeName, ...]:
        """Return who depends on a delivery."""
        return tuple(sorted(self._needed_by.get(home, ())))
