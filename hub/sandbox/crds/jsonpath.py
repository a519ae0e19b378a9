"""Finds values by JSONPath, as far as definitions use it: names, indexes, slices, filters of list items by a field, wildcards."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\\])+)"""
    r"""|\[(?P<index>-?\d+)\]"""
    r"""|\[(?P<start>-?\d*):(?P<end>-?\d*)\]"""
    r"""|\[['"](?P<quoted>(?:\\.|[^\\])*?)['"]\]"""
    r"""|\[\?\(@\.(?P<field>[\w.-]+)\s*(?P<operator>==|!=)\s*(?P<wanted>"[^"]*"|'[^']*'|[\w.-]+)\)\]"""
    r"""|(?P<all>\[\*\]|\.\*)"""
)
_REMEMBERED = 4096


class Unreadable(Exception):
    """A path that is not understood."""


def find(value: Any, path: str) -> list[Any]:
    """Return all that is at a path. Raises Unreadable."""
    found = [value]
    for step in _steps(path):
        found = [part for one in found for part in _parts(one, step)]
    return found


@lru_cache(maxsize=_REMEMBERED)
def _steps(path: str) -> tuple[tuple[str, ...], ...]:
    steps, at = [], 0
    path = "" if path == "." else path
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise Unreadable(path)
        steps.append(_step(found))
        at = found.end()
    return tuple(steps)


def _step(found: re.Match[str]) -> tuple[str, ...]:
    if found["all"]:
        return ("all",)
    if found["index"] is not None:
        return ("index", found["index"])
    if found["field"] is not None:
        return ("filter", found["field"], found["operator"], found["wanted"])
    if found["start"] is not None:
        return ("slice", found["start"], found["end"])
    name = found["name"] if found["name"] is not None else found["quoted"]
    return ("name", re.sub(r"\\(.)", r"\1", name))


def _parts(value: Any, step: tuple[str, ...]) -> Iterator[Any]:
    match step, value:
        case ("name", name), dict() if name in value:
            yield value[name]
        case ("index", index), list() if -len(value) <= int(index) < len(value):
            yield value[int(index)]
        case ("slice", start, end), list():
            yield from value[int(start) if start else None : int(end) if end else None]
        case ("all",), list():
            yield from value
        case ("all",), dict():
            yield from value.values()
        case ("filter", field, operator, wanted), list():
            for item in value:
                there = find(item, f".{field}")
                if there and (_is(there[0], wanted) == (operator == "==")):
                    yield item


def _is(value: Any, wanted: str) -> bool:
    if wanted[:1] in "\"'":
        return isinstance(value, str) and value == wanted[1:-1]
    match value:
        case bool():
            return wanted == ("true" if value else "false")
        case int() | float():
            try:
                return float(wanted) == value
            except ValueError:
                return False
        case _:
            return False
