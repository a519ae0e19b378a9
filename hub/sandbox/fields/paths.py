"""Paths of fields, and sets of them as managedFields has them.

A path is a tuple of names in fieldsV1's form: `f:spec`, `k:{"name":"a"}`, `v:"x"`, `i:0`. What they hold is canonical, so equal
elements are equal texts. Sets are plain frozensets: a set holds exactly the paths it names, never what is below or above them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from hub.sandbox.fields.errors import BadManagedFields
from hub.sandbox.wording import plain, quoted

Path = tuple[str, ...]
Fields = frozenset[Path]
NOTHING: Fields = frozenset()


def field(name: str) -> str:
    """Return the name of a map's member in a path."""
    return f"f:{name}"


def key(values: Mapping[str, Any]) -> str:
    """Return the name of a list's item that is told apart by some of its fields."""
    return "k:" + _canonical({name: values[name] for name in sorted(values)})


def value(item: Any) -> str:
    """Return the name of a set's item in a path."""
    return "v:" + _canonical(item)


def path(text: str) -> Path:
    """Return the path of a member of nested maps: `spec.replicas`."""
    return tuple(map(field, text.strip(".").split(".")))


def shown(of: Path) -> str:
    """Return a path as people read it: `.spec.containers[name="web"].image`."""
    return "".join(map(shown_element, of))


@lru_cache(maxsize=4096)
def shown_element(element: str) -> str:
    """Return one name of a path as people read it."""
    kind, inner = element[0], element[2:]
    match kind:
        case "f":
            return f".{inner}"
        case "k":
            parts = (f"{name}={_shown_value(part)}" for name, part in json.loads(inner).items())
            return f"[{','.join(parts)}]"
        case "v":
            return f"[={_shown_value(json.loads(inner))}]"
        case _:
            return f"[{inner}]"


def with_prefix_of(paths: Fields, among: Fields) -> Fields:
    """Return those of the paths that are in a set or below one of its members."""
    return frozenset(one for one in paths if any(one[:length] in among for length in range(1, len(one) + 1)))


def ordered(paths: Iterable[Path]) -> list[Path]:
    """Return paths in the order of a walk: of each place first its members, then what is below."""
    return list(_walk(_nested(paths), ()))


def to_v1(paths: Fields) -> dict[str, Any]:
    """Return a set as the `fieldsV1` of a managedFields entry."""
    return _written(_nested(paths))


def from_v1(tree: Any) -> Fields:
    """Return the set that a `fieldsV1` is. Raises BadManagedFields."""
    found: set[Path] = set()

    def walk(node: Any, at: Path) -> bool:
        """Add what is below a node; tell whether the node itself is a member."""
        if not isinstance(node, Mapping):
            raise BadManagedFields(f"fieldsV1 has something else than an object at {shown(at) or 'its root'}")
        member, empty = False, True
        for name, inner in node.items():
            if name == ".":
                member = True
            elif (element := _element(name)) is not None:
                empty = False
                if walk(inner, (*at, element)):
                    found.add((*at, element))
        return member or empty

    walk(tree, ())
    return frozenset(found)


class Branch:
    """A place of a set's tree: whether it is a member, and what is below it."""

    __slots__ = ("below", "member")

    def __init__(self) -> None:
        self.member = False
        self.below: dict[str, Branch] = {}


def tree(paths: Iterable[Path]) -> Branch:
    """Return a set as a tree, for walks along a value."""
    return _nested(paths)


def _nested(paths: Iterable[Path]) -> Branch:
    root = Branch()
    for one in paths:
        node = root
        for element in one:
            below = node.below.get(element)
            if below is None:
                below = node.below[element] = Branch()
            node = below
        node.member = True
    return root


def _walk(node: Branch, at: Path) -> Iterator[Path]:
    names = sorted(node.below, key=_order)
    yield from ((*at, name) for name in names if node.below[name].member)
    for name in names:
        yield from _walk(node.below[name], (*at, name))


def _written(node: Branch) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in sorted(node.below, key=_order):
        inner = node.below[name]
        here: dict[str, Any] = {".": {}} if inner.member and inner.below else {}
        result[name] = here | _written(inner)
    return result


@lru_cache(maxsize=4096)
def _element(name: str) -> str | None:
    """Return the canonical form of a name; None for kinds of names that nobody knows yet."""
    if len(name) < 2:
        raise BadManagedFields("key must be 2 characters long:")
    if name[1] != ":":
        raise BadManagedFields(f"missing colon: {name}")
    kind, inner = name[0], name[2:]
    try:
        match kind:
            case "f":
                return name
            case "k":
                return key(dict(json.loads(inner)))
            case "v":
                return value(json.loads(inner))
            case "i":
                return f"i:{int(inner)}"
            case _:
                return None
    except (ValueError, TypeError) as problem:
        raise BadManagedFields(f"parsing key as path element: {problem}") from problem


@lru_cache(maxsize=4096)
def _order(element: str) -> tuple[int, Any]:
    kind, inner = element[0], element[2:]
    match kind:
        case "f":
            return 0, inner
        case "k":
            return 1, tuple((name, _rank(part)) for name, part in json.loads(inner).items())
        case "v":
            return 2, _rank(json.loads(inner))
        case _:
            return 3, int(inner)


def _rank(part: Any) -> tuple[int, Any]:
    """Return where a value stands among others of any type: numbers, texts, booleans, then the rest."""
    match part:
        case bool():
            return 2, part
        case int() | float():
            return 0, part
        case str():
            return 1, part
        case _:
            return 3, _canonical(part)


def _canonical(part: Any) -> str:
    if isinstance(part, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_canonical(v)}" for name, v in part.items())
            + "}"
        )
    if isinstance(part, float) and part.is_integer():
        part = int(part)
    text = json.dumps(part, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _shown_value(part: Any) -> str:
    match part:
        case None:
            return "null"
        case str():
            return quoted(part)
        case list():
            return "[" + ",".join(map(_shown_value, part)) + "]"
        case dict():
            return "".join(f"{name}={_shown_value(inner)}" for name, inner in part.items())
        case _:
            return plain(part)
