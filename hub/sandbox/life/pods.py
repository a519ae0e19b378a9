"""Pods: a node for each, containers that start, run, fail or end by their images, and an end when they are deleted."""

from datetime import datetime

from agent.kube.api import Object
from agent.model.names import timestamp
from hub.sandbox.kinds.values import at, items_at
from hub.sandbox.life.containers import Fate, Standing, done, fate_of, standing_of, stopped, waiting
from hub.sandbox.life.kinds import PODS
from hub.sandbox.life.reading import condition_of, is_leaving
from hub.sandbox.life.scheduling import schedule
from hub.sandbox.life.world import KUBELET, World
from hub.sandbox.storage import Place

HOST_ADDRESS = "192.168.0.2"
ENDED = ("Failed", "Succeeded")


def keep(world: World, place: Place) -> float | None:
    """Schedule a Pod, run it, or end it."""
    pod = world.get(PODS, place)
    if pod is None:
        return None
    if is_leaving(pod):
        return _end(world, pod)
    if not at(pod, "spec", "nodeName"):
        found = schedule(world, pod)
        if found is None:
            return None
        pod = found
    if at(pod, "status", "phase") in ENDED:
        return None
    status, after_s = _status_of(world, pod)
    world.set_status(PODS, pod, status, manager=KUBELET)
    _tell_of_images(world, pod, status)
    return after_s


