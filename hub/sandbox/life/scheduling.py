"""Which node a Pod is given, and why it is given none."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, items_at, mapping_at
from hub.sandbox.life.kinds import CLAIMS, NODES, PODS
from hub.sandbox.life.reading import with_condition
from hub.sandbox.life.related import claims_of
from hub.sandbox.life.world import SCHEDULER, World


def selected_by(pod: Object, node: Object) -> bool:
    """Tell whether a node is one that a Pod wants."""
    labels = node["metadata"].get("labels") or {}
    if node_wanted(pod) not in ("", node["metadata"]["name"]):
        return False
    return all(labels.get(key) == one for key, one in (at(pod, "spec", "nodeSelector") or {}).items())


def node_wanted(pod: Object) -> str:
    """Return the node that a Pod is on, or for which a DaemonSet made it; nothing when it may be any."""
    if name := at(pod, "spec", "nodeName"):
        return str(name)
    affinity = mapping_at(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    for term in items_at(affinity, "nodeSelectorTerms"):
        for one in items_at(term, "matchFields"):
            return str(one["values"][0])
    return ""


def schedule(world: World, pod: Object) -> Object | None:
    """Return a Pod with its node; when there is none for it the Pod says why."""
    if at(pod, "spec", "schedulingGates"):
        return None
    why = _why_unschedulable(world, pod)
    if not why:
        node = next(one for one in _open_to(world, pod) if selected_by(pod, one))
        return world.bind(pod, node["metadata"]["name"])
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": world.stamp(),
        "reason": "Unschedulable",
        "message": why,
    }
    conditions = with_condition(at(pod, "status", "conditions"), condition)
    world.set_status(PODS, pod, {**pod["status"], "conditions": conditions}, manager=SCHEDULER)
    world.tell(PODS, pod, "FailedScheduling", why, source="default-scheduler", warns=True)
    return None


def _open_to(world: World, pod: Object) -> list[Object]:
    """Return the nodes that a Pod may be given; one that is for a certain node goes there even if nothing else may."""
    return [one for one in world.all(NODES) if node_wanted(pod) or not at(one, "spec", "unschedulable")]


def _why_unschedulable(world: World, pod: Object) -> str:
    for name in claims_of(pod):
        claim = world.get(CLAIMS, (pod["metadata"]["namespace"], name))
        if claim is None:
            return f'0/1 nodes are available: persistentvolumeclaim "{name}" not found. not found'
        if at(claim, "status", "phase") != "Bound":
            return "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    nodes = _open_to(world, pod)
    if any(selected_by(pod, one) for one in nodes):
        return ""
    count = len(nodes)
    head = f"0/{count} nodes are available"
    why = f"{head}: {count} node(s) didn't match Pod's node affinity/selector."
    return f"{why} no new claims to deallocate, preemption: {head}: {count} Preemption is not helpful for scheduling."
