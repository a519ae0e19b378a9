"""Whether an apply would change an object, in which fields, and who had changed them. Pure.

What is compared is the live object with what the API server says the apply would leave; fields of other managers are in both, so that they
are never seen as drift.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.model.quantity import are_same

Object = Mapping[str, Any]
MAX_FIELDS = 20
_MISSING = object()
_AMOUNTS = frozenset({"limits", "requests", "hard", "capacity", "default", "defaultRequest", "max", "min"})
"""Fields whose parts are amounts, which servers write in a form of their own."""


def changed_fields(live: Object, wished: Object) -> tuple[str, ...]:
    """Return the paths at which labels, annotations, or anything but metadata and status differ; at most MAX_FIELDS."""
    found: list[str] = []
    for part in ("labels", "annotations"):
        before, after = ((value.get("metadata") or {}).get(part) or {} for value in (live, wished))
        _compare(before, after, f"metadata.{part}", found)
    _compare(_body(live), _body(without_repeated_metrics(wished)), "", found)
    return tuple(found[:MAX_FIELDS])


def holds(live: object, wished: object) -> bool:
    """Tell whether a live value has all that is wished, beside whatever else: an apply that was made before would change nothing.

    False says nothing: the server may write the same in another way.
    """
    match wished:
        case Mapping():
            return isinstance(live, Mapping) and all(_has(live, key, part) for key, part in wished.items())
        case list():
            if not isinstance(live, list) or len(live) != len(wished):
                return False
            return all(holds(one, other) for one, other in zip(live, wished, strict=True))
        case _:
            # True equals 1 in Python only.
            return live == wished and isinstance(live, bool) is isinstance(wished, bool)


def _has(live: Object, key: str, wished: object) -> bool:
    if key == "creationTimestamp" and wished is None:
        # Generators write it, servers drop it.
        return live.get(key) is None
    if key not in live:
        return False
    if key in _AMOUNTS and isinstance(wished, Mapping) and isinstance(live[key], Mapping):
        return all(
            name in live[key] and (live[key][name] == part or are_same(live[key][name], part))
            for name, part in wished.items()
        )
    return holds(live[key], wished)


def without_repeated_metrics(wished: Object) -> Object:
    """Drop an autoscaler's repeated and empty metrics: older API servers repeat them in the answer to a dry-run."""
    spec = wished.get("spec")
    if wished.get("kind") != "HorizontalPodAutoscaler" or not isinstance(spec, Mapping):
        return wished
    metrics: list[Any] = []
    for metric in spec.get("metrics") or ():
        if metric and metric not in metrics:
            metrics.append(metric)
    return {**wished, "spec": {**spec, "metrics": metrics}} if metrics else wished


def changers(live: Object, fields: Iterable[str], own: str) -> tuple[str, ...]:
    """Return the managers other than our own that hold one of the fields, else the one that wrote last."""
    entries = [
        entry
        for entry in (live.get("metadata") or {}).get("managedFields") or ()
        if entry.get("manager") != own and entry.get("subresource", "") != "status"
    ]
    paths = [path.split(".") for path in fields]
    holders = {
        str(e["manager"]) for e in entries if any(_holds(e.get("fieldsV1") or {}, path) for path in paths)
    }
    if holders:
        return tuple(sorted(holders))
    last = max(entries, key=lambda entry: str(entry.get("time", "")), default=None)
    return (str(last["manager"]),) if last else ()


def _body(value: Object) -> Object:
    return {key: part for key, part in value.items() if key not in ("metadata", "status")}


def _compare(before: object, after: object, path: str, found: list[str]) -> None:
    if len(found) > MAX_FIELDS or before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            below = f"{path}.{key}" if path else str(key)
            _compare(before.get(key, _MISSING), after.get(key, _MISSING), below, found)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            _compare(one, other, f"{path}[{number}]", found)
    else:
        found.append(path)


def _holds(fields: Mapping[str, Any], path: list[str]) -> bool:
    """Tell whether a fieldsV1 tree has the beginning of a path, as far as it can be followed by field names."""
    node: Mapping[str, Any] = fields
    for number, part in enumerate(path):
        name, bracket, _ = part.partition("[")
        if f"f:{name}" not in node:
            return False
        node = node[f"f:{name}"]
        if bracket or not node:
            return number > 0 or not node
    return True
