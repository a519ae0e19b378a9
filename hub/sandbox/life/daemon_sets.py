"""DaemonSets: one Pod on each node that the template selects."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, child, items_at
from hub.sandbox.life.kinds import DAEMON_SETS, NODES, PODS
from hub.sandbox.life.pods import ENDED, unavailable_s
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.replica_sets import new_pod
from hub.sandbox.life.revisions import LABEL, forget_revisions, revision_of
from hub.sandbox.life.scheduling import node_wanted, selected_by
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{reason}", "operator": "Exists", "effect": effect}
    for reason, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]
_GENERATION = "pod-template-generation"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def keep(world: World, place: Place) -> float | None:
    """Make or delete Pods until each node has its own, and count them."""
    found = world.get(DAEMON_SETS, place)
    if found is None or is_leaving(found):
        return None
    revision = revision_of(world, DAEMON_SETS, found, label=LABEL)["metadata"]["labels"][LABEL]
    template = found["spec"]["template"]
    wanted = {one["metadata"]["name"] for one in world.all(NODES) if selected_by(template, one)}
    for pod in world.claimed(DAEMON_SETS, found, PODS):
        is_left_over = node_wanted(pod) not in wanted or at(pod, "status", "phase") in ENDED
        if is_left_over and not is_leaving(pod):
            world.delete(PODS, pod)
    _replace(world, found, revision, len(wanted))
    pods = world.children(found, PODS)
    for node in sorted(wanted - {node_wanted(one) for one in pods}):
        _make(world, found, node, revision)
    pods = world.children(found, PODS)
    forget_revisions(
        world,
        found,
        {f"{place[1]}-{at(one, 'metadata', 'labels', LABEL)}" for one in pods} | {f"{place[1]}-{revision}"},
    )
    return _count(world, found, [one for one in pods if node_wanted(one) in wanted], len(wanted), revision)


def _replace(world: World, found: Object, revision: str, wanted: int) -> None:
    """Delete Pods of old templates: those that do not serve, and of the others one at a time."""
    if at(found, "spec", "updateStrategy", "type") == "OnDelete":
        return
    least_s = at(found, "spec", "minReadySeconds") or 0
    pods = world.children(found, PODS)
    serving = [one for one in pods if not is_leaving(one) and unavailable_s(world, one, least_s) == 0]
    may_go = len(serving) >= wanted
    for pod in pods:
        is_old = at(pod, "metadata", "labels", LABEL) != revision and not is_leaving(pod)
        if is_old and (may_go or pod not in serving):
            world.delete(PODS, pod)
            may_go = False


def _make(world: World, found: Object, node: str, revision: str) -> None:
    pod = new_pod(world, found["spec"]["template"], DAEMON_SETS, found)
    generation = at(found, "metadata", "annotations", _TEMPLATE_GENERATION) or "1"
    child(pod["metadata"], "labels").update({LABEL: revision, _GENERATION: generation})
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    child(child(pod["spec"], "affinity"), "nodeAffinity")[
        "requiredDuringSchedulingIgnoredDuringExecution"
    ] = {"nodeSelectorTerms": [term]}
    pod["spec"]["tolerations"] = [*items_at(pod, "spec", "tolerations"), *_TOLERATIONS]
    world.create(PODS, pod)


def _count(world: World, found: Object, pods: list[Object], wanted: int, revision: str) -> float | None:
    least_s = at(found, "spec", "minReadySeconds") or 0
    waits = [unavailable_s(world, one, least_s) for one in pods]
    available = sum(wait == 0 for wait in waits)
    updated = sum(at(one, "metadata", "labels", LABEL) == revision for one in pods)
    counts = {
        "numberAvailable": available,
        "numberUnavailable": wanted - available,
        "updatedNumberScheduled": updated,
    }
    status = {key: one for key, one in counts.items() if one} | {
        "currentNumberScheduled": len({node_wanted(one) for one in pods}),
        "desiredNumberScheduled": wanted,
        "numberMisscheduled": 0,
        "numberReady": sum(wait is not None for wait in waits),
        "observedGeneration": found["metadata"]["generation"],
    }
    world.set_status(DAEMON_SETS, found, status)
    return min((wait for wait in waits if wait), default=None)
