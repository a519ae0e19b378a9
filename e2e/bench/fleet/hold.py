"""What it costs the hub to hold a fleet while nothing happens, and what a pass over unchanged deliveries costs."""

import asyncio

from e2e.bench import load as names
from e2e.bench.figure import Figure, say
from e2e.bench.fleet.ground import FleetGround, Mark, Used
from e2e.bench.processes import rss_mb, tree
from hub.model.kinds import Kind

INTERVAL_S = 5.0
"""The interval at which every cluster passes over its delivery while that is measured."""

_PERCENT = "% of a core"


async def measure(ground: FleetGround) -> list[Figure]:
    """Look on without any pass, then with one of every cluster each five seconds."""
    name, count = ground.size.name, ground.size.clusters
    await ground.settled()
    say(f"looking on for {ground.size.quiet_s:g} s without a pass")
    still, _, still_bytes = await _look_on(ground)
    await _set_interval(ground, f"{INTERVAL_S:g}s")
    say(f"looking on for {ground.size.quiet_s:g} s with passes")
    busy, asked, busy_bytes = await _look_on(ground)
    await _set_interval(ground, "10m")
    passes = count * busy.wall_s / INTERVAL_S
    ms = {who: (_share(busy, who) - _share(still, who)) * busy.wall_s / passes * 1000 for who in busy.cpu}
    return [
        Figure(name=f"{name}.idle.hub.cpu", value=_share(still, "hub") * 100, unit=_PERCENT),
        Figure(name=f"{name}.idle.hub.rss", value=rss_mb([ground.hub.pid]), unit="MB"),
        Figure(name=f"{name}.idle.hub.rss_of_children", value=rss_mb(tree(ground.hub.pid)[1:]), unit="MB"),
        Figure(
            name=f"{name}.idle.hub.writes",
            value=still.changes / still.wall_s,
            unit="writes per s",
            baseline=0.0,
        ),
        Figure(
            name=f"{name}.idle.agents.cpu",
            value=_share(still, "farm") / count * 100,
            unit=f"{_PERCENT} per agent",
        ),
        Figure(
            name=f"{name}.idle.link", value=still_bytes / still.wall_s / count, unit="bytes per s and agent"
        ),
        Figure(name=f"{name}.pass.agent", value=ms["farm"], unit="CPU ms per pass"),
        Figure(name=f"{name}.pass.hub", value=ms["hub"], unit="CPU ms per pass"),
        Figure(name=f"{name}.pass.requests", value=asked / passes, unit="requests per pass", baseline=0.0),
        Figure(
            name=f"{name}.pass.link",
            value=max(busy_bytes / busy.wall_s - still_bytes / still.wall_s, 0.0) * busy.wall_s / passes,
            unit="bytes per pass",
        ),
        Figure(
            name=f"{name}.pass.hub_writes", value=busy.changes / passes, unit="writes per pass", baseline=0.0
        ),
    ]


async def _look_on(ground: FleetGround) -> tuple[Used, int, int]:
    """Return what was used meanwhile, how often agents asked their API servers, and what went over the link."""
    requests, sent = await ground.requests(), ground.link_bytes()
    mark = Mark(ground)
    await asyncio.sleep(ground.size.quiet_s)
    used = mark.used()
    asked = await ground.requests() - requests
    del asked["own"], asked["watch"]
    return used, asked.total(), ground.link_bytes() - sent


async def _set_interval(ground: FleetGround, interval: str) -> None:
    """Give the delivery another interval, and wait until all have that."""
    await ground.management.merge(Kind.KUSTOMIZATION, names.name(0), {"spec": {"interval": interval}})
    await ground.until(ground.management.has_seen_all, f"an interval of {interval}")
    await ground.settled()


def _share(used: Used, who: str) -> float:
    return used.cpu[who] / used.wall_s
