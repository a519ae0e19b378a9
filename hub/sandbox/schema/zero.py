"""What is there before anybody wrote anything: servers hold built-in kinds as structs, and some of their members cannot be absent."""

from typing import Any

from hub.sandbox.schema.model import Field, Scalar, Type


def zero(of: Type) -> dict[str, Any]:
    """Return the empty object of a kind: structs held by value are there and empty, required members are there and null or zero."""
    if of.map is None:
        return {}
    found = {name: _zero_of(field) for name, field in of.map.fields.items() if field.always or field.required}
    return {name: value for name, value in found.items() if name not in ("apiVersion", "kind")}


def with_always(value: Any, of: Type) -> Any:
    """Return a value with the structs that are always there, at every depth. Nulls of members that can be absent are dropped."""
    if isinstance(value, dict) and of.map is not None:
        result = {}
        for name, part in value.items():
            inner = of.map.of(name)
            if part is None and not (name in of.map.fields and of.map.fields[name].required):
                continue
            result[name] = with_always(part, inner()) if inner is not None else part
        for name, field in of.map.fields.items():
            if field.always and name not in result:
                result[name] = with_always({}, field.of())
        return result
    if isinstance(value, list) and of.list is not None:
        element = of.list.element()
        return [with_always(item, element) for item in value]
    return value


def _zero_of(field: Field) -> Any:
    of = field.of()
    if field.always:
        return zero(of)
    match of.scalar:
        case Scalar.STRING:
            return ""
        case Scalar.NUMERIC:
            return 0
        case Scalar.BOOLEAN:
            return False
        case _:
            return None
