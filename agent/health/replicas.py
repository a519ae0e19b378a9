"""Health of StatefulSets and ReplicaSets whose Pods fail: kstatus's readers look at the Pods of what is not ready yet. Pure."""

from collections.abc import Iterable
from datetime import datetime

from agent.health.assess import compute
from agent.health.reading import Object, failed, field, text
from agent.health.selectors import format_selector
from agent.model.health import Health, HealthStatus
from agent.model.names import group_of

_KINDS = frozenset({("apps", "StatefulSet"), ("apps", "ReplicaSet"), ("extensions", "ReplicaSet")})


def needs_pods(value: Object, health: Health) -> bool:
    """Tell whether the Pods of an object have a say in its health."""
    kind = group_of(text(value, "apiVersion")), text(value, "kind")
    return health.status is HealthStatus.IN_PROGRESS and kind in _KINDS


def selector_of(value: Object) -> str:
    """Return what selects an object's Pods. Raises ValueError when nothing does."""
    selector = format_selector(field(value, "spec.selector") or {})
    if not selector:
        raise ValueError("no selector found")
    return selector


def assess_with_pods(health: Health, pods: Iterable[Object], now: datetime) -> Health:
    """Judge an object that is in progress by its Pods: one that fails, but not for want of a node, fails it."""
    found = [compute(pod, now) for pod in pods]
    count = sum(one.status is HealthStatus.FAILED and one.reason != "PodUnschedulable" for one in found)
    return failed("PodsFailed", f"{count} pods have failed") if count else health
