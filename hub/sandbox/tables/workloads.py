"""Rows of what makes Pods, and of what guards and scales them. Pure."""

from collections.abc import Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds.values import at
from hub.sandbox.selectors import text_of
from hub.sandbox.tables.row import (
    NONE,
    UNKNOWN,
    UNSET,
    Cells,
    Row,
    condition,
    containers_texts,
    labels_text,
    lasted,
    truth,
)

_JOB_STATES = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)


def _pods(row: Row) -> list[str]:
    return containers_texts(row.mapping("spec", "template", "spec"))


def _selector(row: Row) -> str:
    return text_of(row.at("spec", "selector")) or NONE


def _deployment(row: Row) -> list[Any]:
    counts = [row.number("status", key) for key in ("updatedReplicas", "availableReplicas")]
    # Unlike with the other kinds, an empty selector shows as nothing.
    return [row.name, _ready(row), *counts, row.age, *_pods(row), text_of(row.at("spec", "selector"))]


def _ready(row: Row) -> str:
    return f"{row.number('status', 'readyReplicas')}/{row.number('spec', 'replicas')}"


def _stateful_set(row: Row) -> list[Any]:
    return [row.name, _ready(row), row.age, *_pods(row)]


def _counts(row: Row) -> list[int]:
    return [
        row.number("spec", "replicas"),
        row.number("status", "replicas"),
        row.number("status", "readyReplicas"),
    ]


def _replica_set(row: Row) -> list[Any]:
    return [row.name, *_counts(row), row.age, *_pods(row), _selector(row)]


def _replication_controller(row: Row) -> list[Any]:
    return [row.name, *_counts(row), row.age, *_pods(row), labels_text(row.at("spec", "selector"))]


def _daemon_set(row: Row) -> list[Any]:
    keys = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    nodes = labels_text(row.at("spec", "template", "spec", "nodeSelector"))
    counts = [row.number("status", key) for key in keys]
    return [row.name, *counts, nodes, row.age, *_pods(row), _selector(row)]


def _job(row: Row) -> list[Any]:
    return [row.name, _job_state(row), _completions(row), _took(row), row.age, *_pods(row), _selector(row)]


def _job_state(row: Row) -> str:
    for kind, shown in _JOB_STATES:
        if row.is_leaving if not kind else condition(row.value, kind).get("status") == "True":
            return shown
    return "Running"


def _completions(row: Row) -> str:
    done, wanted = row.number("status", "succeeded"), row.at("spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    at_once = row.number("spec", "parallelism")
    return f"{done}/1 of {at_once}" if at_once > 1 else f"{done}/1"


def _took(row: Row) -> str:
    start, end = row.text("status", "startTime"), row.text("status", "completionTime")
    if not start:
        return ""
    return lasted(start, end) if end else row.since(start)


def _cron_job(row: Row) -> list[Any]:
    job = row.mapping("spec", "jobTemplate", "spec")
    last = row.at("status", "lastScheduleTime")
    return [
        row.name,
        row.text("spec", "schedule"),
        row.text("spec", "timeZone") or NONE,
        truth(row.at("spec", "suspend")),
        len(row.items("status", "active")),
        row.since(last) if last else NONE,
        row.age,
        *containers_texts(at(job, "template", "spec") or {}),
        text_of(at(job, "selector")) or NONE,
    ]


def _revision(row: Row) -> list[Any]:
    owners = row.items("metadata", "ownerReferences")
    owner = next((one for one in owners if one.get("controller")), None)
    shown = NONE
    if owner is not None:
        group = owner["apiVersion"].rpartition("/")[0]
        shown = f"{owner['kind']}.{group}".rstrip(".").lower() + f"/{owner['name']}"
    return [row.name, shown, row.number("revision"), row.age]


def _autoscaler(row: Row) -> list[Any]:
    target, least = row.mapping("spec", "scaleTargetRef"), row.at("spec", "minReplicas")
    return [
        row.name,
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(row.items("spec", "metrics"), row.items("status", "currentMetrics")),
        str(least) if least is not None else UNSET,
        row.number("spec", "maxReplicas"),
        row.number("status", "currentReplicas"),
        row.age,
    ]


def _metrics(wanted: list[Object], found: list[Object]) -> str:
    shown = [_metric(one, found[index] if index < len(found) else {}) for index, one in enumerate(wanted)]
    text = ", ".join(shown[:2]) or NONE
    return f"{text} + {len(shown) - 2} more..." if len(shown) > 2 else text


def _metric(metric: Object, status: Object) -> str:
    kind = metric.get("type") or ""
    key = f"{kind[:1].lower()}{kind[1:]}"
    target, current = at(metric, key, "target") or {}, at(status, key, "current") or {}
    name = f"{at(metric, key, 'name')}: " if key in ("resource", "containerResource") else ""
    average = target.get("averageValue")
    if key in ("resource", "containerResource") and average is None:
        used, aim = current.get("averageUtilization"), target.get("averageUtilization")
        return f"{name}{_percent(used, UNKNOWN)}/{_percent(aim, '<auto>')}"
    if key in ("external", "object") and average is None:
        return f"{current.get('value', UNKNOWN)}/{target.get('value', '0')}"
    suffix = " (avg)" if key in ("external", "object") else ""
    return f"{name}{current.get('averageValue', UNKNOWN)}/{average}{suffix}"


def _percent(number: int | None, unknown: str) -> str:
    return f"{number}%" if number is not None else unknown


def _budget(row: Row) -> list[Any]:
    limits = [row.at("spec", key) for key in ("minAvailable", "maxUnavailable")]
    shown = [str(one) if one is not None else "N/A" for one in limits]
    return [row.name, *shown, row.number("status", "disruptionsAllowed"), row.age]


def _scale(row: Row) -> list[Any]:
    return [row.name, row.number("spec", "replicas"), row.number("status", "replicas"), row.age]


CELLS: Mapping[str, Cells] = {
    "/replicationcontrollers": _replication_controller,
    "apps/controllerrevisions": _revision,
    "apps/daemonsets": _daemon_set,
    "apps/deployments": _deployment,
    "apps/replicasets": _replica_set,
    "apps/statefulsets": _stateful_set,
    "autoscaling/horizontalpodautoscalers": _autoscaler,
    "autoscaling/scales": _scale,
    "batch/cronjobs": _cron_job,
    "batch/jobs": _job,
    "policy/poddisruptionbudgets": _budget,
}
