"""Deployments: a ReplicaSet for each template, the change from one to the next, and what is told of its progress."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, copied
from hub.sandbox.life.kinds import DEPLOYMENTS, REPLICA_SETS
from hub.sandbox.life.progress import availability, judged, paused, progress
from hub.sandbox.life.reading import condition_of, hash_of, is_leaving
from hub.sandbox.life.rollouts import limits, steps
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_PREFIX = "deployment.kubernetes.io"
REVISION = f"{_PREFIX}/revision"
HASH = "pod-template-hash"
_NOT_PASSED_ON = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)
_SOURCE = "deployment-controller"


def keep(world: World, place: Place) -> float | None:
    """Bring a Deployment a step further, and say how it stands."""
    deployment = world.get(DEPLOYMENTS, place)
    if deployment is None or is_leaving(deployment):
        return None
    sets = world.claimed(DEPLOYMENTS, deployment, REPLICA_SETS)
    named = hash_of(deployment["spec"]["template"])
    new = next((one for one in sets if at(one, "metadata", "labels", HASH) == named), None)
    conditions = at(deployment, "status", "conditions")
    is_paused = bool(at(deployment, "spec", "paused"))
    if is_paused:
        conditions = paused(world, deployment)
    else:
        new, conditions = _current(world, deployment, new, sets, named)
    sets = world.children(deployment, REPLICA_SETS)
    old = [one for one in sets if new is None or one["metadata"]["uid"] != new["metadata"]["uid"]]
    pace = steps(deployment, None, sets) if is_paused else steps(deployment, new, old)
    for one in pace:
        _scale(world, deployment, one.replica_set, one.replicas)
    if new is not None and not pace:
        _forget(world, deployment, old)
    return _report(world, deployment, new, world.children(deployment, REPLICA_SETS), conditions)


def _current(
    world: World, deployment: Object, new: Object | None, sets: list[Object], named: str
) -> tuple[Object, list[Object]]:
    """Return the ReplicaSet of the template, which is made when it is missing, and the conditions with that in it."""
    conditions = list(at(deployment, "status", "conditions") or ())
    others = [one for one in sets if one is not new]
    revision = max((_revision(one) for one in others), default=0) + 1
    if new is None:
        new = _made(world, deployment, sets, _replica_set(world, deployment, named, revision))
        told = f'Created new replica set "{new["metadata"]["name"]}"'
        return new, progress(world, deployment, conditions, "NewReplicaSetCreated", told)
    wanted = _annotations(deployment, max(_revision(new), revision))
    if (at(new, "metadata", "annotations") or {}) != wanted:
        new = world.update(REPLICA_SETS, {**new, "metadata": {**new["metadata"], "annotations": wanted}})
    known = condition_of(deployment, "Progressing")
    if known is None or known["reason"] == "DeploymentPaused":
        told = f'Found new replica set "{new["metadata"]["name"]}"'
        conditions = progress(world, deployment, conditions, "FoundNewReplicaSet", told)
    return new, conditions


def _made(world: World, deployment: Object, old: list[Object], new: Object) -> Object:
    """Make a ReplicaSet with as many Pods as it may have at first."""
    first = next((one.replicas for one in steps(deployment, new, old) if one.replica_set is new), 0)
    made = world.create(REPLICA_SETS, {**new, "spec": {**new["spec"], "replicas": first}})
    if first:
        _tell(world, deployment, made, 0, first)
    return made


def _replica_set(world: World, deployment: Object, named: str, revision: int) -> Object:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = copied(spec["template"])
    labels = template["metadata"]["labels"] = {**(at(template, "metadata", "labels") or {}), HASH: named}
    selector = copied(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: named}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{named}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": _annotations(deployment, revision),
            "ownerReferences": world.owned_by(DEPLOYMENTS, deployment),
        },
        "spec": {
            "replicas": 0,
            "selector": selector,
            "template": template,
            **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
        },
    }


def _annotations(deployment: Object, revision: int) -> Object:
    """Return the annotations of a ReplicaSet: the Deployment's, and what the Deployment wanted of it."""
    wanted = at(deployment, "spec", "replicas") or 0
    passed = at(deployment, "metadata", "annotations") or {}
    return {
        **{key: one for key, one in passed.items() if key not in _NOT_PASSED_ON},
        f"{_PREFIX}/desired-replicas": str(wanted),
        f"{_PREFIX}/max-replicas": str(wanted + limits(deployment)[0]),
        REVISION: str(revision),
    }


def _scale(world: World, deployment: Object, replica_set: Object, replicas: int) -> None:
    world.update(REPLICA_SETS, {**replica_set, "spec": {**replica_set["spec"], "replicas": replicas}})
    _tell(world, deployment, replica_set, at(replica_set, "spec", "replicas") or 0, replicas)


def _tell(world: World, deployment: Object, replica_set: Object, before: int, after: int) -> None:
    way = "up" if after > before else "down"
    message = f"Scaled {way} replica set {replica_set['metadata']['name']} from {before} to {after}"
    world.tell(DEPLOYMENTS, deployment, "ScalingReplicaSet", message, source=_SOURCE)


def _forget(world: World, deployment: Object, old: list[Object]) -> None:
    """Delete the oldest ReplicaSets beyond those that are kept to go back to."""
    limit = at(deployment, "spec", "revisionHistoryLimit")
    empty = [one for one in old if not at(one, "spec", "replicas") and not at(one, "status", "replicas")]
    empty.sort(key=_revision)
    for one in empty[: max(len(empty) - limit, 0)] if limit is not None else ():
        world.delete(REPLICA_SETS, one)


def _report(
    world: World, deployment: Object, new: Object | None, sets: list[Object], conditions: list[Object] | None
) -> float | None:
    known = list(conditions or ())
    status = _counts(deployment, new, sets)
    known = availability(world, deployment, known, status)
    known, after_s = judged(world, deployment, new, known, status)
    if known:
        status["conditions"] = known
    newest = new or max(sets, key=_revision, default=None)
    revision = {REVISION: str(_revision(newest))} if newest is not None else {}
    world.set_status(DEPLOYMENTS, deployment, status, annotations=revision)
    return after_s


def _counts(deployment: Object, new: Object | None, sets: list[Object]) -> Object:
    def total(key: str) -> int:
        return sum(at(one, "status", key) or 0 for one in sets)

    wanted, available = sum(at(one, "spec", "replicas") or 0 for one in sets), total("availableReplicas")
    updated = next(
        (one for one in sets if new is not None and one["metadata"]["uid"] == new["metadata"]["uid"]), None
    )
    counts = {
        "replicas": total("replicas"),
        "updatedReplicas": at(updated, "status", "replicas") or 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }
    status: Object = {key: one for key, one in counts.items() if one}
    status["terminatingReplicas"] = total("terminatingReplicas")
    return {**status, "observedGeneration": deployment["metadata"]["generation"]}


def _revision(replica_set: Object) -> int:
    return int(at(replica_set, "metadata", "annotations", REVISION) or 0)
