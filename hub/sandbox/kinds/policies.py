"""Autoscalers, disruption budgets, priorities, leases, webhooks, API services: what has a group almost to itself. Pure."""

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
from hub.sandbox.kinds.rule import Rules, Step
from hub.sandbox.kinds.values import at, child, copied, fill, fill_numbers, indexed, items_at, mapping_at
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


def _default_webhooks(value: Object) -> None:
    for hook in items_at(value, "webhooks"):
        fill(hook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        child(hook, "namespaceSelector")
        child(hook, "objectSelector")
        for rule in items_at(hook, "rules"):
            fill(rule, scope="*")
        if isinstance(service := at(hook, "clientConfig", "service"), dict):
            fill(service, port=443)


def _default_mutating_webhooks(value: Object) -> None:
    _default_webhooks(value)
    for hook in items_at(value, "webhooks"):
        fill(hook, reinvocationPolicy="Never")


def _default_api_service(value: Object) -> None:
    spec = child(value, "spec")
    child(value, "status")
    if isinstance(service := spec.get("service"), dict):
        fill_numbers(service, port=443)


def _faults_of_api_service(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    name, group, version = at(value, "metadata", "name"), spec.get("group") or "", spec.get("version") or ""
    if name != f"{version}.{group}":
        yield wrong("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{version}.{group}"')
    if group:
        yield from wrongs("spec.group", group, names.subdomain(group))
    elif version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    yield from wrongs("spec.version", version, names.label_1035(version))
    for key, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        if not 0 < (spec.get(key) or 0) <= most:
            yield wrong(f"spec.{key}", spec.get(key) or 0, f"must be positive and less than {most}")
    yield from _faults_of_backend(spec)


def _faults_of_backend(spec: Object) -> Iterator[Cause]:
    service, is_insecure = spec.get("service"), bool(spec.get("insecureSkipTLSVerify"))
    if service is None:
        if is_insecure:
            yield wrong(
                "spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify"
            )
        return
    for key in ("namespace", "name"):
        if not service.get(key):
            yield required(f"spec.service.{key}")
    if is_insecure and spec.get("caBundle"):
        yield wrong("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def _webhooks(defaults: Step) -> Rules:
    return Rules(defaults=defaults, counted=(("webhooks",),), needs_version=True)


_BUDGET_STATUS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}

GROUPS: Mapping[str, Mapping[str, Rules]] = {
    "autoscaling": {
        "HorizontalPodAutoscaler": Rules(
            defaults=_default_autoscaler,
            checks=_faults_of_autoscaler,
            status={"desiredReplicas": 0, "currentMetrics": None},
        )
    },
    "policy": {
        "PodDisruptionBudget": Rules(
            checks=_faults_of_budget,
            status=_BUDGET_STATUS,
            counted=_SPEC,
            rechecks_metadata=False,
            checks_metadata_itself=False,
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
            creates_on_update=True,
            needs_version=True,
            rechecks_metadata=False,
        )
    },
    "admissionregistration.k8s.io": {
        "ValidatingWebhookConfiguration": _webhooks(_default_webhooks),
        "MutatingWebhookConfiguration": _webhooks(_default_mutating_webhooks),
        "ValidatingAdmissionPolicy": Rules(status={}, counted=_SPEC, needs_version=True),
        "ValidatingAdmissionPolicyBinding": Rules(counted=_SPEC, needs_version=True),
        "MutatingAdmissionPolicy": Rules(counted=_SPEC, needs_version=True),
        "MutatingAdmissionPolicyBinding": Rules(counted=_SPEC, needs_version=True),
    },
    "apiregistration.k8s.io": {
        "APIService": Rules(
            named=names.path_segment,
            defaults=_default_api_service,
            checks=_faults_of_api_service,
            status={},
            status_keeps=("labels", "annotations", "finalizers", "ownerReferences"),
            needs_version=True,
        )
    },
    "flowcontrol.apiserver.k8s.io": {
        "FlowSchema": Rules(status={}, counted=_SPEC),
        "PriorityLevelConfiguration": Rules(status={}, counted=_SPEC),
    },
    "node.k8s.io": {"RuntimeClass": Rules(creates_on_update=True, needs_version=True)},
}
