"""Many new objects by one push: how long, what it costs, and how often the API server is asked, beside the same objects by dry-run and
apply alone.

The parts follow each other and add up to `end_to_end`: until the source's artifact is stored (fetch), until the first assignment is on the
desk (build, link), until the last one is (desk), until the last object is applied (apply), until the last Kustomization is Ready (status).
"""

import json
import time
from datetime import datetime

from agent.kit.tasks import all_of
from agent.kube.api import Resource
from agent.kube.resources import CONFIG_MAPS, DEPLOYMENTS, SERVICE_ACCOUNTS, SERVICES
from e2e.bench import flux, load
from e2e.bench.figure import Figure, say
from e2e.bench.ground import PLACE, Delivered, Ground
from e2e.planes.plane import AuditEntry

WORKERS = 4
"""Deliveries that an agent works on at once, and objects of one that it tries at once."""

PLAIN = "plain"
_RESOURCES = {one.kind: one for one in (CONFIG_MAPS, SERVICE_ACCOUNTS, SERVICES, DEPLOYMENTS)}


async def measure(ground: Ground) -> list[Figure]:
    """Measure the plain way first, on the same API server, then the whole line."""
    plain_s, plain_cpu_s = await _plain(ground)
    await ground.settled()
    delivered = await ground.delivered()
    count = ground.size.deliveries * load.OBJECTS
    agent, hub = (ground.audit(who, delivered.began) for who in ("agent", "hub"))
    parts = _parts(delivered, agent, hub)
    total_s = (delivered.ended - delivered.began).total_seconds()
    return [
        Figure(name="apply.desk_to_applied", value=parts["apply"], unit="s", baseline=plain_s),
        Figure(name="apply.end_to_end", value=total_s, unit="s", baseline=flux.CREATED_S * count),
        *(Figure(name=f"apply.part.{name}", value=value, unit="s") for name, value in parts.items()),
        *_costs(delivered, count, plain_cpu_s),
        *_requests(ground.size.deliveries, agent, hub),
    ]


async def _plain(ground: Ground) -> tuple[float, float]:
    """Apply the same objects without anything around it; return the seconds, and those of the API server's CPU."""
    await ground.namespace(PLAIN)
    # What an API server does for the first time in its life is nobody's cost.
    await _apply_all(ground, range(ground.size.deliveries, ground.size.deliveries + WORKERS))
    await ground.settled()
    say(f"applying {ground.size.deliveries * load.OBJECTS} objects the plain way")
    before, began = ground.cpu()["apiserver"], time.monotonic()
    await _apply_all(ground, range(ground.size.deliveries))
    return time.monotonic() - began, ground.cpu()["apiserver"] - before


async def _apply_all(ground: Ground, numbers: range) -> None:
    await all_of([_apply(ground, number) for number in numbers], at_once=WORKERS)


async def _apply(ground: Ground, number: int) -> None:
    """Try all objects of one delivery, then write them, as the agent does."""
    values = [
        (_RESOURCES[one["kind"]], one["metadata"]["name"], json.dumps(one).encode())
        for one in load.objects(number, PLAIN)
    ]
    await all_of([_send(ground, *value, dry_run=True) for value in values], at_once=WORKERS)
    for value in values:
        await _send(ground, *value, dry_run=False)


async def _send(ground: Ground, resource: Resource, name: str, body: bytes, *, dry_run: bool) -> None:
    await ground.client.apply(resource, PLAIN, name, body, field_manager="plain", dry_run=dry_run)


def _parts(delivered: Delivered, agent: list[AuditEntry], hub: list[AuditEntry]) -> dict[str, float]:
    heads = list(_first_writes(agent).values())
    work = [one.time for one in agent if one.namespace == PLACE and one.verb == "patch" and not one.dry_run]
    stored = [one.time for one in hub if one.resource == "gitrepositories" and one.time <= min(heads)]
    moments = {
        "fetch": max(stored),
        "build_and_link": min(heads),
        "desk": max(heads),
        "apply": max(work),
        "status": delivered.ended,
    }
    parts: dict[str, float] = {}
    before: datetime = delivered.began
    for name, moment in moments.items():
        parts[name] = (moment - before).total_seconds()
        before = moment
    return parts


def _first_writes(agent: list[AuditEntry]) -> dict[str, datetime]:
    """Return when each head was first written: with its assignment."""
    first: dict[str, datetime] = {}
    for one in agent:
        if one.resource == "secrets" and one.name.startswith("cartwheel-head-"):
            first.setdefault(one.name, one.time)
    return first


def _costs(delivered: Delivered, count: int, plain_cpu_s: float) -> list[Figure]:
    """CPU seconds; Flux's controller does what hub and agent do together."""
    cpu = delivered.cpu
    both = Figure(
        name="apply.cpu.hub_and_agent",
        value=cpu["hub"] + cpu["agent"],
        unit="CPU s",
        baseline=flux.CREATED_CPU_S * count,
    )
    baselines = {"apiserver": plain_cpu_s}
    return [
        both,
        *(
            Figure(name=f"apply.cpu.{name}", value=used, unit="CPU s", baseline=baselines.get(name))
            for name, used in cpu.items()
        ),
    ]


def _requests(deliveries: int, agent: list[AuditEntry], hub: list[AuditEntry]) -> list[Figure]:
    """Requests per object, and the writes that are not to workload objects, per delivery."""
    desk = [one for one in agent if one.resource == "secrets"]
    status = [one for one in hub if one.resource == "kustomizations" and one.subresource == "status"]
    events = [one for one in hub if one.resource == "events"]
    others = len(hub) - len(status) - len(events)
    return [
        Figure(
            name="apply.requests_per_object",
            value=len(agent) / (deliveries * load.OBJECTS),
            unit="requests",
            baseline=2.0,
        ),
        Figure(name="apply.desk_requests", value=len(desk) / deliveries, unit="requests per delivery"),
        Figure(name="apply.status_writes", value=len(status) / deliveries, unit="requests per delivery"),
        Figure(name="apply.event_writes", value=len(events) / deliveries, unit="requests per delivery"),
        Figure(name="apply.other_hub_requests", value=others / deliveries, unit="requests per delivery"),
    ]
