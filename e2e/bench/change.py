"""One changed line: from the push to the object, and until everything of that source reports the commit."""

import time
from datetime import UTC, datetime

from e2e.bench import flux, load
from e2e.bench.figure import Figure, percentile, say
from e2e.bench.ground import PLACE, Ground

_STRIDE = 7919
"""A prime: each push changes another delivery, near and far from the last one."""


async def measure(ground: Ground) -> list[Figure]:
    """Push one changed line after the other; each waits until the one before is reported by all."""
    await ground.delivered()
    await ground.settled()
    size = ground.size
    say(f"pushing {size.pushes} changes, one line each")
    since = datetime.now(UTC)
    applied, reported = [], []
    for push in range(size.pushes):
        times = await _push(ground, push * _STRIDE % size.deliveries, f"push {push}")
        applied.append(times[0])
        reported.append(times[1])
    agent, hub = (
        [one for one in ground.audit(who, since) if one.verb not in {"get", "list"}]
        for who in ("agent", "hub")
    )
    baseline_s, reported_s = flux.CHANGED_S * size.deliveries, flux.REPORTED_S * size.deliveries
    return [
        Figure(name="change.applied_p50", value=percentile(applied, 0.5), unit="s", baseline=baseline_s),
        Figure(name="change.applied_p99", value=percentile(applied, 0.99), unit="s", baseline=baseline_s),
        Figure(name="change.reported_p50", value=percentile(reported, 0.5), unit="s", baseline=reported_s),
        Figure(name="change.reported_p99", value=percentile(reported, 0.99), unit="s", baseline=reported_s),
        Figure(name="change.agent_writes", value=len(agent) / size.pushes, unit="requests per push"),
        Figure(name="change.hub_writes", value=len(hub) / size.pushes, unit="requests per push"),
    ]


async def _push(ground: Ground, number: int, text: str) -> tuple[float, float]:
    """Push, and say so as a webhook would; return the seconds until the object is changed, and until all is reported."""
    commit = ground.repository.commit(dict(load.settings_file(number, PLACE, text)), text)
    began = time.monotonic()
    await ground.fetch_now(text)
    key = (PLACE, f"{load.name(number)}-settings")
    await ground.until(lambda: ground.settings.objects[key]["data"]["text"] == text)
    applied_s = time.monotonic() - began
    await ground.until(lambda: ground.count_ready(commit) == ground.size.deliveries)
    return applied_s, time.monotonic() - began
