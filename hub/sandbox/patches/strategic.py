"""kubectl's strategic merge patches: maps merged, lists merged by their keys, and directives for what merging cannot say.

A patch is merged into a copy of the object in the order that real servers have: what to keep (`$retainKeys`), lists with an order
(`$setElementOrder/...`), then the rest. Where both sides have a list, its field's strategy decides.
"""

import copy
from typing import Any

from hub.sandbox.patches.errors import PatchError
from hub.sandbox.patches.lists import Items, bad_type, lacks_key
from hub.sandbox.schema import Field, Type
from hub.sandbox.wording import plain

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"

Object = dict[str, Any]


def strategic(value: Object, patch: Object, of: Type) -> Object:
    """Return what a strategic merge patch makes of an object of a built-in kind. Raises PatchError."""
    return _merged(copy.deepcopy(value), copy.deepcopy(patch), of)


def _merged(original: Object, patch: Object, of: Type) -> Object:
    """Merge a patch into a map; both are spent."""
    if _DIRECTIVE in patch:
        return _directed(patch)
    _retain(original, patch)
    for name in [name for name in patch if name.startswith(_ORDER)]:
        _merge_ordered(original, patch, name, of)
    for name, part in patch.items():
        if name.startswith(_DELETE_FROM):
            _delete_from(original, _suffix(name, _DELETE_FROM, "primitive list"), part, of)
        elif part is None:
            original.pop(name, None)
        else:
            _merge_member(original, name, part, of)
    return original


