"""Fills the rows of a Table from the printer columns of a definition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.kube.api import Object
from hub.sandbox.crds import faults, jsonpath

Column = Mapping[str, Any]
AGE: Column = {
    "name": "Age",
    "type": "date",
    "description": (
        "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed"
        " to be set in happens-before order across separate operations. Clients may not set this value. It is represented"
        " in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info:"
        " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
    ),
    "jsonPath": ".metadata.creationTimestamp",
}
_NAME = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": (
        "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a"
        " client to request the generation of an appropriate name automatically. Name is primarily intended for creation"
        " idempotence and configuration definition. Cannot be updated. More info:"
        " https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
    ),
    "priority": 0,
}


def definitions(columns: Sequence[Column] | None) -> list[dict[str, Any]]:
    """Return the headers of a Table; without columns of its own a definition shows name and age."""
    return [_NAME, *(_header(one) for one in columns or (AGE,))]


def cells(item: Object, columns: Sequence[Column] | None, now: datetime) -> list[Any]:
    """Return the cells of one object."""
    return [item["metadata"].get("name", ""), *(_cell(item, one, now) for one in columns or (AGE,))]


def age(moment: str, now: datetime) -> str:
    """Return how long ago a moment was, as tables show it."""
    try:
        then = datetime.fromisoformat(moment)
        seconds = int((now - then).total_seconds())
    except (ValueError, TypeError):
        return "<invalid>"
    return short(seconds)


def short(seconds: int) -> str:
    """Return a length of time in two units at most, the finer one only while it tells something."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    minutes, hours, days, years = seconds // 60, seconds // 3600, seconds // 86400, seconds // 86400 // 365
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def _header(column: Column) -> dict[str, Any]:
    described = f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format") or "",
        "description": column.get("description") or described,
        "priority": column.get("priority") or 0,
    }


def _cell(item: Object, column: Column, now: datetime) -> Any:
    try:
        found = jsonpath.find(item, column["jsonPath"])
    except jsonpath.Unreadable:
        return None
    if not found:
        return None
    value = found[0]
    match column["type"]:
        case "string":
            return text(value)
        case "integer":
            return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return age(value, now) if isinstance(value, str) else None
        case _:
            return None


def text(value: Any) -> str:
    """Return a value as a cell of text shows it."""
    match value:
        case None:
            return "<no value>"
        case str():
            return value
        case dict() | list():
            return faults.as_json(value)
        case _:
            return faults.shown(value)
