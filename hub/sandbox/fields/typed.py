"""Values seen through their type: which shape applies, how a list's items are named, whether a value is of its type at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from hub.sandbox.fields.errors import TypedError
from hub.sandbox.fields.paths import field, key, shown_element, value
from hub.sandbox.schema import ListType, MapType, Reference, Relation, Scalar, Type
from hub.sandbox.schema.model import OPAQUE
from hub.sandbox.wording import plain, source, type_name


class _Absent(Enum):
    ABSENT = "absent"


# Not there at all, which is something else than null.
ABSENT: Final = _Absent.ABSENT


class Shape(Enum):
    """The shapes of a type, in the order in which they are tried on a value that fits none."""

    MAP = "map"
    SCALAR = "scalar"
    LIST = "list"


class UnnamedItem(ValueError):
    """An item of a list cannot be told apart from others; the text says why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing about a value that its type forbids."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


def told(problems: Sequence[Problem]) -> str:
    """Return problems as one text."""
    if len(problems) == 1:
        return str(problems[0])
    return "\n".join(["errors:", *(f"  {problem}" for problem in problems)])


def shapes(of: Type, part: Any) -> tuple[Shape, ...]:
    """Return the shapes under which a value is looked at: its own if the type has it, else all that the type has."""
    if isinstance(part, dict):
        fits = Shape.MAP if of.map else None
    elif isinstance(part, list):
        fits = Shape.LIST if of.list else None
    elif part is None or part is ABSENT:
        fits = None
    else:
        fits = Shape.SCALAR if of.scalar else None
    if fits is not None:
        return (fits,)
    known = ((Shape.MAP, of.map), (Shape.SCALAR, of.scalar), (Shape.LIST, of.list))
    return tuple(shape for shape, there in known if there is not None)


def type_under(of: MapType, name: str) -> Type:
    """Return the type of a map's member; what is not declared is taken as one piece."""
    reference: Reference | None = of.of(name)
    return reference() if reference else OPAQUE


def item_name(of: ListType, item: Any) -> str:
    """Return what an item of a set or of a list with keys is called in a path. Raises UnnamedItem."""
    if of.relation is Relation.SET:
        return _name_in_set(item)
    if item is None:
        raise UnnamedItem("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise UnnamedItem("associative list with keys may not have non-map elements")
    found = {name: item.get(name, ABSENT) for name in of.keys}
    found = {name: of.default(name) if part is ABSENT else part for name, part in found.items()}
    named = {name: part for name, part in found.items() if part is not None or item.get(name, ABSENT) is None}
    if not named:
        keys = " ".join(f'"{name}"' for name in of.keys)
        raise UnnamedItem(
            f"associative list with keys has an element that omits all key fields [{keys}]"
            " (and doesn't have default values for any key fields)"
        )
    return key(named)


def check(part: Any, of: Type, *, duplicates: bool = False) -> None:
    """Check that a value is of a type. `duplicates` may stand in lists of what exists already. Raises TypedError."""
    if found := _problems(part, of, "", duplicates):
        raise TypedError(told(found))


def scalar_problem(scalar: Scalar | None, part: Any, prefix: str = "") -> str:
    """Return what is wrong with a single value, or nothing."""
    if part is None or part is ABSENT:
        return ""
    number = isinstance(part, int | float) and not isinstance(part, bool)
    match scalar:
        case Scalar.NUMERIC if not number:
            return f"{prefix}expected numeric (int or float), got {type_name(part)}"
        case Scalar.STRING if not isinstance(part, str):
            return f"{prefix}expected string, got &value.valueUnstructured{{Value:{source(part)}}}"
        case Scalar.BOOLEAN if not isinstance(part, bool):
            return f"{prefix}expected boolean, got &{{{plain(part)}}}"
        case Scalar.UNTYPED if isinstance(part, dict | list):
            return f"{prefix}expected any scalar, got &{{{plain(part)}}}"
        case _:
            return ""


def _name_in_set(item: Any) -> str:
    match item:
        case dict():
            raise UnnamedItem("associative list without keys has an element that's a map type")
        case list():
            raise UnnamedItem("not supported: associative list with lists as elements")
        case None:
            raise UnnamedItem("associative list without keys has an element that's an explicit null")
        case _:
            return value(item)


def _problems(part: Any, of: Type, at: str, duplicates: bool) -> list[Problem]:
    match shapes(of, part)[0]:
        case Shape.SCALAR:
            text = scalar_problem(of.scalar, part)
            return [Problem(at, text)] if text else []
        case Shape.MAP if of.map is not None:
            return _problems_in_map(part, of.map, at, duplicates)
        case Shape.LIST if of.list is not None:
            return _problems_in_list(part, of.list, at, duplicates)
    return []


def _problems_in_map(part: Any, of: MapType, at: str, duplicates: bool) -> list[Problem]:
    if part is None:
        return []
    if not isinstance(part, dict):
        return [Problem(at, f"expected map, got &{{{plain(part)}}}")]
    found: list[Problem] = []
    for name, inner in part.items():
        here = at + shown_element(field(name))
        reference = of.of(name)
        if reference is None:
            # A real server stops here as well.
            return [*found, Problem(here, "field not declared in schema")]
        found += _problems(inner, reference(), here, duplicates)
    return found


def _problems_in_list(part: Any, of: ListType, at: str, duplicates: bool) -> list[Problem]:
    if part is None:
        return []
    if not isinstance(part, list):
        return [Problem(at, f"expected list, got &{{{plain(part)}}}")]
    found: list[Problem] = []
    seen: set[str] = set()
    for position, item in enumerate(part):
        name = f"i:{position}"
        if of.relation is not Relation.ATOMIC:
            try:
                name = item_name(of, item)
            except UnnamedItem as problem:
                return [*found, Problem(at, f"element {position}: {problem}")]
            if name in seen and not duplicates:
                found.append(Problem(at, f"duplicate entries for key {shown_element(name)}"))
            seen.add(name)
        found += _problems(item, of.element(), at + shown_element(name), duplicates)
    return found
