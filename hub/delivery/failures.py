"""Why a delivery cannot go on, in the words of its conditions and of the holds of its clusters. Pure."""

from collections.abc import Iterable

from agent.kit.errors import CartwheelError, Stalled, Waiting
from agent.kit.reconcile import Again, Done, Outcome
from agent.model.assignment import HoldReason
from hub.model.standing import Problem

ARTIFACT_FAILED = "ArtifactFailed"
BUILD_FAILED = "BuildFailed"
CLUSTER_SUSPENDED = "ClusterSuspended"
NO_CLUSTERS = "NoClusters"


class Failed(Waiting):
    """It was tried and failed; tried again after a time, or at once when an input changes."""


class Unbuilt(Waiting):
    """The files to build from are not here, though what the source has is known; they are fetched again."""


def problem_of(error: CartwheelError) -> Problem:
    """Return what the status says of an error; what only waits is no event."""
    return Problem(
        reason=error.reason,
        message=str(error),
        is_stalled=isinstance(error, Stalled),
        is_quiet=isinstance(error, Waiting) and not isinstance(error, Failed),
    )


def hold_reason_of(error: CartwheelError) -> HoldReason:
    """Return why nothing is known for a cluster, for its agent."""
    if error.reason == ARTIFACT_FAILED:
        return HoldReason.SOURCE_NOT_READY
    return HoldReason.BUILD_FAILED if error.reason == BUILD_FAILED else HoldReason.NOT_BUILT


def after(problems: Iterable[CartwheelError], default_s: float) -> Outcome:
    """Return when to look again at what has to wait; what is stalled waits for a change."""
    waits = [
        one.after_s if isinstance(one, Waiting) else default_s
        for one in problems
        if not isinstance(one, Stalled)
    ]
    return Again(after_s=min(waits)) if waits else Done()
