"""A pass over a Bundle that is as it should be: it asks the API server nothing, and what it costs the agent is its own thinking."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from e2e.bench import load
from e2e.bench.figure import Figure, say
from e2e.bench.ground import Ground
from e2e.bench.processes import connection_bytes
from hub.model.kinds import Kind

INTERVAL_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was used while somebody looked on, per second."""

    requests: float
    size_bytes: float
    cpu_s: float


async def measure(ground: Ground) -> list[Figure]:
    """Look on without any pass, then with one of every delivery each five seconds."""
    await ground.delivered()
    await ground.settled()
    say(f"looking on for {ground.size.quiet_s:g} s without a pass")
    still = await _look_on(ground)
    for number in range(ground.size.deliveries):
        await ground.merge(Kind.KUSTOMIZATION, load.name(number), {"spec": {"interval": f"{INTERVAL_S}s"}})
    await ground.settled()
    say(f"looking on for {ground.size.quiet_s:g} s with passes")
    busy = await _look_on(ground)
    passes = ground.size.deliveries / INTERVAL_S
    return [
        Figure(
            name="quiet.requests", value=(busy.requests - still.requests) / passes, unit="requests per pass"
        ),
        Figure(
            name="quiet.bytes",
            value=max(busy.size_bytes - still.size_bytes, 0.0) / passes,
            unit="bytes per pass",
        ),
        Figure(name="quiet.cpu", value=(busy.cpu_s - still.cpu_s) / passes * 1000, unit="CPU ms per pass"),
    ]


async def _look_on(ground: Ground) -> _Seen:
    pid, port = ground.pids["agent"], ground.plane.port
    since, began = datetime.now(UTC), time.monotonic()
    cpu_s, before = ground.cpu()["agent"], connection_bytes(pid, port)
    await asyncio.sleep(ground.size.quiet_s)
    after = connection_bytes(pid, port)
    passed_s = time.monotonic() - began
    return _Seen(
        requests=len(ground.audit("agent", since)) / passed_s,
        size_bytes=sum(count - before.get(one, 0) for one, count in after.items()) / passed_s,
        cpu_s=(ground.cpu()["agent"] - cpu_s) / passed_s,
    )
