"""The last step of a commit: what an agent made of it is in the delivery's status. State: per delivery, what was told last."""

from collections.abc import Iterable
from datetime import datetime

from agent.kit.tracing import Step, Traceparent, Tracer
from agent.kube.watch import Key
from agent.model.report import Report, Stage
from hub.model.wish import PlacementKey
from hub.status.verdict import Verdict

_FINAL = {Stage.READY, Stage.FAILED}
_Word = tuple[Traceparent, Stage]


class Traces:
    """Tells of each report once, when a status is written that it went into."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._told: dict[Key, dict[PlacementKey, _Word]] = {}

    def written(self, key: Key, verdicts: Iterable[Verdict], *, began: datetime, revision: str) -> None:
        """Note that a delivery's status with these verdicts was written."""
        before, now = self._told.get(key, {}), dict[PlacementKey, _Word]()
        for verdict in verdicts:
            place, report = verdict.target.key, verdict.report
            if report is None or report.stage not in _FINAL or not report.traceparent:
                continue
            now[place] = (report.traceparent, report.stage)
            if before.get(place) != now[place]:
                self._tell(report, began=began, revision=revision)
        self._told[key] = now

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a delivery that is gone."""
        self._told.pop(key, None)

    def _tell(self, report: Report, *, began: datetime, revision: str) -> None:
        span = self._tracer.span(
            Step.REPORT,
            report.traceparent,
            began=began,
            cluster=report.cluster,
            delivery=str(report.home),
            revision=revision,
            stage=report.stage,
        )
        span.end(problem=report.reason if report.stage is Stage.FAILED else "")
