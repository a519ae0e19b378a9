"""What an agent would not take, as the problem of the delivery in its cluster. Pure."""

from hub.model.standing import Problem
from hub.model.wish import Declined

REASON = "AssignmentDeclined"


def problem_of(declined: Declined, cluster: str) -> Problem:
    """Return the problem, with what a person may do about it."""
    return Problem(
        reason=REASON,
        message=f"the agent of Cluster {cluster} does not take the assignment ({declined.reason}): {declined.message}; "
        f"what runs there stays as it is. {_next_step(declined.reason, cluster)}",
    )


def _next_step(reason: str, cluster: str) -> str:
    match reason:
        case "OtherCluster":
            return f"It is enrolled under another identity: enrol it again with hub cluster add {cluster}"
        case "OlderOrder":
            return "It has heard from a newer hub: see that only one hub leads, with hub check"
        case _:
            return f"Bring the agent to the version of the hub with hub cluster add {cluster}"
