"""StatefulSets: Pods with numbers and claims of their own, made in order and replaced from the last."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, child, copied, items_at
from hub.sandbox.life.kinds import CLAIMS, PODS, STATEFUL_SETS
from hub.sandbox.life.pods import ENDED, is_active, unavailable_s
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.replica_sets import new_pod
from hub.sandbox.life.revisions import LABEL, forget_revisions, revision_of
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_SOURCE = "statefulset-controller"


def keep(world: World, place: Place) -> float | None:
    """Make, replace or delete a set's next Pod, and count them."""
    found = world.get(STATEFUL_SETS, place)
    if found is None or is_leaving(found):
        return None
    update = revision_of(world, STATEFUL_SETS, found, label="controller.kubernetes.io/hash")["metadata"][
        "name"
    ]
    # A set that is new has had no other revision.
    current = at(found, "status", "currentRevision") or update
    pods = {_ordinal(one): one for one in world.claimed(STATEFUL_SETS, found, PODS)}
    after_s = _step(world, found, pods, current, update)
    pods = {_ordinal(one): one for one in world.children(found, PODS)}
    used = {str(at(one, "metadata", "labels", LABEL)) for one in pods.values()}
    forget_revisions(world, found, used | {current, update})
    _count(world, found, list(pods.values()), current, update)
    return after_s


def _step(world: World, found: Object, pods: dict[int, Object], current: str, update: str) -> float | None:
    """Go as far as order allows. Returns the seconds until a Pod that serves counts as available."""
    start = at(found, "spec", "ordinals", "start") or 0
    wanted = range(start, start + (at(found, "spec", "replicas") or 0))
    is_ordered = at(found, "spec", "podManagementPolicy") != "Parallel"
    for ordinal in wanted:
        pod = pods.get(ordinal)
        if pod is None:
            revision = update if ordinal - start >= _partition(found) else current
            pod = _make(world, found, ordinal, revision, update)
        elif at(pod, "status", "phase") in ENDED and not is_leaving(pod):
            world.delete(PODS, pod)
        if is_ordered and (wait_s := _wait_s(world, found, pod)) != 0:
            return wait_s
    for ordinal in sorted(set(pods) - set(wanted), reverse=True):
        if not is_leaving(pods[ordinal]):
            world.delete(PODS, pods[ordinal])
        if is_ordered:
            return None
    return _replace(world, found, [pods[one] for one in reversed(wanted) if one in pods], update)


def _replace(world: World, found: Object, pods: list[Object], update: str) -> float | None:
    """Delete the last Pod that is of an old template, when all behind it serve."""
    if at(found, "spec", "updateStrategy", "type") == "OnDelete":
        return None
    for pod in pods:
        if _ordinal(pod) - (at(found, "spec", "ordinals", "start") or 0) < _partition(found):
            return None
        if at(pod, "metadata", "labels", LABEL) != update and not is_leaving(pod):
            world.delete(PODS, pod)
            return None
        if (wait_s := _wait_s(world, found, pod)) != 0:
            return wait_s
    return None


def _wait_s(world: World, found: Object, pod: Object) -> float | None:
    """Return 0 when a Pod is available, else how long it is until then if only time is missing."""
    least_s = at(found, "spec", "minReadySeconds") or 0
    return unavailable_s(world, pod, least_s) if is_active(pod) else None


def _make(world: World, found: Object, ordinal: int, revision: str, update: str) -> Object:
    template = found["spec"]["template"]
    if revision != update:
        template = _template_of(world, found, revision) or template
    name = f"{found['metadata']['name']}-{ordinal}"
    pod = new_pod(world, template, STATEFUL_SETS, found, name=name)
    child(pod["metadata"], "labels").update(
        {
            LABEL: revision,
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
        }
    )
    pod["spec"] |= {"hostname": name, "subdomain": at(found, "spec", "serviceName") or ""}
    claims = [_claim(world, found, one, name) for one in items_at(found, "spec", "volumeClaimTemplates")]
    if claims:
        mine = {one["name"] for one in claims}
        others = [one for one in items_at(pod, "spec", "volumes") if one["name"] not in mine]
        pod["spec"]["volumes"] = [*claims, *others]
    message = f"Create Pod {name} in StatefulSet {found['metadata']['name']} successful"
    world.tell(STATEFUL_SETS, found, "SuccessfulCreate", message, source=_SOURCE)
    return world.create(PODS, pod)


def _claim(world: World, found: Object, template: Object, pod: str) -> Object:
    """Return the volume of a claim that a Pod has for itself; the claim is made when it is missing, and stays when the Pod goes."""
    volume, namespace = template["metadata"]["name"], found["metadata"]["namespace"]
    name = f"{volume}-{pod}"
    if world.get(CLAIMS, (namespace, name)) is None:
        labels = at(found, "spec", "selector", "matchLabels") or {}
        metadata = {**copied(template["metadata"]), "name": name, "namespace": namespace}
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        world.create(CLAIMS, {"metadata": metadata, "spec": copied(template["spec"])})
    return {"name": volume, "persistentVolumeClaim": {"claimName": name}}


def _template_of(world: World, found: Object, revision: str) -> Object | None:
    kept = world.get(("apps", "controllerrevisions"), (found["metadata"]["namespace"], revision))
    template = at(kept, "data", "spec", "template")
    return {key: one for key, one in template.items() if key != "$patch"} if template else None


def _count(world: World, found: Object, pods: list[Object], current: str, update: str) -> None:
    waits = [_wait_s(world, found, one) for one in pods]
    updated = sum(at(one, "metadata", "labels", LABEL) == update and not is_leaving(one) for one in pods)
    old = sum(at(one, "metadata", "labels", LABEL) == current and not is_leaving(one) for one in pods)
    wanted, ready = at(found, "spec", "replicas") or 0, sum(wait is not None for wait in waits)
    is_rolling = at(found, "spec", "updateStrategy", "type") == "RollingUpdate"
    if is_rolling and updated == len(pods) == ready == wanted:
        current, old = update, updated
    counts = {"currentReplicas": old, "readyReplicas": ready, "updatedReplicas": updated}
    status = {key: one for key, one in counts.items() if one} | {
        "replicas": len(pods),
        "availableReplicas": sum(wait == 0 for wait in waits),
        "collisionCount": 0,
        "currentRevision": current,
        "updateRevision": update,
        "observedGeneration": found["metadata"]["generation"],
    }
    world.set_status(STATEFUL_SETS, found, status)


def _partition(found: Object) -> int:
    return at(found, "spec", "updateStrategy", "rollingUpdate", "partition") or 0


def _ordinal(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])
