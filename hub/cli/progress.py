"""Waits for what a command started, saying every change on the way, and explains at the end of its time what is in the way."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.kube.api import Api, Object
from agent.kube.errors import TooManyRequests, Unreachable
from agent.kube.resources import DEPLOYMENTS, PODS
from hub.cli import output
from hub.cli.client import Caller, Failed
from hub.model.annotations import PART_OF
from hub.model.installation import PART_OF_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far something is. `message` is said when it changes; an empty one is not worth saying."""

    done: bool
    message: str


async def wait(
    caller: Caller, look: Callable[[], Awaitable[Progress]], *, deadline_s: float, subject: str
) -> None:
    """Look again and again until it is done. Raises Failed with the last message when the time is over."""
    said = ""
    while True:
        try:
            progress = await look()
        except (Unreachable, TooManyRequests) as problem:
            progress = Progress(done=False, message=str(problem))
        if progress.done:
            return
        if progress.message and progress.message != said:
            output.waiting(progress.message)
            said = progress.message
        if caller.clock.monotonic_s() >= deadline_s:
            raise Failed(
                f"timeout waiting for {subject}: {progress.message or 'the hub has not answered; `hub check` says whether it works'}"
            )
        await caller.clock.sleep(caller.poll_s)


async def deployment_progress(api: Api, namespace: str, name: str) -> Progress:
    """Say whether every replica of a Deployment is of its newest template and available, else what its Pods do."""
    deployment = await api.get(DEPLOYMENTS, namespace, name)
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status", {})
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    available = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    if seen and available >= wanted and status.get("replicas", 0) <= wanted:
        return Progress(done=True, message="")
    pods = await api.list(
        PODS, namespace, label_selector=f"{PART_OF}={PART_OF_VALUE},app.kubernetes.io/name={name}"
    )
    states = ", ".join(sorted(_state(pod) for pod in pods.items)) or "no Pod yet"
    return Progress(
        done=False,
        message=f"Deployment {namespace}/{name}: {available} of {wanted} replicas available ({states})",
    )


def _state(pod: Object) -> str:
    """Return what a person asks about a Pod that is not ready: the reason and message of whoever waits, else its phase."""
    status = pod.get("status", {})
    name = pod["metadata"]["name"]
    for container in status.get("containerStatuses", ()):
        for state in ("waiting", "terminated"):
            found = container.get("state", {}).get(state)
            if found:
                reason = ": ".join(part for part in (found.get("reason"), found.get("message")) if part)
                return f"Pod {name} {reason}; see `{_logs(pod)}`"
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"Pod {name} {condition.get('reason', '')}: {condition.get('message', '')}"
    if status.get("phase") == "Running":
        return f"Pod {name} runs and is not ready; see `{_logs(pod)}`"
    return f"Pod {name} {status.get('phase', 'Pending')}"


def _logs(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"kubectl -n {metadata['namespace']} logs {metadata['name']}"
