"""What verbs do to one object: find it, change it, ask for a reconcile, wait until that is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.kube.api import Api, Object, PatchType
from agent.kube.errors import NotFound
from hub.cli import output
from hub.cli.client import Caller, Failed
from hub.cli.progress import Progress, wait
from hub.cli.views import View, condition, part
from hub.model import installation
from hub.model.annotations import RECONCILE_REQUESTED_AT, TRACEPARENT
from hub.model.conditions import PROGRESSING_WITH_RETRY, READY, RECONCILING, STALLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The object that a verb is for."""

    view: View
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.view.kind} {self.namespace}/{self.name}"


async def fetch(api: Api, target: Target) -> Object:
    """Return the object. Raises Failed when there is none."""
    try:
        return await api.get(target.view.resource, target.namespace, target.name)
    except NotFound as problem:
        raise Failed(
            f"{target.view.kind} object '{target.name}' not found in \"{target.namespace}\" namespace;"
            " choose another with -n NS"
        ) from problem


async def change(api: Api, target: Target, patch: object) -> Object:
    """Merge-patch the object."""
    return await api.patch(
        target.view.resource,
        target.namespace,
        target.name,
        patch,
        kind=PatchType.MERGE,
        field_manager=installation.FIELD_MANAGER,
    )


async def reconcile(caller: Caller, api: Api, target: Target) -> None:
    """Ask for a reconcile of one object now and wait until it is done. Raises Failed when it fails."""
    view = target.view
    before = await fetch(api, target)
    if part(before, "spec").get("suspend"):
        raise Failed(
            f"resource is suspended: {target}; run `hub resume {view.words} {target.name} -n {target.namespace}` first"
        )
    output.action(f"annotating {view.kind} {target.name} in {target.namespace} namespace")
    requested_at = caller.clock.now().isoformat()
    annotations: dict[str, str] = {RECONCILE_REQUESTED_AT: requested_at}
    if caller.traceparent:
        annotations[TRACEPARENT] = f"{caller.traceparent}@{requested_at}"
    await change(api, target, {"metadata": {"annotations": annotations}})
    output.success(f"{view.kind} annotated")
    handled = str(part(before, "status").get("lastHandledReconcileAt", ""))

    def look(now: Object) -> Progress:
        if str(part(now, "status").get("lastHandledReconcileAt", "")) == handled:
            return Progress(done=False, message="")
        return settled(target, now)

    await _wait(caller, api, target, look)


async def wait_ready(caller: Caller, api: Api, target: Target) -> None:
    """Wait until the newest spec of an object is reconciled. Raises Failed when that fails."""
    await _wait(caller, api, target, lambda now: settled(target, now))


def settled(target: Target, one: Object) -> Progress:
    """Say whether the object's controller is done with its newest spec. Raises Failed when it cannot do it."""
    metadata, status = one["metadata"], part(one, "status")
    ready = condition(one, READY)
    message = str(ready["message"]) if ready else ""
    seen = int(status.get("observedGeneration", 0)) >= int(metadata.get("generation", 0))
    if ready is None or not seen:
        return Progress(done=False, message="")
    stalled, reconciling = condition(one, STALLED), condition(one, RECONCILING)
    given_up = _is_true(stalled) or (
        reconciling is not None and reconciling.get("reason") == PROGRESSING_WITH_RETRY
    )
    if given_up or (ready["status"] == "False" and not _is_true(reconciling)):
        raise Failed(f"{target.view.kind} reconciliation failed: '{message}'")
    return Progress(done=ready["status"] == "True" and not _is_true(reconciling), message=message)


def done_text(one: Object) -> str:
    """Return what Flux's commands say of an object that is reconciled."""
    status = part(one, "status")
    artifact: Mapping[str, Any] = status.get("artifact") or {}
    if artifact:
        return f"fetched revision {artifact.get('revision', '')}"
    if "lastAppliedRevision" in status:
        return f"applied revision {status['lastAppliedRevision']}"
    ready = condition(one, READY)
    return str(ready["message"]) if ready else "reconciled"


async def _wait(caller: Caller, api: Api, target: Target, look: Callable[[Object], Progress]) -> None:
    output.waiting(f"waiting for {target.view.kind} reconciliation")
    found: list[Object] = []

    async def again() -> Progress:
        found[:] = [await fetch(api, target)]
        return look(found[0])

    await wait(
        caller,
        again,
        deadline_s=caller.deadline_s(),
        subject=f"{target} to be reconciled",
    )
    output.success(done_text(found[0]))


def _is_true(found: Mapping[str, Any] | None) -> bool:
    return found is not None and found["status"] == "True"
