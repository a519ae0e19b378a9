"""Health of Pods."""

from datetime import datetime, timedelta

from agent.health.reading import (
    Object,
    Rule,
    condition,
    current,
    entries,
    failed,
    field,
    holds,
    in_progress,
    text,
)
from agent.model.health import Health, HealthStatus

SCHEDULE_WINDOW = timedelta(seconds=15)
"""A Pod younger than this may be unschedulable without having failed (kstatus)."""


def assess_pod(value: Object, now: datetime) -> Health:
    """Judge a Pod by its phase; one that ended, well or not, is current."""
    match text(value, "status.phase"):
        case "Succeeded":
            return current("Pod has completed successfully")
        case "Failed":
            return current("Pod has completed, but not successfully")
        case "Running":
            return _assess_running(value)
        case "Pending":
            return _assess_pending(value, now)
        case "":
            return in_progress("PodNotObserved", "Pod phase not available")
        case phase:
            return Health(status=HealthStatus.UNKNOWN, message=f"unknown phase {phase}")


def _assess_running(value: Object) -> Health:
    if holds(value, "Ready"):
        return current("Pod is Ready")
    looping = [
        text(container, "name")
        for container in entries(value, "status.containerStatuses")
        if text(container, "state.waiting.reason") == "CrashLoopBackOff"
    ]
    if looping:
        return failed("ContainerCrashLooping", f"Containers in CrashLoop state: {','.join(looping)}")
    return in_progress("PodRunningNotReady", "Pod is running but is not Ready")


def _assess_pending(value: Object, now: datetime) -> Health:
    scheduled = condition(value, "PodScheduled") or {}
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return in_progress("PodPending", "Pod is in the Pending phase")
    if _is_young(value, now):
        return in_progress("PodNotScheduled", "Pod has not been scheduled")
    return failed("PodUnschedulable", "Pod could not be scheduled")


def _is_young(value: Object, now: datetime) -> bool:
    created = field(value, "metadata.creationTimestamp")
    try:
        return isinstance(created, str) and now - datetime.fromisoformat(created) < SCHEDULE_WINDOW
    except (ValueError, TypeError):
        return False


RULES: dict[tuple[str, str], Rule] = {("", "Pod"): assess_pod}
