"""Documents as ordered trees, as SOPS sees them: the order of values counts for its MAC, and so do their types. Pure."""

from dataclasses import dataclass
from typing import Any


class Timestamp(str):
    """A point in time as RFC 3339 has it, which some forms write unlike text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """The text of a comment, without the sign that makes it one."""

    text: str


Leaf = str | int | float | bool | bytes | Timestamp | None
"""A single value. Bytes that are no UTF-8 are surrogates in a text, so that it is as exact as the bytes."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Keys with values, in order; a comment stands for a key and has no value. A list is a tuple."""

    items: tuple[tuple[str | Comment, Any], ...] = ()

    def get(self, key: str) -> Any:
        """Return the first value of a key, None when it has none."""
        return next((value for name, value in self.items if name == key), None)

    def without(self, key: str) -> "Branch":
        """Return it without the values of a key."""
        return Branch(tuple(item for item in self.items if item[0] != key))


def plain(node: Any) -> Any:
    """Return a tree as dicts and lists, without its comments; the last of equal keys wins."""
    match node:
        case Branch(items):
            return {key: plain(value) for key, value in items if isinstance(key, str)}
        case tuple():
            return [plain(one) for one in node if not isinstance(one, Comment)]
        case _:
            return node


def tree_of(value: Any) -> Any:
    """Return dicts and lists as a tree."""
    if isinstance(value, dict):
        return Branch(tuple((str(key), tree_of(one)) for key, one in value.items()))
    return tuple(tree_of(one) for one in value) if isinstance(value, list) else value
