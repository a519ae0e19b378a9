"""Whether what a patch makes still fits the kind, in the words of the converter that real servers use."""

from typing import Any

from hub.sandbox.schema import Scalar, Type


def misfit(value: Any, of: Type) -> str:
    """Return why a value cannot be held by its type, by the first part that does not fit; empty when all of it does."""
    if value is None or of.scalar is Scalar.UNTYPED:
        return ""
    match value:
        case dict():
            return _of_map(value, of)
        case list():
            return _of_list(value, of)
    if of.scalar is None:
        return _not_restored(of, value)
    return "" if _fits(value, of.scalar) else f"unrecognized type: {_go_kind(of)}"


def _of_map(value: dict[str, Any], of: Type) -> str:
    if of.map is None:
        return _not_restored(of, value)
    parts = ((part, inner) for name, part in sorted(value.items()) if (inner := of.map.of(name)) is not None)
    return next((why for part, inner in parts if (why := misfit(part, inner()))), "")


def _of_list(value: list[Any], of: Type) -> str:
    if of.list is None:
        return _not_restored(of, value)
    element = of.list.element()
    return next((why for part in value if (why := misfit(part, element))), "")


def _not_restored(of: Type, value: Any) -> str:
    if of.scalar is not None:
        return f"unrecognized type: {_go_kind(of)}"
    if of.list is not None:
        return f"cannot restore slice from {_kind_of(value)}"
    if of.map is not None and of.map.fields:
        return f"cannot restore struct from: {_kind_of(value)}"
    return f"cannot restore map from {_kind_of(value)}"


def _fits(value: Any, scalar: Scalar) -> bool:
    match scalar:
        case Scalar.BOOLEAN:
            return isinstance(value, bool)
        case Scalar.NUMERIC:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _go_kind(of: Type) -> str:
    match of.scalar:
        case Scalar.STRING:
            return "string"
        case Scalar.BOOLEAN:
            return "bool"
        case _:
            return of.format or "int64"


def _kind_of(value: Any) -> str:
    match value:
        case dict():
            return "map"
        case list():
            return "slice"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
    return "string"
