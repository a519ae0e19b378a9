"""All agents come back at once: after every connection broke, and after the hub was killed and began with an empty disk."""

from collections import Counter
from collections.abc import Mapping

from e2e.bench.figure import Figure, say
from e2e.bench.fleet import load
from e2e.bench.fleet.change import BUILDS, SAID
from e2e.bench.fleet.ground import FleetGround, Mark, Used
from e2e.bench.processes import rss_mb

FETCHED = 'cartwheel_link_sent_bytes_total{call="fetch"}'
ASSIGNED = 'cartwheel_assignments_total{event="sent"}'
RESENT_PERCENT = 1.0
"""The most of all content that agents which come back may cost."""


async def measure(ground: FleetGround) -> list[Figure]:
    """Break all connections, then kill the hub."""
    return [*await _cut(ground), *await _restart(ground)]


async def _cut(ground: FleetGround) -> list[Figure]:
    name, count = ground.size.name, ground.size.clusters
    await ground.settled()
    say("breaking every connection")
    before, metrics = ground.management.terms(), await ground.hub.metrics()
    mark = Mark(ground)
    broken = await ground.ask("cut")
    if sum(broken) < count:
        raise RuntimeError(f"{broken} connections of {count} agents were there to break")
    used = await _all_back(ground, before, mark)
    await ground.settled()
    content = load.size_bytes() * count
    return [
        Figure(name=f"{name}.reconnect.seconds", value=used.wall_s, unit="s"),
        Figure(
            name=f"{name}.reconnect.cpu.hub", value=used.cpu["hub"] / count * 1000, unit="CPU ms per agent"
        ),
        Figure(
            name=f"{name}.reconnect.cpu.farm", value=used.cpu["farm"] / count * 1000, unit="CPU ms per agent"
        ),
        Figure(name=f"{name}.reconnect.hub_writes", value=used.changes / count, unit="writes per agent"),
        Figure(
            name=f"{name}.reconnect.resent",
            value=_content_bytes(metrics, await ground.hub.metrics()) / content * 100,
            unit="% of all content",
            baseline=RESENT_PERCENT,
        ),
        Figure(name=f"{name}.reconnect.link", value=ground.link_bytes() / count, unit="bytes per agent"),
        Figure(name=f"{name}.reconnect.hub_rss", value=rss_mb([ground.hub.pid]), unit="MB"),
    ]


async def _restart(ground: FleetGround) -> list[Figure]:
    name, count = ground.size.name, ground.size.clusters
    await ground.settled()
    say("killing the hub, and starting one with an empty disk")
    before, requests = ground.management.terms(), await ground.requests()
    ground.hub.kill()
    ground.hub.start()
    await ground.hub.until_running()
    mark = Mark(ground)
    await ground.hub.until_ready()
    serving_s = mark.used().wall_s
    used = await _all_back(ground, before, mark)
    while not (await ground.hub.metrics()).get(BUILDS):
        await ground.look_again()
    await ground.settled()
    done, content = await ground.requests() - requests, load.size_bytes() * count
    return [
        Figure(name=f"{name}.empty_disk.serving", value=serving_s, unit="s"),
        Figure(name=f"{name}.empty_disk.all_in", value=used.wall_s, unit="s"),
        Figure(name=f"{name}.empty_disk.cpu.hub", value=used.cpu["hub"], unit="CPU s"),
        Figure(name=f"{name}.empty_disk.hub_writes", value=used.changes / count, unit="writes per agent"),
        Figure(name=f"{name}.empty_disk.applied_again", value=_changes(done), unit="objects", baseline=0.0),
        Figure(
            name=f"{name}.empty_disk.resent",
            value=_content_bytes({}, await ground.hub.metrics()) / content * 100,
            unit="% of all content",
            baseline=RESENT_PERCENT,
        ),
        Figure(name=f"{name}.empty_disk.hub_rss", value=rss_mb([ground.hub.pid]), unit="MB"),
    ]


async def _all_back(ground: FleetGround, before: dict[str, int], mark: Mark) -> Used:
    """Wait until every cluster has a newer session than before, and the hub serves all; return what that took."""

    def is_back() -> bool:
        return all(term > before[cluster] for cluster, term in ground.management.terms().items())

    await ground.until(is_back, "all agents back")
    used = mark.used()
    while (await ground.hub.metrics()).get("cartwheel_sessions") != ground.size.clusters:
        await ground.look_again()
    return used


def _content_bytes(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return how much of what the hub has sent may be content: what was fetched, and all that was said if there was an assignment in it."""
    sent = {name: after[name] - before.get(name, 0.0) for name in (FETCHED, SAID, ASSIGNED)}
    return sent[FETCHED] + (sent[SAID] if sent[ASSIGNED] else 0.0)


def _changes(done: Counter[str]) -> int:
    """Return how many objects agents tried, wrote or deleted."""
    return done["try"] + done["write"] + done["delete"]
