"""Waits until what a stage applied is ready for the next one: kinds established, namespaces active."""

from collections.abc import Iterable

from agent.apply.convergence import Action
from agent.apply.plan import Plan
from agent.apply.server import Journal, Server
from agent.kube.errors import Forbidden, NotFound
from agent.model.health import HealthStatus
from agent.model.names import ObjectRef


async def wait(server: Server, plans: Iterable[Plan], journal: Journal) -> tuple[ObjectRef, ...]:
    """Return what was not ready in time, or when something else came to be wished."""
    waiting = [plan for plan in plans if plan.resource is not None and plan.action is not Action.FAILED]
    until_s = server.clock.monotonic_s() + server.settings.stage_timeout_s
    while True:
        waiting = [plan for plan in waiting if not await _is_ready(server, plan)]
        if not waiting or server.clock.monotonic_s() >= until_s or journal.is_superseded():
            return tuple(plan.manifest.ref for plan in waiting)
        await server.clock.sleep(server.settings.stage_poll_s)


async def _is_ready(server: Server, plan: Plan) -> bool:
    ref, resource = plan.manifest.ref, plan.resource
    assert resource is not None
    try:
        value = await server.api.get(resource, ref.namespace, ref.name)
    except (NotFound, Forbidden):
        return False
    return server.assess(value, server.clock.now()).status is HealthStatus.CURRENT
