"""Pods and what makes Pods that are alike: Deployments, ReplicaSets and their forerunner. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds.containers import (
    faults_of_pod_change,
    faults_of_pod_spec,
    faults_of_template,
    prepare_pod,
)
from hub.sandbox.kinds.faults import (
    faults_of_share,
    faults_of_whole,
    forbidden,
    negative,
    required,
    unchanged,
    unsupported,
    wrong,
)
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.pods import default_pod, default_template
from hub.sandbox.kinds.rule import Rules
from hub.sandbox.kinds.values import at, child, copied, fill, items_at, mapping_at
from hub.sandbox.refusals import Cause

_SPEC = (("spec",),)


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector selects labels; an empty one selects all."""
    for key, wanted in mapping_at(selector, "matchLabels").items():
        if labels.get(key) != wanted:
            return False
    for one in items_at(selector, "matchExpressions"):
        found, values = labels.get(one.get("key") or ""), one.get("values") or ()
        holds = {
            "In": found in values,
            "NotIn": found not in values,
            "Exists": found is not None,
            "DoesNotExist": found is None,
        }
        if not holds.get(one.get("operator") or "", False):
            return False
    return True


def faults_of_matching(spec: Object) -> Iterator[Cause]:
    """Yield that a selector does not select the Pods of its own template."""
    labels = at(spec, "template", "metadata", "labels")
    selector = spec.get("selector")
    if selector is None or not selects(selector, labels or {}):
        yield wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def faults_of_selection(spec: Object, what: str, in_what: str) -> Iterator[Cause]:
    """Yield what is wrong with selector and template."""
    selector = spec.get("selector")
    found: list[Cause] = []
    if selector is None:
        yield required("spec.selector")
    else:
        found = list(faults_of_selector("spec.selector", selector))
        yield from found
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield wrong("spec.selector", selector, f"empty selector is invalid for {what}")
    if found:
        # A selector that cannot be read selects nothing, and hides what is wrong with the template.
        yield wrong("spec.selector", selector, "" if what == "statefulset" else "invalid label selector")
        return
    if selector is None or selector.get("matchLabels") or selector.get("matchExpressions"):
        yield from faults_of_matching(spec)
    yield from faults_of_pods(spec, in_what)


def faults_of_pods(spec: Object, in_what: str) -> Iterator[Cause]:
    """Yield what is wrong with a template, whose Pods have to be started again and again."""
    yield from faults_of_template("spec.template", mapping_at(spec, "template"))
    policy = at(spec, "template", "spec", "restartPolicy")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    if at(spec, "template", "spec", "activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {in_what} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", why)


def faults_of_selector_change(before: Object, after: Object) -> Iterator[Cause]:
    """Yield that a selector was changed."""
    yield from unchanged("spec.selector", at(before, "spec", "selector"), at(after, "spec", "selector"))


def _default_deployment(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = child(spec, "strategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(child(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    default_template(spec)
    # Of other kinds that count replicas these are told when they are zero, too.
    status = value.get("status") or {}
    for name in ("replicas", "availableReplicas"):
        if status.get(name) == 0:
            del status[name]


def _faults_of_deployment(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from faults_of_selection(spec, "deployment", "ReplicaSet")
    yield from _faults_of_strategy(mapping_at(spec, "strategy"))
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        yield from negative(f"spec.{key}", spec.get(key))
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= (spec.get("minReadySeconds") or 0):
        yield wrong("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _faults_of_strategy(strategy: Object) -> Iterator[Cause]:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                why = "may not be specified when strategy `type` is 'Recreate'"
                yield forbidden("spec.strategy.rollingUpdate", why)
        case "RollingUpdate":
            field, most = "spec.strategy.rollingUpdate", at(rolling, "maxUnavailable")
            yield from faults_of_share(f"{field}.maxUnavailable", most)
            yield from faults_of_share(f"{field}.maxSurge", at(rolling, "maxSurge"))
            none = (0, "0%")
            if at(rolling, "maxUnavailable") in none and at(rolling, "maxSurge") in none:
                why = "may not be 0 when `maxSurge` is 0"
                yield wrong(f"{field}.maxUnavailable", most, why)
            yield from faults_of_whole(f"{field}.maxUnavailable", most)
        case _:
            yield unsupported("spec.strategy", as_in_go(strategy), ("Recreate", "RollingUpdate"))


def as_in_go(strategy: Object) -> Object:
    """Return a strategy that is none as the real server's messages show it."""
    return {"Type": strategy.get("type") or "", "RollingUpdate": None}


def _default_replicas(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, replicas=1)
    default_template(spec)


def _faults_of_replicas(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from faults_of_selection(spec, "deployment", "ReplicaSet")


def _default_controller(value: Object) -> None:
    _default_replicas(value)
    labels = at(value, "spec", "template", "metadata", "labels")
    if labels:
        for owner, key in ((child(value, "spec"), "selector"), (child(value, "metadata"), "labels")):
            if not owner.get(key):
                owner[key] = copied(labels)


def _default_template_object(value: Object) -> None:
    default_template(value)


def _faults_of_pod(value: Object) -> Iterator[Cause]:
    yield from faults_of_pod_spec("spec", mapping_at(value, "spec"))


def _keep_quality(before: Object, made: Object) -> None:
    """Keep the class of service, which old kubelets drop."""
    fill(child(made, "status"), qosClass=at(before, "status", "qosClass"))


PODS: Mapping[str, Rules] = {
    "Pod": Rules(
        defaults=default_pod,
        prepares=prepare_pod,
        checks=_faults_of_pod,
        checks_change=faults_of_pod_change,
        status={},
        status_keeps=("deletionTimestamp", "ownerReferences"),
        counted=_SPEC,
        is_graceful=True,
        subresources={"status": _keep_quality},
    ),
    "PodTemplate": Rules(defaults=_default_template_object, counted=(("template",),)),
    "ReplicationController": Rules(defaults=_default_controller, status={"replicas": 0}, counted=_SPEC),
}
KINDS: Mapping[str, Rules] = {
    "Deployment": Rules(
        defaults=_default_deployment,
        checks=_faults_of_deployment,
        checks_change=faults_of_selector_change,
        status={},
        status_keeps=("labels",),
        counted=(("spec",), ("metadata", "annotations")),
        rechecks_metadata=False,
    ),
    "ReplicaSet": Rules(
        defaults=_default_replicas,
        checks=_faults_of_replicas,
        checks_change=faults_of_selector_change,
        status={"replicas": 0},
        counted=_SPEC,
        rechecks_metadata=False,
    ),
    "ControllerRevision": Rules(),
}
