"""Jobs: Pods until enough have succeeded, or too many failed, or time is over."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, child
from hub.sandbox.life.kinds import JOBS, PODS
from hub.sandbox.life.pods import ENDED, is_active, is_ready
from hub.sandbox.life.reading import condition_of, is_leaving
from hub.sandbox.life.replica_sets import new_pod
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_TRACKING = "batch.kubernetes.io/job-tracking"
_JOB_NAME = "batch.kubernetes.io/job-name"
_SOURCE = "job-controller"
_BACK_OFF_S = 10.0
_LONGEST_BACK_OFF_S = 600.0
_NO_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_NO_TIME = ("DeadlineExceeded", "Job was active longer than specified deadline")
_DONE = ("CompletionsReached", "Reached expected number of succeeded pods")


def keep(world: World, place: Place) -> float | None:
    """Take in which Pods ended, and go on with the Job, or end it."""
    job = world.get(JOBS, place)
    if job is None:
        _let_orphans_go(world, place)
        return None
    if is_leaving(job):
        _take_in(world, job, {})
        return None
    if condition_of(job, "Complete") is not None or condition_of(job, "Failed") is not None:
        return _outlive(world, job)
    status = dict(at(job, "status") or {})
    conditions = list(status.get("conditions") or ())
    if at(job, "spec", "suspend"):
        _suspend(world, job, status, conditions)
        return None
    _resume(world, conditions)
    status.setdefault("startTime", world.stamp())
    _take_in(world, job, status)
    if (why := _why_failed(world, job, status)) is not None:
        return _fail(world, job, status, conditions, why)
    if _is_done(world, job, status):
        return _complete(world, job, status, conditions)
    after_s = _make(world, job, status)
    _write(world, job, status, conditions)
    deadline_s = at(job, "spec", "activeDeadlineSeconds")
    if deadline_s is None:
        return after_s
    left_s = world.left_s(status["startTime"], deadline_s)
    return left_s if after_s is None else min(left_s, after_s)


def _take_in(world: World, job: Object, status: Object) -> None:
    """Count Pods that ended, each once: those that are counted may go."""
    for pod in world.children(job, PODS):
        finalizers = pod["metadata"].get("finalizers") or []
        if _TRACKING not in finalizers or (is_active(pod) and not is_leaving(job)):
            continue
        key = "succeeded" if at(pod, "status", "phase") == "Succeeded" else "failed"
        status[key] = (status.get(key) or 0) + 1
        world.let_go(PODS, pod, _TRACKING)


def _let_orphans_go(world: World, place: Place) -> None:
    """Hold no Pods for a Job that is gone."""
    for pod in world.all(PODS, place[0]):
        if at(pod, "metadata", "labels", _JOB_NAME) == place[1]:
            world.let_go(PODS, pod, _TRACKING)


def _why_failed(world: World, job: Object, status: Object) -> tuple[str, str] | None:
    limit, deadline_s = at(job, "spec", "backoffLimit"), at(job, "spec", "activeDeadlineSeconds")
    target = condition_of(job, "FailureTarget")
    if target is not None:
        return target["reason"], target["message"]
    if limit is not None and (status.get("failed") or 0) + _restarts(world, job) > limit:
        return _NO_LIMIT
    if deadline_s is not None and world.left_s(status["startTime"], deadline_s) <= 0:
        return _NO_TIME
    return None


def _restarts(world: World, job: Object) -> int:
    """Return how often containers of Pods that are not replaced were started again."""
    if at(job, "spec", "template", "spec", "restartPolicy") != "OnFailure":
        return 0
    running = [one for one in world.children(job, PODS) if is_active(one)]
    return sum(one["restartCount"] for pod in running for one in at(pod, "status", "containerStatuses") or ())


def _is_done(world: World, job: Object, status: Object) -> bool:
    wanted, succeeded = at(job, "spec", "completions"), status.get("succeeded") or 0
    if wanted is not None:
        return bool(succeeded >= wanted)
    # A Job without a number is done when one Pod found nothing left to do, and the others have ended.
    return bool(succeeded) and not any(is_active(one) for one in world.children(job, PODS))


def _make(world: World, job: Object, status: Object) -> float | None:
    """Make Pods, or delete what is too much. Returns the seconds to wait after a failure before there are more."""
    active = [one for one in world.children(job, PODS) if is_active(one)]
    wanted, succeeded = at(job, "spec", "completions"), status.get("succeeded") or 0
    most = at(job, "spec", "parallelism") or 0
    if wanted is not None:
        most = min(most, max(wanted - succeeded, 0))
    elif succeeded:
        most = min(most, len(active))
    for pod in active[most:]:
        world.delete(PODS, pod)
    if len(active) < most and (wait_s := _back_off_s(world, job, status)) > 0:
        return wait_s
    for _ in range(most - len(active)):
        pod = new_pod(world, job["spec"]["template"], JOBS, job)
        child(pod, "metadata")["finalizers"] = [_TRACKING]
        made = world.create(PODS, pod)
        message = f"Created pod: {made['metadata']['name']}"
        world.tell(JOBS, job, "SuccessfulCreate", message, source=_SOURCE)
    return None


def _back_off_s(world: World, job: Object, status: Object) -> float:
    failed = status.get("failed") or 0
    ends = [_end_of(one) for one in world.children(job, PODS) if at(one, "status", "phase") == "Failed"]
    if not failed or not ends:
        return 0.0
    pause_s = min(_BACK_OFF_S * 2 ** min(failed - 1, 10), _LONGEST_BACK_OFF_S)
    return world.left_s(max(ends), pause_s)


def _end_of(pod: Object) -> str:
    ends = (
        at(one, "state", "terminated", "finishedAt") for one in at(pod, "status", "containerStatuses") or ()
    )
    return max((str(one) for one in ends if one), default=pod["metadata"]["creationTimestamp"])


def _complete(world: World, job: Object, status: Object, conditions: list[Object]) -> float | None:
    for pod in world.children(job, PODS):
        if is_active(pod):
            world.delete(PODS, pod)
    status["completionTime"] = world.stamp()
    ended = [
        *conditions,
        _condition(world, "SuccessCriteriaMet", _DONE),
        _condition(world, "Complete", _DONE),
    ]
    _write(world, job, status, ended)
    world.tell(JOBS, job, "Completed", "Job completed", source=_SOURCE)
    return 0.0


def _fail(
    world: World, job: Object, status: Object, conditions: list[Object], why: tuple[str, str]
) -> float | None:
    """Stop what runs; the Job has failed when that has ended."""
    if not any(one["type"] == "FailureTarget" for one in conditions):
        conditions = [*conditions, _condition(world, "FailureTarget", why)]
    pods = world.children(job, PODS)
    for pod in pods:
        if is_active(pod):
            world.delete(PODS, pod)
    is_over = not any(at(one, "status", "phase") not in ENDED for one in world.children(job, PODS))
    if is_over:
        conditions = [*conditions, _condition(world, "Failed", why)]
        world.tell(JOBS, job, why[0], why[1], source=_SOURCE, warns=True)
    _write(world, job, status, conditions)
    return 0.0 if is_over else None


def _suspend(world: World, job: Object, status: Object, conditions: list[Object]) -> None:
    for pod in world.children(job, PODS):
        if is_active(pod):
            world.delete(PODS, pod)
    _take_in(world, job, status)
    status.pop("startTime", None)
    others = [one for one in conditions if one["type"] != "Suspended"]
    known = next((one for one in conditions if one["type"] == "Suspended" and one["status"] == "True"), None)
    suspended = known or _condition(world, "Suspended", ("JobSuspended", "Job suspended"))
    _write(world, job, status, [*others, suspended])
    world.tell(JOBS, job, "Suspended", "Job suspended", source=_SOURCE)


def _resume(world: World, conditions: list[Object]) -> None:
    """Say that a Job which was suspended goes on."""
    for index, one in enumerate(conditions):
        if one["type"] == "Suspended" and one["status"] == "True":
            again = _condition(world, "Suspended", ("JobResumed", "Job resumed"))
            conditions[index] = {**again, "status": "False"}


def _outlive(world: World, job: Object) -> float | None:
    """Let the Pods of a Job go that ended, and the Job when its time is over."""
    _take_in(world, job, {})
    _write(world, job, dict(job["status"]), list(job["status"]["conditions"]))
    life_s = at(job, "spec", "ttlSecondsAfterFinished")
    if life_s is None:
        return None
    ended = condition_of(job, "Complete") or condition_of(job, "Failed") or {}
    left_s = world.left_s(ended.get("lastTransitionTime"), life_s)
    if left_s <= 0:
        world.delete(JOBS, job, propagation="Foreground")
        return None
    return left_s


def _write(world: World, job: Object, status: Object, conditions: list[Object]) -> None:
    pods = world.children(job, PODS)
    active = [one for one in pods if is_active(one)]
    status.pop("active", None)
    if active:
        status["active"] = len(active)
    if conditions:
        status["conditions"] = conditions
    counts = {
        "ready": sum(map(is_ready, active)),
        "terminating": sum(is_leaving(one) and at(one, "status", "phase") not in ENDED for one in pods),
        "uncountedTerminatedPods": {},
    }
    world.set_status(JOBS, job, status | counts)


def _condition(world: World, kind: str, why: tuple[str, str]) -> Object:
    now = world.stamp()
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": why[0],
        "message": why[1],
    }
