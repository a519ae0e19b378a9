"""ReplicaSets: as many Pods as are wanted, and how many of them serve."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, copied
from hub.sandbox.life.kinds import PODS, REPLICA_SETS
from hub.sandbox.life.pods import is_active, is_ready, unavailable_s
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place


def keep(world: World, place: Place) -> float | None:
    """Make or delete Pods, and count them."""
    replica_set = world.get(REPLICA_SETS, place)
    if replica_set is None:
        return None
    pods = world.claimed(REPLICA_SETS, replica_set, PODS)
    if not is_leaving(replica_set) and _scale(world, replica_set, [one for one in pods if is_active(one)]):
        # They are counted when it is heard of them.
        return None
    return _count(world, replica_set, pods)


def new_pod(
    world: World, template: Object, owner_kind: tuple[str, str], owner: Object, *, name: str = ""
) -> Object:
    """Return a Pod by a template, named by its owner when it is given no name."""
    metadata = copied(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    named = {"generateName": f"{owner['metadata']['name']}-", **({"name": name} if name else {})}
    place = {
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": world.owned_by(owner_kind, owner),
    }
    return {"metadata": {**metadata, **named, **place}, "spec": copied(template["spec"])}


def _scale(world: World, replica_set: Object, active: list[Object]) -> bool:
    """Make or delete Pods. Tells whether there was anything to do."""
    wanted = at(replica_set, "spec", "replicas") or 0
    template = replica_set["spec"]["template"]
    for _ in range(wanted - len(active)):
        world.create(PODS, new_pod(world, template, REPLICA_SETS, replica_set))
    # Those that do not serve go first, then the youngest.
    youngest_first = active[::-1]
    in_order = sorted(youngest_first, key=is_ready)
    for pod in in_order[: max(len(active) - wanted, 0)]:
        world.delete(PODS, pod)
    return wanted != len(active)


def _count(world: World, replica_set: Object, pods: list[Object]) -> float | None:
    active = [one for one in pods if is_active(one)]
    least_s = at(replica_set, "spec", "minReadySeconds") or 0
    waits = [unavailable_s(world, one, least_s) for one in active]
    labels = at(replica_set, "spec", "template", "metadata", "labels") or {}
    labelled = [one for one in active if labels.items() <= (one["metadata"].get("labels") or {}).items()]
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": sum(wait is not None for wait in waits),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    status: Object = {key: one for key, one in counts.items() if one or key == "replicas"}
    status["terminatingReplicas"] = sum(is_leaving(one) for one in pods)
    status["observedGeneration"] = replica_set["metadata"]["generation"]
    world.set_status(REPLICA_SETS, replica_set, status)
    return min((wait for wait in waits if wait), default=None)
