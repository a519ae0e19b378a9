"""The one place from which manifests go to a server, and what it says of them comes back without what may not be told."""

from agent.apply.confidential import conceal
from agent.apply.plan import Plan
from agent.apply.server import FIELD_MANAGER, Server
from agent.kube.api import Applied
from agent.kube.errors import ApiError


async def send(server: Server, plan: Plan, name: str, body: bytes, *, dry_run: bool = False) -> Applied:
    """Apply a plan's manifest, or try it. Raises ApiError."""
    assert plan.resource is not None
    try:
        return await server.api.apply(
            plan.resource,
            plan.manifest.ref.namespace,
            name,
            body,
            field_manager=FIELD_MANAGER,
            dry_run=dry_run,
        )
    except ApiError as problem:
        if plan.is_confidential:
            conceal(problem, body)
        raise
