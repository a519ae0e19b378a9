"""Says how deliveries stand and what happened to them: reports (the newest counts) and notices (each told once)."""

from collections.abc import Callable

from agent.apply.convergence import Action, Change
from agent.desk import Desk
from agent.kit.board import Board
from agent.kit.clock import Clock
from agent.kit.tracing import NO_TRACE
from agent.model.head import Head
from agent.model.names import HomeName
from agent.model.report import NoticeKind, Report, Stage
from agent.notices import Notices
from agent.reconciler.state import States
from agent.reconciler.verdict import Word, report_of
from agent.reconciler.wording import describe_drift, list_changes


class Reporter:
    """Speaks for the reconciler; `changed` is called with each delivery of which something new was said."""

    def __init__(
        self,
        *,
        desk: Desk,
        states: States,
        reports: Board[HomeName, Report],
        notices: Notices,
        clock: Clock,
        changed: Callable[[HomeName], None],
    ) -> None:
        self._desk = desk
        self._states = states
        self._reports = reports
        self._notices = notices
        self._clock = clock
        self._changed = changed

    def last(self, home: HomeName) -> Report | None:
        """Return what was last said of a delivery."""
        return self._reports.get(home)

    def is_superseded(self, head: Head) -> bool:
        """Tell whether the desk has a newer assignment by now."""
        current = self._desk.get(head.home)
        return current is not None and current.raw_assignment != head.raw_assignment

    def say(self, head: Head, word: Word) -> None:
        """Report, unless the same was said last, or the word is on a Bundle that is not the newest any more."""
        if self.is_superseded(head):
            # A verdict is for one Bundle; the next pass has the word on the new one.
            return
        head = self._desk.get(head.home) or head
        state = self._states.of(head.home)
        report = report_of(
            head,
            word,
            state,
            fights=state.fights.going_on(),
            now=self._clock.now(),
        )
        before = self._reports.get(report.home)
        if before is None or not before.says_the_same_as(report):
            self._reports.put(report.home, report)
            self._changed(report.home)
        if word.stage is Stage.READY:
            # That was the last of it; what is said from now on, nobody's commit has caused.
            state.traceparent = NO_TRACE

    def fail(self, head: Head, word: Word) -> None:
        """Report a failure, and tell it once as an event."""
        if self.is_superseded(head):
            return
        before = self._reports.get(head.home)
        if before is None or (before.stage, before.message) != (Stage.FAILED, word.message):
            self.notice(head, NoticeKind.FAILED, word.reason, word.message)
        self.say(head, word)

    def gone(self, head: Head) -> None:
        """Report that a tombstone has been carried out."""
        assignment = head.assignment
        report = Report.gone(assignment.cluster, head.home, assignment.uid, as_of=self._clock.now())
        self._reports.put(head.home, report)
        self._changed(head.home)

    def tell_changes(self, head: Head, changes: tuple[Change, ...], *, is_new: bool) -> None:
        """Make notices of what was changed: by a new Bundle, or as correction of drift."""
        if deleted := list_changes(changes, Action.DELETED):
            self.notice(head, NoticeKind.PRUNED, "Progressing", deleted)
        applied = list_changes(changes, Action.CREATED, Action.CONFIGURED)
        if applied and is_new:
            self.notice(head, NoticeKind.APPLIED, "Progressing", applied)
        elif applied:
            self.notice(head, NoticeKind.DRIFT_CORRECTED, "DriftCorrected", describe_drift(changes))

    def notice(self, head: Head, kind: NoticeKind, reason: str, message: str) -> None:
        """Tell something as an event."""
        self._notices.add(head.assignment, kind, reason, message, at=self._clock.now())
