"""Small steps on JSON values that the rules of all kinds are made of. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent.kube.api import Object


def copied(value: Any) -> Any:
    """Return a copy of a JSON value that shares nothing that could change."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value


def at(value: Any, *path: str) -> Any:
    """Return what is at a path of keys, None when there is nothing."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def mapping_at(value: Any, *path: str) -> Object:
    """Return the mapping at a path, an empty one when there is none."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def items_at(value: Any, *path: str) -> list[Object]:
    """Return the list of mappings at a path, an empty one when there is none."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def indexed(path: str, items: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield each item of a list with its path."""
    for index, one in enumerate(items):
        yield f"{path}[{index}]", one


def fill(owner: Object, **values: Any) -> None:
    """Set the fields that are missing or an empty text; a mapping that is given has to be new."""
    for key, value in values.items():
        if owner.get(key) in (None, ""):
            owner[key] = value


def fill_numbers(owner: Object, **values: int) -> None:
    """Set the numbers for which zero means not said."""
    for key, value in values.items():
        if not owner.get(key):
            owner[key] = value


def child(owner: Object, key: str) -> Object:
    """Return the mapping in a field, which is made when it is missing."""
    found = owner.get(key)
    if not isinstance(found, dict):
        found = owner[key] = {}
    return found


def put(owner: Object, key: str, value: Any) -> None:
    """Set a field, or remove it when there is no value."""
    if value is None:
        owner.pop(key, None)
    else:
        owner[key] = copied(value)
