"""Sets of fields read from values, and sets brought in step with a type."""

from collections import Counter
from typing import Any

from hub.sandbox.fields.paths import Fields, Path, field
from hub.sandbox.fields.typed import Shape, UnnamedItem, item_name, shapes, type_under
from hub.sandbox.schema import ListType, MapType, Relation, Type


def fields_of(value: Any, of: Type) -> Fields:
    """Return every leaf, list item and free map member of a value: what somebody who writes it whole owns."""
    found: set[Path] = set()
    _collect(value, of, (), found)
    found.discard(())
    return frozenset(found)


def with_structs(paths: Fields, of: Type) -> Fields:
    """Return a set together with the declared members above its paths, which sets leave out but values have."""
    found = set(paths)
    for path in paths:
        here: Type | None = of
        for length, element in enumerate(path[:-1], 1):
            if here is None:
                break
            if element[0] == "f" and here.map is not None and element[2:] in here.map.fields:
                found.add(path[:length])
            here = _below(here, element)
    return frozenset(found)


def in_step(paths: Fields, of: Type) -> Fields:
    """Return a set after its type changed: what has become one piece is owned as one."""
    return frozenset(_cut(path, of) for path in paths)


def _collect(value: Any, of: Type, at: Path, found: set[Path]) -> None:
    match shapes(of, value)[0]:
        case Shape.SCALAR:
            found.add(at)
        case Shape.MAP if of.map is not None:
            _collect_map(value, of.map, at, found)
        case Shape.LIST if of.list is not None:
            _collect_list(value, of.list, at, found)


def _collect_map(value: Any, of: MapType, at: Path, found: set[Path]) -> None:
    if of.atomic:
        found.add(at)
        return
    if not isinstance(value, dict):
        return
    for name, part in value.items():
        here = (*at, field(name))
        _collect(part, type_under(of, name), here, found)
        if part is None or part == {} or name not in of.fields:
            found.add(here)


def _collect_list(value: Any, of: ListType, at: Path, found: set[Path]) -> None:
    if of.relation is Relation.ATOMIC:
        found.add(at)
        return
    if not isinstance(value, list):
        return
    names = [_name(of, item) for item in value]
    times = Counter(names)
    element = of.element()
    for name, item in zip(names, value, strict=True):
        if name is None:
            continue
        found.add((*at, name))
        if times[name] == 1:  # Who of several equal items owns what inside cannot be told.
            _collect(item, element, (*at, name), found)


def _name(of: ListType, item: Any) -> str | None:
    try:
        return item_name(of, item)
    except UnnamedItem:
        return None


def _below(of: Type, element: str) -> Type | None:
    if element[0] == "f" and of.map is not None:
        reference = of.map.of(element[2:])
        return reference() if reference else None
    if element[0] == "k" and of.list is not None:
        return of.list.element()
    return None


def _cut(path: Path, of: Type) -> Path:
    here: Type | None = of
    for length, element in enumerate(path):
        if here is None or (here.map is not None and here.map.is_free):
            return path
        if here.map is not None:
            whole = here.map.atomic
        else:
            whole = here.scalar is None and here.list is not None and here.list.relation is Relation.ATOMIC
        if whole and length:
            return path[:length]
        here = _below(here, element)
    return path
