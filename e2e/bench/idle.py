"""What it costs to hold everything while nothing happens."""

import asyncio
import time
from datetime import UTC, datetime

from e2e.bench import flux
from e2e.bench.figure import Figure, say
from e2e.bench.ground import Ground
from e2e.bench.processes import rss_mb, tree


async def measure(ground: Ground) -> list[Figure]:
    """Look on for a while."""
    await ground.delivered()
    await ground.settled()
    say(f"looking on for {ground.size.quiet_s:g} s")
    since, began, before = datetime.now(UTC), time.monotonic(), ground.cpu()
    await asyncio.sleep(ground.size.quiet_s)
    passed_s, after = time.monotonic() - began, ground.cpu()
    figures = []
    for who in ("hub", "agent"):
        pid = ground.pids[who]
        percent = (after[who] - before[who]) / passed_s * 100
        requests = len(ground.audit(who, since)) / passed_s
        figures += [
            Figure(name=f"idle.{who}.rss", value=rss_mb([pid]), unit="MB", baseline=flux.RSS_MB),
            Figure(name=f"idle.{who}.rss_of_children", value=rss_mb(tree(pid)[1:]), unit="MB"),
            Figure(name=f"idle.{who}.cpu", value=percent, unit="% of a core", baseline=flux.IDLE_PERCENT),
            Figure(name=f"idle.{who}.requests", value=requests, unit="requests per s"),
        ]
    return figures