def is_ready(pod: Object) -> bool:
    """Tell whether a Pod serves."""
    ready = condition_of(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def is_active(pod: Object) -> bool:
    """Tell whether a Pod counts for who controls it: it has not ended and does not leave."""
    return at(pod, "status", "phase") not in ENDED and not is_leaving(pod)


def unavailable_s(world: World, pod: Object, least_s: int) -> float | None:
    """Return how long it is until a Pod that is ready has been so long enough, None when it is not ready, 0 when it is available."""
    ready = condition_of(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return None
    return max(world.left_s(ready["lastTransitionTime"], least_s), 0.0) if least_s else 0.0


def _status_of(world: World, pod: Object) -> tuple[Object, float | None]:
    """Return the status that a Pod should have now, and the seconds until that changes by itself."""
    now, began = world.now(), at(pod, "status", "startTime")
    start = datetime.fromisoformat(began) if began else now
    policy = at(pod, "spec", "restartPolicy") or "Always"
    first = [
        standing_of(one, start=start, now=now, policy="Always")
        for one in items_at(pod, "spec", "initContainers")
    ]
    blocked = next((one for one in first if "waiting" in one.status["state"]), None)
    mains = items_at(pod, "spec", "containers")
    if blocked is None:
        standings = [standing_of(one, start=start, now=now, policy=policy) for one in mains]
    else:
        standings = [Standing(status=waiting(one, "PodInitializing")) for one in mains]
    after = [one.after_s for one in (blocked, *standings) if one is not None and one.after_s is not None]
    phase = _phase_of(standings)
    status = {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": phase,
        "conditions": _conditions(pod, phase, standings, timestamp(now), is_initialized=blocked is None),
        "hostIP": HOST_ADDRESS,
        "hostIPs": [{"ip": HOST_ADDRESS}],
        "startTime": timestamp(start),
        "containerStatuses": [one.status for one in standings],
        "qosClass": at(pod, "status", "qosClass") or "BestEffort",
    }
    if first:
        named = zip(items_at(pod, "spec", "initContainers"), first, strict=True)
        status["initContainerStatuses"] = [
            one.status if "waiting" in one.status["state"] else done(container, start=start)
            for container, one in named
        ]
    return status | _address(world, pod, standings), min(after, default=None)


def _address(world: World, pod: Object, standings: list[Standing]) -> Object:
    address = at(pod, "status", "podIP")
    if not address and not any(one.has_started for one in standings):
        return {}
    if not address:
        address = HOST_ADDRESS if at(pod, "spec", "hostNetwork") else world.pod_address()
    return {"podIP": address, "podIPs": [{"ip": address}]}


def _phase_of(standings: list[Standing]) -> str:
    if any(not one.has_started for one in standings):
        return "Pending"
    codes = [one.exit_code for one in standings]
    if any(code is None for code in codes):
        return "Running"
    return "Failed" if any(codes) else "Succeeded"


def _conditions(
    pod: Object, phase: str, standings: list[Standing], now: str, *, is_initialized: bool
) -> list[Object]:
    unready = [one.status["name"] for one in standings if not one.status["ready"]]
    why: Object = {}
    if phase == "Succeeded":
        why = {"reason": "PodCompleted"}
    elif phase == "Failed":
        why = {"reason": "PodFailed"}
    elif unready:
        told = f"containers with unready status: [{' '.join(unready)}]"
        why = {"reason": "ContainersNotReady", "message": told}
    uninitialized = {} if is_initialized else {"reason": "ContainersNotInitialized"}
    known = list(at(pod, "status", "conditions") or ())
    for kind, is_true, reason in (
        ("PodReadyToStartContainers", phase not in ENDED, {}),
        ("Initialized", is_initialized, uninitialized),
        ("Ready", not unready, why),
        ("ContainersReady", not unready, why),
    ):
        known = _with(known, kind, is_true=is_true, why=reason, now=now)
    # A kubelet tells last what it was told by the scheduler.
    return sorted(known, key=lambda one: bool(one["type"] == "PodScheduled"))


def _with(known: list[Object], kind: str, *, is_true: bool, why: Object, now: str) -> list[Object]:
    """Return conditions with one set where it stood."""
    status = "True" if is_true else "False"
    old = next((one for one in known if one["type"] == kind), None)
    since = old["lastTransitionTime"] if old is not None and old["status"] == status else now
    made = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since, **why}
    if old is None:
        return [*known, made]
    return [made if one["type"] == kind else one for one in known]


def _tell_of_images(world: World, pod: Object, status: Object) -> None:
    for one in status["containerStatuses"]:
        reason, told = at(one, "state", "waiting", "reason"), at(one, "state", "waiting", "message")
        match reason:
            case "ErrImagePull":
                message = f'Failed to pull image "{one["image"]}": {told}'
                world.tell(PODS, pod, "Failed", message, source=KUBELET, warns=True)
            case "ImagePullBackOff":
                message = f'Back-off pulling image "{one["image"]}"'
                world.tell(PODS, pod, "BackOff", message, source=KUBELET, warns=True)
            case "CrashLoopBackOff":
                message = (
                    f"Back-off restarting failed container {one['name']} in pod {pod['metadata']['name']}"
                )
                world.tell(PODS, pod, "BackOff", message, source=KUBELET, warns=True)
            case _:
                continue


def _end(world: World, pod: Object) -> float | None:
    """Stop the containers of a Pod that leaves, and let it go; one that hangs takes all the time it is given."""
    grace_s = pod["metadata"].get("deletionGracePeriodSeconds") or 0
    if grace_s and any(
        fate_of(one.get("image") or "") is Fate.HANG for one in items_at(pod, "spec", "containers")
    ):
        left_s = world.left_s(pod["metadata"]["deletionTimestamp"], 0)
        if left_s > 0:
            return left_s
    if pod["metadata"].get("finalizers") and at(pod, "status", "phase") not in ENDED:
        # Somebody wants to see how it ended.
        pod = world.set_status(PODS, pod, _stopped(world, pod), manager=KUBELET)
    world.delete(PODS, pod, grace_s=0)
    return None


def _stopped(world: World, pod: Object) -> Object:
    statuses = [stopped(one, world.now()) for one in items_at(pod, "status", "containerStatuses")]
    conditions = list(at(pod, "status", "conditions") or ())
    for kind in ("Ready", "ContainersReady"):
        conditions = _with(conditions, kind, is_true=False, why={"reason": "PodFailed"}, now=world.stamp())
    ended = {"phase": "Failed", "conditions": conditions}
    return {**pod["status"], **ended, **({"containerStatuses": statuses} if statuses else {})}
