"""What is created at a Pod and not stored: its binding to a node, and its eviction, which a disruption budget may forbid."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from agent.model.names import timestamp
from hub.sandbox.drafts import Options, Target
from hub.sandbox.kinds.values import at, mapping_at
from hub.sandbox.kinds.workloads import selects
from hub.sandbox.refusals import Refused, bad_request, conflict
from hub.sandbox.storage import KindKey, Storage
from hub.sandbox.verbs import Deletion, Verbs

NAMES = ("binding", "eviction")
BUDGETS: KindKey = ("policy", "poddisruptionbudgets")
_PODS: KindKey = ("", "pods")
_BINDINGS = Resource(group="", version="v1", plural="pods/binding", kind="Binding", namespaced=True)
_NEVER_BLOCKED = ("Pending", "Succeeded", "Failed")
_TOO_MANY = "Cannot evict pod as it would violate the pod's disruption budget."
_AS_SERVER = Options(manager="kube-apiserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodParts:
    """Binds and evicts the Pods of one server."""

    verbs: Verbs
    storage: Storage
    clock: Clock

    def bind(self, target: Target, binding: Object, *, dry_run: bool) -> None:
        """Give a Pod to a node; nobody owns what the server writes for it. Raises Refused."""
        pod = self._pod(target, binding, "Binding")
        if wrong := _faults_of_target(mapping_at(binding, "target")):
            raise Refused(500, "", wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
        if why := _why_not_bound(pod):
            raise conflict(_BINDINGS, target.name, why)
        node = binding["target"]["name"]
        metadata = dict(pod["metadata"])
        for key in ("annotations", "labels"):
            if given := mapping_at(binding, "metadata", key):
                metadata[key] = {**(metadata.get(key) or {}), **given}
        status = self._with_condition(pod, {"type": "PodScheduled", "status": "True"})
        bound = {**pod, "metadata": metadata, "spec": {**pod["spec"], "nodeName": node}, "status": status}
        if not dry_run:
            self.storage.put(_PODS, target.place, bound)

    def evict(self, target: Target, eviction: Object, budgets: Target, deletion: Deletion) -> None:
        """Delete a Pod if its disruption budget allows it. `budgets` names the kind of those. Raises Refused."""
        pod = self._pod(target, eviction, "Eviction")
        is_free = at(pod, "status", "phase") in _NEVER_BLOCKED or pod["metadata"].get("deletionTimestamp")
        if not is_free:
            self._ask(pod, budgets, dry_run=deletion.dry_run)
        if not deletion.dry_run:
            reason = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
            status = self._with_condition(pod, {"type": "DisruptionTarget", "status": "True", **reason})
            self.storage.put(_PODS, target.place, {**pod, "status": status})
        whole = Target(behaviour=target.behaviour, namespace=target.namespace, name=target.name)
        self.verbs.delete(whole, deletion)

    def _pod(self, target: Target, body: Object, kind: str) -> Object:
        if at(body, "metadata", "name") != target.name:
            raise bad_request(f"name in URL does not match name in {kind} object")
        return self.verbs.get(target)

    def _with_condition(self, pod: Object, condition: Mapping[str, str]) -> Object:
        known = mapping_at(pod, "status")
        others = [one for one in known.get("conditions") or () if one["type"] != condition["type"]]
        times = {"lastProbeTime": None, "lastTransitionTime": timestamp(self.clock.now())}
        return {**known, "conditions": [*others, {**times, **condition}]}

    def _ask(self, pod: Object, budgets: Target, *, dry_run: bool) -> None:
        """Take one disruption from the budget of a Pod. Raises Refused where there is none left."""
        namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}
        found = [
            one
            for _, one in self.storage.all(BUDGETS, namespace)
            if (selector := at(one, "spec", "selector")) is not None and selects(selector, labels)
        ]
        if len(found) > 1:
            why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise Refused(500, "", why)
        if not found or _may_go_unready(pod, found[0]):
            return
        budget, name = found[0], found[0]["metadata"]["name"]
        _check(budget)
        if dry_run:
            return
        status = budget["status"]
        left = status["disruptionsAllowed"] - 1
        disrupted = {
            **(status.get("disruptedPods") or {}),
            pod["metadata"]["name"]: timestamp(self.clock.now()),
        }
        spent = {**budget, "status": {**status, "disruptionsAllowed": left, "disruptedPods": disrupted}}
        place = Target(behaviour=budgets.behaviour, namespace=namespace, name=name, subresource="status")
        self.verbs.replace(place, spent, _AS_SERVER)


def _faults_of_target(target: Object) -> list[str]:
    kind = target.get("kind")
    wrong = [f'target.kind: Unsupported value: "{kind}": supported values: "Node", "<empty>"']
    return [
        *(wrong if kind not in (None, "", "Node") else []),
        *(["target.name: Required value"] if not target.get("name") else []),
    ]


def _why_not_bound(pod: Object) -> str:
    name = pod["metadata"]["name"]
    if pod["metadata"].get("deletionTimestamp"):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if node := at(pod, "spec", "nodeName"):
        return f'pod {name} is already assigned to node "{node}"'
    return f"pod {name} has non-empty .spec.schedulingGates" if at(pod, "spec", "schedulingGates") else ""


def _may_go_unready(pod: Object, budget: Object) -> bool:
    """Tell whether a Pod that is not ready may go whatever its budget has left."""
    conditions = at(pod, "status", "conditions") or ()
    if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        return False
    healthy, wanted = (at(budget, "status", key) or 0 for key in ("currentHealthy", "desiredHealthy"))
    return at(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow" or healthy >= wanted > 0


def _check(budget: Object) -> None:
    status, name = budget.get("status") or {}, budget["metadata"]["name"]
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", wait_s=10)
    if status.get("disruptionsAllowed"):
        return
    healthy, wanted = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    if healthy <= wanted:
        raise _refused(
            f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
        )
    raise _refused(f"The disruption budget {name} does not allow evicting pods currently")


def _refused(why: str, *, wait_s: int = 0) -> Refused:
    details = {
        "causes": [{"reason": "DisruptionBudget", "message": why}],
        **({"retryAfterSeconds": wait_s} if wait_s else {}),
    }
    return Refused(429, "TooManyRequests", _TOO_MANY, details)
