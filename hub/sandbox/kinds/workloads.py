"""Pods and what makes Pods: Deployments, ReplicaSets, StatefulSets, DaemonSets. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
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
    wrongs,
)
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.pods import default_claim_spec, default_pod, default_template
from hub.sandbox.kinds.rule import Rules, alike
from hub.sandbox.kinds.values import at, child, copied, fill, indexed, items_at, mapping_at, put
from hub.sandbox.kinds.volumes import faults_of_claim_spec
from hub.sandbox.refusals import Cause

_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_FREE_IN_SETS = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
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


def _faults_of_spec(spec: Object, what: str, in_what: str) -> Iterator[Cause]:
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
    yield from _faults_of_pods(spec, in_what)


def _faults_of_pods(spec: Object, in_what: str) -> Iterator[Cause]:
    yield from faults_of_template("spec.template", mapping_at(spec, "template"))
    policy = at(spec, "template", "spec", "restartPolicy")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    if at(spec, "template", "spec", "activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {in_what} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", why)


def _faults_of_selector_change(before: Object, after: Object) -> Iterator[Cause]:
    yield from unchanged("spec.selector", at(before, "spec", "selector"), at(after, "spec", "selector"))


def _default_deployment(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = child(spec, "strategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(child(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    default_template(spec)


def _faults_of_deployment(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from _faults_of_spec(spec, "deployment", "ReplicaSet")
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
            yield unsupported("spec.strategy", _as_in_go(strategy), ("Recreate", "RollingUpdate"))


def _as_in_go(strategy: Object) -> Object:
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
    yield from _faults_of_spec(spec, "deployment", "ReplicaSet")


def _default_controller(value: Object) -> None:
    _default_replicas(value)
    labels = at(value, "spec", "template", "metadata", "labels")
    if labels:
        for owner, key in ((child(value, "spec"), "selector"), (child(value, "metadata"), "labels")):
            if not owner.get(key):
                owner[key] = copied(labels)


def _default_set(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    strategy = child(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        child(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill(strategy["rollingUpdate"], partition=0)
    fill(child(spec, "persistentVolumeClaimRetentionPolicy"), whenDeleted="Retain", whenScaled="Retain")
    spec.setdefault("serviceName", "")
    for claim in items_at(spec, "volumeClaimTemplates"):
        fill(claim, kind="PersistentVolumeClaim", apiVersion="v1")
        child(claim, "metadata")
        default_claim_spec(child(claim, "spec"))
        fill(child(claim, "status"), phase="Pending")
    default_template(spec)


def _faults_of_set(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        yield wrong("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _faults_of_set_strategy(mapping_at(spec, "updateStrategy"))
    for key in ("whenDeleted", "whenScaled"):
        kept = at(spec, "persistentVolumeClaimRetentionPolicy", key)
        if kept not in ("Retain", "Delete"):
            yield unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{key}", kept, ("Retain", "Delete"))
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from negative("spec.ordinals.start", at(spec, "ordinals", "start"))
    # The volumes of its claims are mounted like those of the template.
    claims = [
        {"name": at(one, "metadata", "name"), "emptyDir": {}}
        for one in items_at(spec, "volumeClaimTemplates")
    ]
    if claims:
        claimed = {one["name"] for one in claims}
        spec = copied(spec)
        pods = child(child(spec, "template"), "spec")
        pods["volumes"] = [
            *claims,
            *(one for one in items_at(pods, "volumes") if one.get("name") not in claimed),
        ]
    yield from _faults_of_spec(spec, "statefulset", "StatefulSet")


def _faults_of_new_set(value: Object) -> Iterator[Cause]:
    """Yield what is wrong with a new set; what cannot be changed is not looked at again."""
    spec = mapping_at(value, "spec")
    for path, claim in indexed("spec.volumeClaimTemplates", items_at(spec, "volumeClaimTemplates")):
        yield from faults_of_claim_spec(f"{path}.spec", mapping_at(claim, "spec"))
    if name := spec.get("serviceName"):
        yield from wrongs("spec.serviceName", name, names.label(name))
    yield from _faults_of_set(value)


def _faults_of_set_strategy(strategy: Object) -> Iterator[Cause]:
    field, rolling = "spec.updateStrategy", strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "RollingUpdate":
            yield from negative(f"{field}.rollingUpdate.partition", at(rolling, "partition"))
        case "OnDelete":
            if rolling is not None:
                shown = {
                    "Partition": rolling.get("partition") or 0,
                    "MaxUnavailable": rolling.get("maxUnavailable"),
                }
                yield wrong(
                    f"{field}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'"
                )
        case _:
            yield wrong(field, _as_in_go(strategy), "must be 'RollingUpdate' or 'OnDelete'")


def _faults_of_set_change(before: Object, after: Object) -> Iterator[Cause]:
    old, new = mapping_at(before, "spec"), mapping_at(after, "spec")
    if any(not alike(old.get(key), new.get(key)) for key in {*old, *new} if key not in _FREE_IN_SETS):
        named = ", ".join(f"'{key}'" for key in _FREE_IN_SETS[:-1])
        why = f"updates to statefulset spec for fields other than {named} and '{_FREE_IN_SETS[-1]}' are forbidden"
        yield forbidden("spec", why)


def _default_daemons(value: Object) -> None:
    spec = child(value, "spec")
    strategy = child(spec, "updateStrategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(child(strategy, "rollingUpdate"), maxUnavailable=1, maxSurge=0)
    fill(spec, revisionHistoryLimit=10)
    default_template(spec)


def _prepare_daemons(value: Object) -> None:
    annotations = child(child(value, "metadata"), "annotations")
    fill(annotations, **{_TEMPLATE_GENERATION: "1"})


def _keep_daemons(before: Object, made: Object) -> None:
    """Count the changes of the template, which an annotation shows."""
    count = at(before, "metadata", "annotations", _TEMPLATE_GENERATION)
    if not alike(at(before, "spec", "template"), at(made, "spec", "template")):
        count = str(int(count or 0) + 1)
    put(child(child(made, "metadata"), "annotations"), _TEMPLATE_GENERATION, count)


def _faults_of_daemons(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    selector = spec.get("selector")
    found = list(faults_of_selector("spec.selector", selector or {}))
    yield from found
    if not found:
        yield from faults_of_matching(spec)
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield wrong("spec.selector", selector, "empty selector is invalid for daemonset")
    yield from _faults_of_pods(spec, "DaemonSet")
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _faults_of_daemon_strategy(mapping_at(spec, "updateStrategy"))
    yield from negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _faults_of_daemon_strategy(strategy: Object) -> Iterator[Cause]:
    field = "spec.updateStrategy"
    if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
        yield unsupported(field, _as_in_go(strategy), ("RollingUpdate", "OnDelete"))
    if strategy.get("type") != "RollingUpdate":
        return
    least, more = at(strategy, "rollingUpdate", "maxUnavailable"), at(strategy, "rollingUpdate", "maxSurge")
    yield from faults_of_share(f"{field}.rollingUpdate.maxUnavailable", least)
    yield from faults_of_share(f"{field}.rollingUpdate.maxSurge", more)
    if least in (0, "0%") and more in (0, "0%"):
        yield required(f"{field}.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif least not in (0, "0%") and more not in (0, "0%"):
        why = "may not be set when maxUnavailable is non-zero"
        yield wrong(f"{field}.rollingUpdate.maxSurge", more, why)


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
        checks_change=_faults_of_selector_change,
        status={},
        status_keeps=("labels",),
        counted=(("spec",), ("metadata", "annotations")),
        rechecks_metadata=False,
    ),
    "ReplicaSet": Rules(
        defaults=_default_replicas,
        checks=_faults_of_replicas,
        checks_change=_faults_of_selector_change,
        status={"replicas": 0},
        counted=_SPEC,
        rechecks_metadata=False,
    ),
    "StatefulSet": Rules(
        named=names.label,
        defaults=_default_set,
        checks=_faults_of_new_set,
        checks_update=_faults_of_set,
        checks_change=_faults_of_set_change,
        status={"replicas": 0, "availableReplicas": 0},
        counted=_SPEC,
        rechecks_metadata=False,
    ),
    "DaemonSet": Rules(
        defaults=_default_daemons,
        prepares=_prepare_daemons,
        keeps=_keep_daemons,
        checks=_faults_of_daemons,
        checks_change=_faults_of_selector_change,
        checks_change_first=True,
        status={
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
        counted=_SPEC,
        rechecks_metadata=False,
    ),
    "ControllerRevision": Rules(),
}