def _directed(patch: Object) -> Object:
    match patch[_DIRECTIVE]:
        case "replace":
            return {name: part for name, part in patch.items() if name != _DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise PatchError(f"unknown patch type: {plain(other)} in map: {plain(patch)}")


def _retain(original: Object, patch: Object) -> None:
    """Drop what a list of names to keep does not name."""
    if _RETAIN not in patch:
        return
    names = patch.pop(_RETAIN)
    if not isinstance(names, list):
        raise PatchError("invalid patch format of retainKeys", 400)
    for name, part in patch.items():
        if part is None or name.startswith((_DELETE_FROM, _ORDER)):
            continue
        if name not in names:
            raise PatchError("invalid patch format of retainKeys", 400)
    for name in [name for name in original if name not in names]:
        del original[name]


def _merge_member(original: Object, name: str, part: Any, of: Type) -> None:
    there = original.get(name)
    if isinstance(there, dict) and isinstance(part, dict):
        field = _field(of, name)
        original[name] = part if _replaces(field) else _merged(there, part, field.of())
    elif isinstance(there, list) and isinstance(part, list):
        field = _field(of, name)
        original[name] = _merged_list(there, part, field) if "merge" in field.strategies else part
    elif _is_directive(part):
        original.pop(name, None)
    else:
        original[name] = _clean(part)


def _merged_list(original: list[Any], patch: list[Any], field: Field) -> list[Any]:
    if not original and not patch:
        return original
    items = Items(original, patch, key=field.merge_key)
    if not items.are_maps:
        return items.ordered(items.united(), patch, original)
    if not field.merge_key:
        raise PatchError(f"cannot merge lists without merge key for {_kind_name(field)}")
    original, patch = _special(original, patch, field.merge_key)
    merged = _merged_maps(original, patch, field)
    return items.ordered(merged, patch, original)


def _special(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Obey the directives among a patch's items. Return the items left of both sides."""
    plain_items, replaces = [], False
    for item in patch:
        if _DIRECTIVE not in item:
            plain_items.append(item)
            continue
        match item[_DIRECTIVE]:
            case "delete" if key not in item:
                raise lacks_key(item, key)
            case "delete":
                original = [one for one in original if one.get(key) != item[key] or key not in one]
            case "replace":
                replaces = True
            case "merge":
                raise PatchError("merging lists cannot yet be specified in the patch")
            case other:
                raise PatchError(f"unknown patch type: {plain(other)} in map: {plain(item)}")
    return (plain_items, []) if replaces else (original, plain_items)


def _merged_maps(original: list[Any], patch: list[Any], field: Field) -> list[Any]:
    key, of = field.merge_key, _element(field)
    result = list(original)
    for item in patch:
        if key not in item:
            raise lacks_key(item, key)
        found = next((n for n, one in enumerate(result) if key in one and one[key] == item[key]), None)
        if found is None:
            result.append(item)
        else:
            result[found] = _merged(result[found], item, of)
    return result


def _merge_ordered(original: Object, patch: Object, directive: str, of: Type) -> None:
    """Merge a list together with the order that a patch wants for it."""
    order = patch.pop(directive)
    if not isinstance(order, list):
        raise bad_type([], order)
    name = _suffix(directive, _ORDER, "setElementOrder list")
    there, part = original.get(name), patch.get(name)
    for one in (there, part):
        if one is not None and not isinstance(one, list):
            raise bad_type([], one)
    field = _field(of, name)
    if part and order:
        _check_order(part, order, field.merge_key, directive_name=_ORDER)
    if there is None and part is None:
        return
    if part is None:
        merged = there or []
    elif there is None:
        merged = [_clean(item) for item in part if not _is_directive(item)]
    else:
        merged = _merged_list(there, part, field) if "merge" in field.strategies else part
    items = Items(there or [], part or [], key=field.merge_key)
    live = items.overwritten() if "merge" in field.strategies else there or []
    original[name] = items.ordered(merged, order, live)
    patch.pop(name, None)


def _check_order(part: list[Any], order: list[Any], key: str, *, directive_name: str) -> None:
    """Check that a patch's items stand in the order that it asks for, and are all named there."""
    wanted = [item for item in part if not (isinstance(item, dict) and item.get(_DIRECTIVE) == "delete")]
    at = 0
    for name in order:
        while at < len(wanted) and _is_directive(wanted[at]):
            at += 1
        if at == len(wanted):
            break
        if _equal_by(wanted[at], name, key):
            at += 1
    if at < len(wanted):
        raise PatchError(
            f"The order in patch list:\n{plain(part)}\n doesn't match {directive_name} list:\n{plain(order)}\n"
        )


def _equal_by(left: Any, right: Any, key: str) -> bool:
    if not key:
        return bool(left == right)
    for one in (left, right):
        if not isinstance(one, dict):
            raise bad_type({}, one)
        if key not in one:
            raise lacks_key(one, key)
    return bool(left[key] == right[key])


def _delete_from(original: Object, name: str, gone: Any, of: Type) -> None:
    there = original.get(name)
    if gone is None:
        original.pop(name, None)
    elif isinstance(there, list) and isinstance(gone, list) and (there or gone):
        _field(of, name)
        Items(there, gone, key="")
        original[name] = [item for item in there if item not in gone]


def _suffix(name: str, directive: str, what: str) -> str:
    _, found, rest = name.partition("/")
    if not found or not name.startswith(f"{directive}/"):
        raise PatchError(f"invalid patch format of {what}", 400)
    return rest


def _field(of: Type, name: str) -> Field:
    if of.map is None or (not of.map.fields and of.map.element is not None):
        kind = "map" if of.map else "slice" if of.list else "string"
        raise PatchError(f"merging an object in json but data type is not struct, instead is: {kind}")
    if name not in of.map.fields:
        raise PatchError(f'unable to find api field in struct {of.short_name} for the json field "{name}"')
    return of.map.fields[name]


def _element(field: Field) -> Type:
    of = field.of()
    return of.list.element() if of.list else of


def _replaces(field: Field) -> bool:
    return "replace" in field.strategies


def _kind_name(field: Field) -> str:
    of = _element(field)
    return "struct" if of.map and of.map.fields else "map" if of.map else "string"


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and _DIRECTIVE in item


def _clean(part: Any) -> Any:
    """Return a value of a patch that meets nothing: without nulls and without what only directs."""
    if isinstance(part, dict):
        return {
            name: _clean(inner)
            for name, inner in part.items()
            if inner is not None and not _is_directive(inner)
        }
    if isinstance(part, list):
        return [_clean(item) for item in part if not _is_directive(item)]
    return part
