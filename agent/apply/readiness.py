"""Waits until what a stage applied, or left as it was, is ready for the next one: kinds established, namespaces active."""

from collections.abc import Iterable

from agent.apply.convergence import Action
from agent.apply.plan import Plan
from agent.apply.server import Journal, Server, version_of
from agent.kit.errors import Transient
from agent.kube.errors import Forbidden, NotFound
from agent.model.health import Health, HealthStatus
from agent.model.names import ObjectRef

Behind = tuple[tuple[ObjectRef, Health], ...]


async def wait(server: Server, plans: Iterable[Plan], journal: Journal) -> Behind:
    """Return what was not ready in time, or when something else came to be wished.

    Raises Transient for what is not there any more: waiting brings nothing, it has to be made anew.
    """
    waiting = [plan for plan in plans if plan.action is not Action.FAILED]
    until_s = server.clock.monotonic_s() + server.settings.stage_timeout_s
    while True:
        healths = [(plan, await _assess(server, plan)) for plan in waiting]
        for plan, health in healths:
            if health.status is HealthStatus.NOT_FOUND:
                raise Transient(
                    f"{plan.manifest.ref} went while it was waited for; it is made anew", reason="Vanished"
                )
        behind = [(plan, health) for plan, health in healths if health.status is not HealthStatus.CURRENT]
        if not behind or server.clock.monotonic_s() >= until_s or journal.is_superseded():
            return tuple((plan.manifest.ref, health) for plan, health in behind)
        waiting = [plan for plan, _ in behind]
        await server.clock.sleep(server.settings.stage_poll_s)


async def _assess(server: Server, plan: Plan) -> Health:
    """Judge an object; one that a watch shows as the plan left it, and current, costs no request."""
    ref, version = plan.manifest.ref, plan.manifest.version
    seen = server.watched.live(ref, version)
    if seen is not None and version_of(seen) == plan.version:
        health = server.assess(seen, server.clock.now())
        if health.status is HealthStatus.CURRENT:
            return health
    resource = plan.resource or await server.resolver.resolve(ref.group, version, ref.kind)
    try:
        value = await server.api.get(resource, ref.namespace, ref.name)
    except NotFound:
        return Health(status=HealthStatus.NOT_FOUND)
    except Forbidden as problem:
        return Health(status=HealthStatus.UNKNOWN, reason=problem.reason, message=str(problem))
    return server.assess(value, server.clock.now())
