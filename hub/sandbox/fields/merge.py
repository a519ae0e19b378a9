"""A configuration laid over what is there, and fields taken out of a value."""

from collections import deque
from typing import Any

from hub.sandbox.fields.errors import TypedError
from hub.sandbox.fields.paths import Branch, Fields, field, tree
from hub.sandbox.fields.typed import ABSENT, Shape, UnnamedItem, item_name, shapes, type_under
from hub.sandbox.schema import ListType, MapType, Relation, Type


def merge(live: Any, applied: Any, of: Type) -> Any:
    """Return the live value with the configuration over it. Raises TypedError when items of a list cannot be told apart."""
    mine, theirs = shapes(of, live), shapes(of, applied)
    shape = mine[0] if applied is ABSENT else theirs[0]
    if shape is Shape.MAP and of.map is not None:
        return _maps(live, applied, of.map)
    if shape is Shape.LIST and of.list is not None:
        return _lists(live, applied, of.list)
    return _leaf(live, applied)


def remove(value: Any, paths: Fields, of: Type) -> Any:
    """Return a value without some of its fields. A map or list that loses all it had is null."""
    return _without(value, tree(paths), of) if paths else value


def _leaf(live: Any, applied: Any) -> Any:
    return live if applied is ABSENT else applied


def _maps(live: Any, applied: Any, of: MapType) -> Any:
    mine = live if isinstance(live, dict) else {}
    theirs = applied if isinstance(applied, dict) else {}
    if of.atomic or (not mine and not theirs):
        return _leaf(live, applied)
    result = {}
    for name in {**mine, **theirs}:
        part = merge(mine.get(name, ABSENT), theirs.get(name, ABSENT), type_under(of, name))
        if part is not ABSENT:
            result[name] = part
    return result or ABSENT


def _lists(live: Any, applied: Any, of: ListType) -> Any:
    mine = live if isinstance(live, list) else []
    theirs = applied if isinstance(applied, list) else []
    if of.relation is Relation.ATOMIC or (not mine and not theirs):
        return _leaf(live, applied)
    merged = _Items(of, mine, theirs).merged()
    return merged or ABSENT


class _Items:
    """Two lists of named items on their way to one.

    The configuration's order stands; items that only the live list has keep their place among their neighbours: those before the next
    item that both have come before it.
    """

    def __init__(self, of: ListType, live: list[Any], applied: list[Any]) -> None:
        self.element = of.element()
        self.live = live
        self.applied_names = _names(of, applied)
        self.live_names = _names(of, live)
        self.applied = dict(zip(self.applied_names, applied, strict=True))
        # Items that the live list has several times are not merged into.
        self.known: dict[str, Any] = {}
        for name, item in zip(self.live_names, live, strict=True):
            self.known[name] = None if name in self.known else item

    def merged(self) -> list[Any]:
        shared = deque(name for name in self.applied_names if name in self.known)
        upcoming = shared.popleft() if shared else None
        done: set[str] = set()
        result: list[Any] = []
        left = right = 0
        while left < len(self.live_names) or right < len(self.applied_names):
            mine = self.live_names[left] if left < len(self.live_names) else None
            theirs = self.applied_names[right] if right < len(self.applied_names) else None
            if mine is not None and theirs is not None:
                if mine == theirs:
                    self._take(theirs, done, result)
                    left, right = left + 1, right + 1
                    upcoming = shared.popleft() if shared else None
                    continue
                if mine in self.applied and upcoming is not None and upcoming != mine:
                    left += 1  # Both have it, but its turn is not now.
                    continue
            if mine is not None:
                if mine not in self.applied:
                    result.append(merge(self.live[left], ABSENT, self.element))
                    left += 1
                    continue
                if mine in done:
                    left += 1
            if theirs is not None:
                self._take(theirs, done, result)
                right += 1
                if upcoming == theirs:
                    upcoming = shared.popleft() if shared else None
        return [item for item in result if item is not ABSENT]

    def _take(self, name: str, done: set[str], result: list[Any]) -> None:
        done.add(name)
        result.append(merge(self.known.get(name, ABSENT), self.applied[name], self.element))


def _names(of: ListType, items: list[Any]) -> list[str]:
    names = []
    for position, item in enumerate(items):
        try:
            names.append(item_name(of, item))
        except UnnamedItem as problem:
            raise TypedError(f"element {position}: {problem}") from problem
    return names


def _without(value: Any, gone: Branch, of: Type) -> Any:
    match shapes(of, value)[0]:
        case Shape.MAP if of.map is not None:
            return _map_without(value, gone, of.map)
        case Shape.LIST if of.list is not None:
            return _list_without(value, gone, of.list)
    return value


def _map_without(value: Any, gone: Branch, of: MapType) -> Any:
    if not isinstance(value, dict) or not value or of.atomic:
        return None
    result = {}
    for name, part in value.items():
        inner = gone.below.get(field(name))
        if inner is None:
            result[name] = part
        elif not inner.member:
            result[name] = _without(part, inner, type_under(of, name))
    return result or None


def _list_without(value: Any, gone: Branch, of: ListType) -> Any:
    if not isinstance(value, list) or not value or of.relation is Relation.ATOMIC:
        return None
    result = []
    for item in value:
        try:
            inner = gone.below.get(item_name(of, item))
        except UnnamedItem:
            inner = None
        if inner is None:
            result.append(item)
        elif not inner.member:
            result.append(_without(item, inner, of.element()))
    return result or None
