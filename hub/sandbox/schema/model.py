"""What the values of a kind look like, as far as merging, ownership and patching need it: types by reference, no prose, no defaults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Scalar(StrEnum):
    """What a single value may be."""

    STRING = "string"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    UNTYPED = "untyped"


class Relation(StrEnum):
    """How the items of a list are told apart: not at all, by their value, by some of their fields."""

    ATOMIC = "atomic"
    SET = "set"
    MAP = "map"


class Reference:
    """A type that is made when it is first asked for: schemas are large, recursive and mostly never looked at."""

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[], "Type"]) -> None:
        self._make = make
        self._known: Type | None = None

    def __call__(self) -> "Type":
        """Return the type."""
        if self._known is None:
            self._known = self._make()
        return self._known


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A named member of a struct. `default` is known for keys of list items only."""

    of: Reference
    default: Any = None
    strategies: frozenset[str] = frozenset()
    merge_key: str = ""
    required: bool = False
    always: bool = False  # A struct that is there, empty, when nobody wrote it.


@dataclass(frozen=True, slots=True, kw_only=True)
class MapType:
    """A struct, a map, or both: named fields first, then the element type of every other name."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    element: Reference | None = None
    atomic: bool = False

    def of(self, name: str) -> Reference | None:
        """Return the type under a name; None when the name is not declared."""
        known = self.fields.get(name)
        return known.of if known else self.element

    @property
    def is_free(self) -> bool:
        """Tell whether it declares nothing and takes everything."""
        return not self.fields and self.element is not None and self.element() is ANYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class ListType:
    """A list and how its items are told apart."""

    element: Reference
    relation: Relation = Relation.ATOMIC
    keys: tuple[str, ...] = ()

    def default(self, key: str) -> Any:
        """Return what an item has under a key when it says nothing; None when that is nothing."""
        of = self.element().map
        known = of.fields.get(key) if of else None
        return known.default if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What a value may be: one of three shapes, or, where nobody declared it, any of them."""

    name: str = ""
    scalar: Scalar | None = None
    format: str = ""
    list: ListType | None = None
    map: MapType | None = None

    @property
    def short_name(self) -> str:
        """Return the type's name without the package."""
        return self.name.rpartition(".")[2]


def _opaque() -> Type:
    return OPAQUE


def _anything() -> Type:
    return ANYTHING


# Undeclared values: maps are merged name by name, what is in a list belongs together.
OPAQUE = Type(
    scalar=Scalar.UNTYPED,
    list=ListType(element=Reference(_opaque)),
    map=MapType(element=Reference(_opaque), atomic=True),
)
ANYTHING = Type(
    scalar=Scalar.UNTYPED,
    list=ListType(element=Reference(_opaque)),
    map=MapType(element=Reference(_anything)),
)
