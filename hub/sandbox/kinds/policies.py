"""Autoscalers, disruption budgets, priorities and leases: what has a group to itself. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import (
    faults_of_share,
    faults_of_whole,
    forbidden,
    required,
    unchanged,
    unsupported,
    wrong,
    wrongs,
)
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.quantities import tidied_field
from hub.sandbox.kinds.rule import Rules
from hub.sandbox.kinds.values import at, child, copied, fill, indexed, items_at, mapping_at
from hub.sandbox.refusals import Cause

_SPEC = (("spec",),)
# The generation is 1 and stays it.
_NOTHING_LATER = (("metadata", "uid"),)
_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")
_HIGHEST_PRIORITY = 1000000000
_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def _default_autoscaler(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if (behavior := spec.get("behavior")) is not None:
        for key, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            given = {name: one for name, one in mapping_at(behavior, key).items() if one is not None}
            behavior[key] = {**copied(rules), **given}
    for metric in spec["metrics"]:
        for source in metric.values():
            for key in ("averageValue", "value"):
                tidied_field(mapping_at(source, "target"), key)
    status = child(value, "status")
    status.setdefault("desiredReplicas", 0)
    status.setdefault("currentMetrics", None)


def _faults_of_autoscaler(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield wrong("spec.minReplicas", least, "must be greater than or equal to 1")
    if most == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 0:
        yield wrong("spec.maxReplicas", most, "must be greater than or equal to 1")
    if least is not None and most < least:
        yield wrong("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = mapping_at(spec, "scaleTargetRef")
    for key in ("kind", "name"):
        if not (text := target.get(key)):
            yield required(f"spec.scaleTargetRef.{key}")
        else:
            yield from wrongs(f"spec.scaleTargetRef.{key}", text, names.path_segment(text))
    if not target.get("apiVersion") and target.get("kind") != "ReplicationController":
        yield wrong("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group")
    yield from _faults_of_metrics(spec)


def _faults_of_metrics(spec: Object) -> Iterator[Cause]:
    metrics, sources = items_at(spec, "metrics"), set()
    for path, metric in indexed("spec.metrics", metrics):
        sources.add(kind := metric.get("type") or "")
        if kind not in _METRICS:
            # Both the kind and the source that should belong to it are looked for in the same list.
            yield unsupported(f"{path}.type", kind, _METRICS)
            yield unsupported(f"{path}.type", kind, _METRICS)
        elif metric.get(source := kind[:1].lower() + kind[1:]) is None:
            yield required(f"{path}.{source}", "must populate information for the given metric source")
    if spec.get("minReplicas") == 0 and not sources & {"Object", "External"}:
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", why)


def _faults_of_budget(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        shown = {
            "MinAvailable": spec["minAvailable"],
            "Selector": spec.get("selector"),
            "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        yield wrong("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for key in ("minAvailable", "maxUnavailable"):
        yield from faults_of_share(f"spec.{key}", spec.get(key))
        yield from faults_of_whole(f"spec.{key}", spec.get(key))
    yield from faults_of_selector("spec.selector", mapping_at(spec, "selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in ("AlwaysAllow", "IfHealthyBudget"):
        yield unsupported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def _default_priority(value: Object) -> None:
    fill(value, preemptionPolicy="PreemptLowerPriority")
    value.setdefault("value", 0)


def _faults_of_priority(value: Object) -> Iterator[Cause]:
    name = str(at(value, "metadata", "name") or "")
    if name.startswith("system-"):
        why = "priority class names with 'system-' prefix are reserved for system use only. error: "
        yield forbidden("metadata.name", f"{why}{name} is not a known system priority class")
    elif (value.get("value") or 0) > _HIGHEST_PRIORITY:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}")
    if value.get("preemptionPolicy") not in ("Never", "PreemptLowerPriority"):
        yield unsupported(
            "preemptionPolicy", value.get("preemptionPolicy"), ("PreemptLowerPriority", "Never")
        )


def _faults_of_priority_change(before: Object, after: Object) -> Iterator[Cause]:
    if (before.get("value") or 0) != (after.get("value") or 0):
        yield forbidden("value", "may not be changed in an update.")
    yield from unchanged("preemptionPolicy", before.get("preemptionPolicy"), after.get("preemptionPolicy"))


def _default_lease(value: Object) -> None:
    child(value, "spec")


def _faults_of_lease(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        yield wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield wrong("spec.leaseTransitions", transitions, "must be greater than or equal to 0")


_BUDGET_STATUS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}

GROUPS: Mapping[str, Mapping[str, Rules]] = {
    "autoscaling": {
        "HorizontalPodAutoscaler": Rules(
            defaults=_default_autoscaler,
            checks=_faults_of_autoscaler,
            status={"desiredReplicas": 0, "currentMetrics": None},
            rechecks_metadata=False,
        )
    },
    "policy": {
        "PodDisruptionBudget": Rules(
            checks=_faults_of_budget,
            status=_BUDGET_STATUS,
            counted=_SPEC,
            rechecks_metadata=False,
            checks_metadata_itself=False,
            status_checks_metadata=False,
            needs_version=True,
        )
    },
    "scheduling.k8s.io": {
        "PriorityClass": Rules(
            defaults=_default_priority,
            checks=_faults_of_priority,
            checks_change=_faults_of_priority_change,
            counted=_NOTHING_LATER,
            rechecks_metadata=False,
        )
    },
    "coordination.k8s.io": {
        "Lease": Rules(
            defaults=_default_lease,
            checks=_faults_of_lease,
            has_own_finalizers=False,
            creates_on_update=True,
            needs_version=True,
            rechecks_metadata=False,
        )
    },
}
