"""How fast one cluster may keep the hub busy: what comes faster waits, and gRPC makes the sender wait with it.

State: per cluster how much it may still do at once, in bytes read; calls count as bytes, too, by what they cost.
"""

from dataclasses import dataclass

from agent.kit.clock import Clock
from agent.model.names import ClusterId

MESSAGE_BYTES = 512
"""The least that a message costs, however small."""
FETCH_BYTES = 4 << 10
WRITE_BYTES = 1 << 20
"""A session that begins and a renewal are a write to the API server each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceSettings:
    """Bytes at once, and bytes a second afterwards."""

    burst_bytes: int = 16 << 20
    bytes_per_s: float = 1 << 20


class Pace:
    """The pace of one cluster, over all its calls."""

    def __init__(self, settings: PaceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._left = float(settings.burst_bytes)
        self._at_s = clock.monotonic_s()

    async def spend(self, size_bytes: int) -> None:
        """Count something, and return when it may be done."""
        settings, now_s = self._settings, self._clock.monotonic_s()
        refilled = self._left + (now_s - self._at_s) * settings.bytes_per_s
        self._left, self._at_s = min(refilled, settings.burst_bytes) - size_bytes, now_s
        if self._left < 0:
            await self._clock.sleep(-self._left / settings.bytes_per_s)


class Paces:
    """The paces of all clusters."""

    def __init__(self, settings: PaceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._paces: dict[ClusterId, Pace] = {}

    def of(self, cluster: ClusterId) -> Pace:
        """Return the pace of a cluster."""
        return self._paces.setdefault(cluster, Pace(self._settings, self._clock))
