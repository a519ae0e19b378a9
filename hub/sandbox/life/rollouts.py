"""How many Pods each ReplicaSet of a Deployment should have, step by step. Pure.

The new one grows as far as the surge allows; the old ones shrink as far as enough Pods stay available, those first that do not serve.
"""

import math
from dataclasses import dataclass

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, mapping_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A ReplicaSet that should have another number of Pods."""

    replica_set: Object
    replicas: int


def steps(deployment: Object, new: Object | None, old: list[Object]) -> list[Step]:
    """Return what to do next to bring a Deployment from its old ReplicaSets, the oldest first, to its new one."""
    wanted = at(deployment, "spec", "replicas") or 0
    if new is None:
        return _only_scaled(wanted, old)
    if at(deployment, "spec", "strategy", "type") == "Recreate":
        return _recreated(wanted, new, old)
    surge, missing = limits(deployment)
    total = sum(map(_replicas, (new, *old)))
    if _replicas(new) > wanted:
        return [Step(replica_set=new, replicas=wanted)]
    if _replicas(new) < wanted:
        more = min(wanted - _replicas(new), max(wanted + surge - total, 0))
        if more:
            return [Step(replica_set=new, replicas=_replicas(new) + more)]
    return _shrunk(wanted - missing, total, new, old)


def limits(deployment: Object) -> tuple[int, int]:
    """Return how many Pods a Deployment may have beyond what is wanted, and how many may be missing."""
    wanted = at(deployment, "spec", "replicas") or 0
    if at(deployment, "spec", "strategy", "type") == "Recreate":
        return 0, wanted
    rolling = mapping_at(deployment, "spec", "strategy", "rollingUpdate")
    surge = _share(rolling.get("maxSurge", "25%"), wanted, is_up=True)
    missing = _share(rolling.get("maxUnavailable", "25%"), wanted, is_up=False)
    if not surge and not missing:
        missing = 1
    return surge, min(missing, wanted)


def _shrunk(least: int, total: int, new: Object, old: list[Object]) -> list[Step]:
    left = {id(one): _replicas(one) for one in old}
    spare = total - least - (_replicas(new) - _available(new))
    for one in old:
        gone = min(max(_replicas(one) - _available(one), 0), max(spare, 0))
        left[id(one)] -= gone
        spare -= gone
    spare = min(spare, sum(map(_available, (new, *old))) - least)
    for one in old:
        gone = min(left[id(one)], max(spare, 0))
        left[id(one)] -= gone
        spare -= gone
    return [Step(replica_set=one, replicas=left[id(one)]) for one in old if left[id(one)] != _replicas(one)]


def _recreated(wanted: int, new: Object, old: list[Object]) -> list[Step]:
    if down := [Step(replica_set=one, replicas=0) for one in old if _replicas(one)]:
        return down
    is_clear = not any(
        at(one, "status", "replicas") or at(one, "status", "terminatingReplicas") for one in old
    )
    return [Step(replica_set=new, replicas=wanted)] if is_clear and _replicas(new) != wanted else []


def _only_scaled(wanted: int, old: list[Object]) -> list[Step]:
    """Return what a scale asks of a Deployment that is paused: the youngest that has Pods takes the difference."""
    having = [one for one in old if _replicas(one)] or old[-1:]
    difference = wanted - sum(map(_replicas, having))
    if not having or not difference:
        return []
    return [Step(replica_set=having[-1], replicas=max(_replicas(having[-1]) + difference, 0))]


def _share(value: int | str, whole: int, *, is_up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = whole * int(value.rstrip("%")) / 100
    return math.ceil(exact) if is_up else math.floor(exact)


def _replicas(replica_set: Object) -> int:
    return at(replica_set, "spec", "replicas") or 0


def _available(replica_set: Object) -> int:
    return at(replica_set, "status", "availableReplicas") or 0
