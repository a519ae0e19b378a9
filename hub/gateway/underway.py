"""What is under way to one agent: assignments that were sent and not answered yet, each a step that ends with the answer.

State: per home name one span until it is answered, sent anew, or the session ends; and the failure that was told last.
"""

from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE, Span, Step, Traceparent
from agent.model.names import ClusterId, Digest, HomeName
from hub.model.wish import Assigned

SUPERSEDED = "Superseded"
DISCONNECTED = "Disconnected"


class Underway:
    """The assignments of one session that are under way."""

    def __init__(self, telemetry: Telemetry, cluster: ClusterId) -> None:
        self._tracer = telemetry.tracer
        self._assignments = telemetry.counter(
            "cartwheel_assignments",
            "Assignments by what became of them on the link.",
            event=("sent", "acknowledged", "refused"),
        )
        self._cluster = cluster
        self._spans: dict[HomeName, tuple[Span, Digest]] = {}
        self._failed: dict[HomeName, tuple[Digest, str]] = {}

    def send(self, wish: Assigned) -> Traceparent:
        """Note that a wish is sent, in place of what was before; return the trace context to send along."""
        assignment = wish.assignment
        self._end(assignment.home, SUPERSEDED)
        self._assignments.labels("sent").inc()
        if not wish.traceparent:
            return NO_TRACE
        span = self._tracer.span(
            Step.DELIVER,
            wish.traceparent,
            cluster=self._cluster,
            delivery=str(assignment.home),
            revision=wish.revision,
            bundle=assignment.bundle.digest,
        )
        self._spans[assignment.home] = (span, assignment.substance)
        return span.traceparent

    def answered(self, home: HomeName, *, problem: str = "") -> None:
        """Note that what was sent is on the desk, or why the agent refused it."""
        self._assignments.labels("refused" if problem else "acknowledged").inc()
        self._end(home, problem)

    def close(self) -> None:
        """Note that no answer comes any more."""
        for home in tuple(self._spans):
            self._end(home, DISCONNECTED)

    def _end(self, home: HomeName, problem: str) -> None:
        """End a step. What fails again and again is one that failed."""
        if (found := self._spans.pop(home, None)) is None:
            return
        span, substance = found
        if not problem or self._failed.get(home) != (substance, problem):
            span.end(problem=problem)
        self._failed[home] = (substance, problem)
