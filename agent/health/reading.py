"""How rules read an object and say what they found. Pure; a field of the wrong type reads as absent."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from agent.model.health import Health, HealthStatus

Object = Mapping[str, Any]
Rule = Callable[[Object, datetime], Health]
"""Judges an object at a time; what it is told has passed the rules that hold for every kind."""


def field(value: Object, path: str) -> Any:
    """Return what a dotted path names, None when any part is missing."""
    found: Any = value
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def number(value: Object, path: str, default: int = 0) -> int:
    """Return an integer field, the default when it is absent."""
    found = field(value, path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def text(value: Object, path: str) -> str:
    """Return a string field, empty when it is absent."""
    found = field(value, path)
    return found if isinstance(found, str) else ""


def entries(value: Object, path: str) -> Iterator[Object]:
    """Yield the mappings of a list field."""
    found = field(value, path)
    if isinstance(found, list):
        yield from (entry for entry in found if isinstance(entry, Mapping))


def condition(value: Object, kind: str) -> Object | None:
    """Return the first status condition of a type."""
    return next((entry for entry in entries(value, "status.conditions") if entry.get("type") == kind), None)


def holds(value: Object, kind: str) -> bool:
    """Tell whether a status condition is there and True."""
    found = condition(value, kind)
    return found is not None and found.get("status") == "True"


def current(message: str) -> Health:
    return Health(status=HealthStatus.CURRENT, message=message)


def in_progress(reason: str, message: str) -> Health:
    return Health(status=HealthStatus.IN_PROGRESS, reason=reason, message=message)


def failed(reason: str, message: str) -> Health:
    return Health(status=HealthStatus.FAILED, reason=reason, message=message)
