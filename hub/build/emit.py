"""Writes an object as the YAML that the renderer would write of it, where its text is needed anew. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hub.build.sops.scalars import written

_INDENT: Final = 2


def text_of(value: Mapping[str, Any]) -> str:
    """Return the text: keys in order, lists below the keys that they belong to."""
    return "".join(_mapping(value, 0)) if value else "{}\n"


def _mapping(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key in sorted(value):
        is_long = "\n" in key or "\r" in key
        yield f"{' ' * indent}{written(key, indent, in_flow=is_long)}:"
        below = value[key]
        if isinstance(below, list) and below:
            yield "\n"
            yield from _list(below, indent)
        else:
            yield from _entry(below, indent)


def _list(values: list[Any], indent: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict | list) and value:
            lines = (
                _mapping(value, indent + _INDENT)
                if isinstance(value, dict)
                else _list(value, indent + _INDENT)
            )
            yield f"{' ' * indent}- {''.join(lines)[indent + _INDENT :]}"
        else:
            yield f"{' ' * indent}-"
            yield from _entry(value, indent)


def _entry(value: Any, indent: int) -> Iterator[str]:
    """Yield what follows a key or a dash."""
    if isinstance(value, dict) and value:
        yield "\n"
        yield from _mapping(value, indent + _INDENT)
    elif isinstance(value, dict | list):
        yield " {}\n" if isinstance(value, dict) else " []\n"
    else:
        yield f" {written(value, indent + _INDENT, deeper=_INDENT)}\n"
