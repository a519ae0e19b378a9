"""One changed line to every cluster: from the push to the object, and what it costs hub and link."""

import time
from functools import partial

from e2e.bench import load as names
from e2e.bench.figure import Figure, percentile, say
from e2e.bench.fleet.ground import FleetGround, Mark
from e2e.bench.processes import rss_mb

BUILDS = 'cartwheel_builds_total{result="run"}'
BEGUN = "cartwheel_sessions_begun_total"
SAID = 'cartwheel_link_sent_bytes_total{call="session"}'
LINK_BYTES = 4096.0
"""The most that a changed line may cost one cluster's link."""


async def measure(ground: FleetGround) -> list[Figure]:
    """Push one changed line after the other; each waits until the one before is reported by all."""
    name, count, pushes = ground.size.name, ground.size.clusters, ground.size.pushes
    say(f"pushing {pushes} changes, one line each")
    await ground.settled()
    applied: list[float] = []
    reported: list[float] = []
    before, sent = await ground.hub.metrics(), ground.link_bytes()
    mark = Mark(ground)
    for push in range(pushes):
        text = f"push {push}"
        commit, began = await ground.push(text)
        applied += [one - began for one in await ground.applied(text)]
        await ground.until(partial(ground.management.is_ready, names.name(0), commit), text)
        reported.append(time.monotonic() - began)
    used = mark.used()
    link = (ground.link_bytes() - sent) / count / pushes
    after = await ground.hub.metrics()
    builds, said, begun = (after[name] - before.get(name, 0.0) for name in (BUILDS, SAID, BEGUN))
    return [
        Figure(name=f"{name}.change.applied_p50", value=percentile(applied, 0.5), unit="s"),
        Figure(name=f"{name}.change.applied_p99", value=percentile(applied, 0.99), unit="s"),
        Figure(name=f"{name}.change.reported_p50", value=percentile(reported, 0.5), unit="s"),
        Figure(
            name=f"{name}.change.builds",
            value=builds / pushes,
            unit="builds per push",
            baseline=1.0,
        ),
        # Connections take their counts along when they break: then nobody knows.
        *(
            [
                Figure(
                    name=f"{name}.change.link",
                    value=link,
                    unit="bytes per cluster and push",
                    baseline=LINK_BYTES,
                )
            ]
            if not begun
            else []
        ),
        Figure(name=f"{name}.change.sessions_broken", value=begun, unit="sessions", baseline=0.0),
        Figure(
            name=f"{name}.change.said", value=said / count / pushes, unit="bytes to a cluster, without TLS"
        ),
        Figure(name=f"{name}.change.cpu.hub", value=used.cpu["hub"] / pushes, unit="CPU s per push"),
        Figure(name=f"{name}.change.cpu.farm", value=used.cpu["farm"] / pushes, unit="CPU s per push"),
        Figure(name=f"{name}.change.hub_writes", value=used.writes.total() / pushes, unit="writes per push"),
        Figure(name=f"{name}.change.hub_rss", value=rss_mb([ground.hub.pid]), unit="MB"),
    ]
