"""Whether what was applied has become healthy, and what to say about it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.model.health import Health, HealthStatus
from agent.model.names import ObjectRef


class Verdict(StrEnum):
    """What the health of several objects comes to."""

    HEALTHY = "Healthy"
    NOT_YET = "NotYet"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The verdict, its sentence as Flux words it (empty while nothing is decided), and the objects that are to blame."""

    verdict: Verdict
    message: str = ""
    blamed: tuple[tuple[ObjectRef, Health], ...] = ()


def judge(healths: Mapping[ObjectRef, Health], *, waited_s: float, timeout_s: float) -> Wait:
    """Judge what is waited for: one that failed ends the wait at once, time ends it when not all are Current."""
    behind = _sorted(
        (ref, health) for ref, health in healths.items() if health.status is not HealthStatus.CURRENT
    )
    if not behind:
        return Wait(verdict=Verdict.HEALTHY, message=f"Health check passed in {_duration(waited_s)}")
    broken = tuple((ref, health) for ref, health in behind if health.status is HealthStatus.FAILED)
    if broken:
        message = f"health check failed after {_duration(waited_s)}: failed early due to stalled resources: {list_behind(broken)}"
        return Wait(verdict=Verdict.FAILED, message=message, blamed=broken)
    if waited_s >= timeout_s:
        message = (
            f"health check failed after {_duration(waited_s)}: timeout waiting for: {list_behind(behind)}"
        )
        return Wait(verdict=Verdict.FAILED, message=message, blamed=behind)
    return Wait(verdict=Verdict.NOT_YET, blamed=behind)


def _sorted(pairs: Iterable[tuple[ObjectRef, Health]]) -> tuple[tuple[ObjectRef, Health], ...]:
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def list_behind(pairs: Iterable[tuple[ObjectRef, Health]]) -> str:
    """Return what is not Current as Flux lists it."""
    return "[" + ", ".join(_describe(ref, health) for ref, health in pairs) + "]"


def _describe(ref: ObjectRef, health: Health) -> str:
    if health.reason == "UnknownKind":
        return f"can't determine status for {ref}"
    why = f": {health.message}" if health.status is HealthStatus.UNKNOWN and health.message else ""
    return f"{ref} status: '{health.status}'{why}"


def _duration(seconds: float) -> str:
    """Return a length of time as Go prints it, in seconds."""
    whole = round(seconds)
    if whole < 1:
        return f"{round(seconds * 1000)}ms"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}h" * bool(hours) + f"{minutes}m" * bool(hours or minutes) + f"{rest}s"
