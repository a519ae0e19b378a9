"""What one value has that another has not, field by field."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from hub.sandbox.fields.paths import Fields, Path, field, with_prefix_of
from hub.sandbox.fields.typed import ABSENT, Shape, UnnamedItem, item_name, shapes, type_under
from hub.sandbox.schema import ListType, MapType, Relation, Type
from hub.sandbox.wording import same


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a value differs from an older one. No field is in two of the sets."""

    removed: Fields
    modified: Fields
    added: Fields

    def without(self, ignored: Fields) -> "Comparison":
        """Return the differences outside of some fields."""
        if not ignored:
            return self
        return Comparison(
            removed=self.removed - with_prefix_of(self.removed, ignored),
            modified=self.modified - with_prefix_of(self.modified, ignored),
            added=self.added - with_prefix_of(self.added, ignored),
        )


def compare(before: Any, after: Any, of: Type) -> Comparison:
    """Compare two values of a type."""
    walk = _Walk()
    walk.visit(before, after, of, ())
    for found in (walk.removed, walk.modified, walk.added):
        found.discard(())
    return Comparison(
        removed=frozenset(walk.removed), modified=frozenset(walk.modified), added=frozenset(walk.added)
    )


class _Walk:
    def __init__(self) -> None:
        self.removed: set[Path] = set()
        self.modified: set[Path] = set()
        self.added: set[Path] = set()

    def visit(self, before: Any, after: Any, of: Type, at: Path) -> None:
        mine, theirs = shapes(of, before), shapes(of, after)
        if after is ABSENT:
            leaf = self._as(mine[0], before, after, of, at)
        elif before is ABSENT or mine == theirs:
            leaf = self._as(theirs[0], before, after, of, at)
        else:
            self._as(mine[0], before, after, of, at)
            leaf = self._as(theirs[0], before, after, of, at)
        if not leaf and before is ABSENT:
            self.added.add(at)
        elif not leaf and after is ABSENT:
            self.removed.add(at)

    def _as(self, shape: Shape, before: Any, after: Any, of: Type, at: Path) -> bool:
        """Compare under one shape; tell whether the place is a leaf."""
        if shape is Shape.MAP and of.map is not None:
            return self._maps(before, after, of.map, at)
        if shape is Shape.LIST and of.list is not None:
            return self._lists(before, after, of.list, at)
        return self._leaf(before, after, at)

    def _leaf(self, before: Any, after: Any, at: Path) -> bool:
        if before is ABSENT:
            self.added.add(at)
        elif after is ABSENT:
            self.removed.add(at)
        elif not same(before, after):
            self.modified.add(at)
        return True

    def _maps(self, before: Any, after: Any, of: MapType, at: Path) -> bool:
        mine, theirs = _dict(before), _dict(after)
        if of.atomic or (not mine and not theirs):
            return self._leaf(before, after, at)
        for name in {**mine, **theirs}:
            inner = type_under(of, name)
            self.visit(mine.get(name, ABSENT), theirs.get(name, ABSENT), inner, (*at, field(name)))
        return False

    def _lists(self, before: Any, after: Any, of: ListType, at: Path) -> bool:
        mine = before if isinstance(before, list) else []
        theirs = after if isinstance(after, list) else []
        if of.relation is Relation.ATOMIC or (not mine and not theirs):
            return self._leaf(before, after, at)
        old, new = _by_name(of, mine), _by_name(of, theirs)
        for name in {**old, **new}:
            self._items(old.get(name, []), new.get(name, []), of.element(), (*at, name))
        return False

    def _items(self, old: list[Any], new: list[Any], of: Type, at: Path) -> None:
        """Compare the items of one name: one by one, or as a whole where a list has several of it."""
        if len(old) <= 1 and len(new) <= 1:
            self.visit(old[0] if old else ABSENT, new[0] if new else ABSENT, of, at)
        elif len(old) >= 2 and len(new) >= 2:
            if not same(old, new):
                self.modified.add(at)
        elif len(old) >= 2:
            if new:
                self.visit(ABSENT, new[0], of, at)
            self.removed.add(at)
        else:
            if old:
                self.visit(old[0], ABSENT, of, at)
            self.added.add(at)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _by_name(of: ListType, items: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        try:
            found[item_name(of, item)].append(item)
        except UnnamedItem:
            continue
    return found
