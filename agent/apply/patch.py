"""Writes what was planned: one object at a time, by server-side apply; where only a new object can take it, after deleting the old one."""

from agent.apply.convergence import Action
from agent.apply.plan import Plan
from agent.apply.sending import send
from agent.apply.server import Journal, Server, version_of
from agent.apply.trial import UNANSWERED
from agent.kube.errors import ApiError, Conflict, NotFound


async def write(server: Server, plan: Plan, journal: Journal) -> None:
    """Write one object; a refusal is entered in the plan. Raises ApiError when the server does not answer."""
    try:
        if plan.recreate:
            await _delete_and_wait(server, plan, journal)
        applied = await send(server, plan, plan.manifest.ref.name, plan.manifest.body)
    except UNANSWERED:
        raise
    except ApiError as problem:
        plan.refuse_apply(problem)
        return
    plan.action = Action.CREATED if applied.created else Action.CONFIGURED
    plan.version = version_of(applied.object)


async def _delete_and_wait(server: Server, plan: Plan, journal: Journal) -> None:
    ref, resource = plan.manifest.ref, plan.resource
    assert resource is not None
    assert plan.live is not None
    uid = plan.live["metadata"]["uid"]
    await server.api.delete(resource, ref.namespace, ref.name, uid=uid)
    until_s = server.clock.monotonic_s() + server.settings.stage_timeout_s
    while True:
        try:
            found = await server.api.get(resource, ref.namespace, ref.name)
        except NotFound:
            return
        if found["metadata"]["uid"] != uid:
            return
        if server.clock.monotonic_s() >= until_s or journal.is_superseded():
            raise Conflict(f"{ref} is still being deleted", status=409, reason="Terminating")
        await server.clock.sleep(server.settings.stage_poll_s)
