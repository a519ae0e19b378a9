"""What a Deployment tells of how it comes along: whether enough Pods serve, and whether it moves."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at
from hub.sandbox.life.reading import with_condition
from hub.sandbox.life.rollouts import limits
from hub.sandbox.life.world import World

_NO_DEADLINE = 2**31 - 1


def availability(world: World, deployment: Object, known: list[Object], status: Object) -> list[Object]:
    wanted = at(deployment, "spec", "replicas") or 0
    is_available = status.get("availableReplicas", 0) >= wanted - limits(deployment)[1]
    reason = "MinimumReplicasAvailable" if is_available else "MinimumReplicasUnavailable"
    message = (
        "Deployment has minimum availability."
        if is_available
        else "Deployment does not have minimum availability."
    )
    condition = _condition(world, "Available", "True" if is_available else "False", reason, message)
    return with_condition(known, condition)


def paused(world: World, deployment: Object) -> list[Object]:
    """Return the conditions with that nobody knows how a Deployment would progress."""
    condition = _condition(world, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    return with_condition(at(deployment, "status", "conditions"), condition)


def judged(
    world: World, deployment: Object, new: Object | None, known: list[Object], status: Object
) -> tuple[list[Object], float | None]:
    """Return the conditions with how the Deployment progresses, and the seconds until its time is over."""
    deadline_s = at(deployment, "spec", "progressDeadlineSeconds")
    if at(deployment, "spec", "paused"):
        return known, None
    if deadline_s is None or deadline_s == _NO_DEADLINE:
        return [one for one in known if one["type"] != "Progressing"], None
    name = new["metadata"]["name"] if new is not None else ""
    now = next((one for one in known if one["type"] == "Progressing"), None)
    is_whole = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if now is not None and now["reason"] == "NewReplicaSetAvailable" and is_whole:
        return known, None
    if _is_complete(deployment, status):
        told = f'ReplicaSet "{name}" has successfully progressed.'
        return progress(world, deployment, known, "NewReplicaSetAvailable", told), None
    if _moves(at(deployment, "status") or {}, status):
        told = f'ReplicaSet "{name}" is progressing.'
        moved = _condition(world, "Progressing", "True", "ReplicaSetUpdated", told)
        if now is not None and now["status"] == "True":
            moved["lastTransitionTime"] = now["lastTransitionTime"]
        return [*(one for one in known if one["type"] != "Progressing"), moved], float(deadline_s)
    if now is None or now["reason"] == "ProgressDeadlineExceeded":
        return known, None
    left_s = world.left_s(now["lastUpdateTime"], deadline_s)
    if left_s > 0:
        return known, left_s
    told = f'ReplicaSet "{name}" has timed out progressing.'
    return with_condition(
        known, _condition(world, "Progressing", "False", "ProgressDeadlineExceeded", told)
    ), None


def _is_complete(deployment: Object, status: Object) -> bool:
    wanted = at(deployment, "spec", "replicas") or 0
    return all(status.get(key, 0) == wanted for key in ("updatedReplicas", "replicas", "availableReplicas"))


def _moves(before: Object, after: Object) -> bool:
    """Tell whether counts say that a Deployment came further."""

    def old_ones(status: Object) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(after.get(key, 0) > before.get(key, 0) for key in grown) or old_ones(after) < old_ones(before)


def progress(
    world: World, deployment: Object, known: list[Object], reason: str, message: str
) -> list[Object]:
    deadline_s = at(deployment, "spec", "progressDeadlineSeconds")
    if deadline_s is None or deadline_s == _NO_DEADLINE:
        return known
    return with_condition(known, _condition(world, "Progressing", "True", reason, message))


def _condition(world: World, kind: str, status: str, reason: str, message: str) -> Object:
    now = world.stamp()
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": now,
        "lastTransitionTime": now,
    }
