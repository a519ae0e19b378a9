"""Finds items that are twice in a list that is a set or a map."""

from collections.abc import Iterator
from typing import Any

from hub.sandbox.crds import faults, schemas
from hub.sandbox.crds.faults import Fault
from hub.sandbox.crds.schemas import Schema


def duplicates(value: Any, schema: Schema | None, path: str = "") -> Iterator[Fault]:
    """Yield a fault for the second of equal items, in the whole value."""
    if schema is None:
        return
    match value:
        case dict():
            for name, part in value.items():
                inner, at = schemas.properties(schema).get(name), faults.child(path, name)
                if inner is None:
                    inner, at = schemas.additional(schema), faults.indexed(path, name)
                yield from duplicates(part, inner, at)
        case list():
            yield from _in_list(value, schema, path)
            for index, part in enumerate(value):
                yield from duplicates(part, schemas.items(schema), faults.indexed(path, index))


def keys_of(item: Any, keys: list[str]) -> dict[str, Any]:
    """Return what tells an item of a map list from the others."""
    return {key: item[key] for key in keys if key in item} if isinstance(item, dict) else {}


def _in_list(value: list[Any], schema: Schema, path: str) -> Iterator[Fault]:
    match schemas.list_type(schema):
        case "set":
            told_apart = value
        case "map":
            wrong = next((at for at, one in enumerate(value) if not isinstance(one, dict | None)), None)
            if wrong is not None:
                text = "must be an object for an array of list-type map"
                yield faults.invalid(faults.indexed(path, wrong), value[wrong], text)
                return
            told_apart = [keys_of(item, schemas.list_keys(schema)) for item in value]
        case _:
            return
    seen: dict[str, int] = {}
    for index, one in enumerate(told_apart):
        key = faults.as_json(one)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            yield faults.duplicate(faults.indexed(path, index), one)
