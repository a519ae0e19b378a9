"""Tells of the passes that are a step of a commit or of a request: those over a Bundle that is not applied, or a token not handled.

State: in the delivery's own, the trace that its next reports are part of, and the failure that was told last.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from agent.apply.convergence import ChangeSet
from agent.kit.errors import CartwheelError
from agent.kit.tracing import NO_TRACE, Step, Tracer
from agent.model.head import Head
from agent.reconciler.state import States


class Pass:
    """One pass; whoever makes it says what came of it."""

    def __init__(self) -> None:
        self.changes: ChangeSet | None = None


class Steps:
    """The passes of all deliveries."""

    def __init__(self, tracer: Tracer, states: States) -> None:
        self._tracer = tracer
        self._states = states

    @contextmanager
    def applying(self, head: Head) -> Iterator[Pass]:
        """Tell of the pass that is made in the block, when it is a step. What fails again and again is one step that failed."""
        made, state = Pass(), self._states.of(head.home)
        if not _is_pending(head):
            yield made
            return
        if not head.traceparent:
            state.traceparent = NO_TRACE
            yield made
            return
        assignment = head.assignment
        span = self._tracer.span(
            Step.APPLY,
            head.traceparent,
            cluster=assignment.cluster,
            delivery=str(head.home),
            revision=head.revision,
            bundle=assignment.bundle.digest,
        )
        problem = ""
        try:
            yield made
            problem = made.changes.reason if made.changes is not None else ""
        except CartwheelError as error:
            problem = error.reason
            raise
        finally:
            failed = (head.raw_assignment, problem)
            if not problem or state.failed_step != failed:
                span.end(problem=problem, objects=len(made.changes.changes) if made.changes else 0)
                state.traceparent = span.traceparent
            state.failed_step = failed


def _is_pending(head: Head) -> bool:
    assignment = head.assignment
    return head.applied != assignment.bundle.digest or dict(head.handled) != dict(assignment.tokens)
