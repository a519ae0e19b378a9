"""StatefulSets and DaemonSets. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import (
    faults_of_share,
    forbidden,
    negative,
    required,
    unsupported,
    wrong,
    wrongs,
)
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.pods import default_claim_spec, default_template
from hub.sandbox.kinds.rule import Rules, alike
from hub.sandbox.kinds.values import at, child, copied, fill, indexed, items_at, mapping_at, put
from hub.sandbox.kinds.volumes import faults_of_claim_spec
from hub.sandbox.kinds.workloads import (
    as_in_go,
    faults_of_matching,
    faults_of_pods,
    faults_of_selection,
    faults_of_selector_change,
)
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
    yield from faults_of_selection(spec, "statefulset", "StatefulSet")


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
            yield wrong(field, as_in_go(strategy), "must be 'RollingUpdate' or 'OnDelete'")


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
    # Whoever writes all of it writes this too, knowing it or not.
    fill(child(child(value, "metadata"), "annotations"), **{_TEMPLATE_GENERATION: "0"})


def _prepare_daemons(value: Object) -> None:
    put(child(child(value, "metadata"), "annotations"), _TEMPLATE_GENERATION, "1")


def _keep_daemons(before: Object, made: Object) -> None:
    """Count the changes of the template, which an annotation shows."""
    count = at(before, "metadata", "annotations", _TEMPLATE_GENERATION)
    if not alike(at(before, "spec", "template"), at(made, "spec", "template")):
        count = str(int(count or 0) + 1)
    put(child(child(made, "metadata"), "annotations"), _TEMPLATE_GENERATION, count)


def _keep_count(before: Object, made: Object) -> None:
    """Keep how often the template changed."""
    count = at(before, "metadata", "annotations", _TEMPLATE_GENERATION)
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
    yield from faults_of_pods(spec, "DaemonSet")
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _faults_of_daemon_strategy(mapping_at(spec, "updateStrategy"))
    yield from negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _faults_of_daemon_strategy(strategy: Object) -> Iterator[Cause]:
    field = "spec.updateStrategy"
    if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
        yield unsupported(field, as_in_go(strategy), ("RollingUpdate", "OnDelete"))
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


KINDS: Mapping[str, Rules] = {
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
        subresources={"status": _keep_count},
        checks=_faults_of_daemons,
        checks_change=faults_of_selector_change,
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
}
