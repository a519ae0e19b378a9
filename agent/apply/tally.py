"""Counts what became of objects."""

from agent.apply.convergence import Action, ChangeSet, Convergence
from agent.kit.telemetry import Telemetry


class Tally:
    """The counts of one agent. Drift is what differs although the same Bundle was applied in full before."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._objects = telemetry.counter(
            "cartwheel_objects",
            "Objects of passes, by what became of them.",
            action=[_word(one) for one in Action],
        )
        self._drift = telemetry.counter(
            "cartwheel_drift",
            "Objects that somebody else had changed or deleted: seen, and put back.",
            event=("detected", "corrected"),
        )

    def count(self, task: Convergence, found: ChangeSet) -> None:
        """Count one convergence."""
        for change in found.changes:
            self._objects.labels(_word(change.action)).inc()
            if not task.is_applied:
                continue
            if change.action.is_write or change.fields:
                self._drift.labels("detected").inc()
            if change.action.is_write:
                self._drift.labels("corrected").inc()


def _word(action: Action) -> str:
    return action.replace(" ", "_")
