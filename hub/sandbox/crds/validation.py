"""Judges a custom resource by its schema, in the order and the words of the real server.

What did not change in an update is not judged again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.sandbox.crds import faults, formats, schemas
from hub.sandbox.crds.cel.patterns import matches
from hub.sandbox.crds.correlation import Correlated
from hub.sandbox.crds.faults import Fault
from hub.sandbox.crds.schemas import Schema
from hub.sandbox.wording import quoted, same

_INT_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_FORMATS_OF: Mapping[type, str] = {int: "int64", float: "float64"}


def validate(value: Any, schema: Schema, before: Correlated | None = None, *, base: str = "") -> list[Fault]:
    """Return all that is wrong with a value. `before` correlates it with the old one; `base` is where it stands."""
    found = _judge(value, schema, "", before).faults
    if not base:
        return found
    return [
        Fault(
            kind=one.kind,
            path=faults.child(base, one.path) if one.path else base,
            value=one.value,
            detail=one.detail,
        )
        for one in found
    ]


@dataclass(slots=True)
class _Result:
    """Faults, and how much was right: of several schemas none of which fits, the one that fits best explains."""

    faults: list[Fault] = field(default_factory=list)
    matched: int = 0

    def add(self, other: "_Result") -> None:
        self.faults += other.faults
        self.matched += other.matched


def _judge(value: Any, schema: Schema, path: str, before: Correlated | None) -> _Result:
    result = _Result()
    if value is None:
        result.add(_type(value, schema, path))
        result.faults += _enum(value, schema, path)
        return result
    for check in _checks(value, schema):
        result.add(check(value, schema, path, before))
        result.matched += 1
    result.matched += 1
    # What is as it was stays tolerated, whatever was tightened since.
    return _Result() if result.faults and before is not None and before.is_unchanged else result


_Check = Callable[[Any, Schema, str, Correlated | None], _Result]


def _checks(value: Any, schema: Schema) -> Iterator[_Check]:
    if schema.get("type") or schemas.is_int_or_string(schema) or _format(schema):
        yield lambda value, schema, path, before: _type(value, schema, path)
    yield _logic
    if isinstance(value, str):
        yield lambda value, schema, path, before: _Result(list(_text(value, schema, path))[:1])
        if _format(schema) and not _types(schema) & {"integer", "number"}:
            yield lambda value, schema, path, before: _Result(list(_formatted(value, schema, path)))
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield lambda value, schema, path, before: _Result(list(_number(value, schema, path)), 1)
    if isinstance(value, list):
        yield _list
    yield lambda value, schema, path, before: _Result(list(_enum(value, schema, path)))
    if isinstance(value, dict):
        yield _fields


def _types(schema: Schema) -> set[str]:
    if schemas.is_int_or_string(schema):
        return {"integer", "string"}
    return {schema["type"]} if schema.get("type") else set()


def _format(schema: Schema) -> str:
    """Return the format that is enforced, empty for a mere note."""
    name, kind = schema.get("format") or "", schema.get("type") or ""
    match kind:
        case "" | "string":
            known = not schemas.is_int_or_string(schema) and formats.is_enforced(name)
        case "integer":
            known = name in _INT_RANGES
        case "number":
            known = name in ("float", "double")
        case _:
            known = False
    return name if known else ""


def _type(value: Any, schema: Schema, path: str) -> _Result:
    wanted, found = _types(schema), type_of(value)
    names = "integer,string" if schemas.is_int_or_string(schema) else "".join(wanted)
    if value is None:
        ok = not wanted or bool(schema.get("nullable"))
    elif _format(schema) and not wanted & {"integer", "number"} and isinstance(value, str | list):
        ok = True
    else:
        whole = isinstance(value, float) and value.is_integer() and "integer" in wanted
        ok = not wanted or found in wanted or whole or (found == "integer" and "number" in wanted)
    if ok:
        return _Result(matched=1)
    if _format(schema) and value is not None and not isinstance(value, str | list):
        names, found = _format(schema), _FORMATS_OF.get(type(value), "")
    text = f'{path} in body must be of type {names}: "{found}"'
    return _Result([faults.type_invalid(path, found, text)])


def type_of(value: Any) -> str:
    """Return the name of a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _text(value: str, schema: Schema, path: str) -> Iterator[Fault]:
    most, least, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if most is not None and len(value) > most:
        yield faults.too_long(path, most)
    if least is not None and len(value) < least:
        yield faults.invalid(path, value, f"{path} in body should be at least {least} chars long")
    if pattern and not matches(value, pattern):
        yield faults.invalid(path, value, f"{path} in body should match '{pattern}'")


def _formatted(value: str, schema: Schema, path: str) -> Iterator[Fault]:
    name = _format(schema)
    if not formats.has_format(value, name):
        yield faults.type_invalid(path, value, f"{path} in body must be of type {name}: {quoted(value)}")


def _number(value: float, schema: Schema, path: str) -> Iterator[Fault]:
    low, high = _INT_RANGES.get(_format(schema), _INT_RANGES["int64"])
    if _types(schema) == {"integer"} and (not float(value).is_integer() or not low <= value <= high):
        of = f"with format {_format(schema)}" if _format(schema) else "(default format)"
        yield faults.invalid("", "", f"Checked value must be of type integer {of} in {path}")
    factor, most, least = schema.get("multipleOf"), schema.get("maximum"), schema.get("minimum")
    if factor and value % (int(factor) if isinstance(value, int) and int(factor) else factor):
        yield faults.invalid(path, value, f"{path} in body should be a multiple of {_bound(value, factor)}")
    if most is not None:
        bound = int(most) if isinstance(value, int) else most
        exclusive = bool(schema.get("exclusiveMaximum"))
        if value > bound or (exclusive and value == bound):
            word = "less than" if exclusive else "less than or equal to"
            yield faults.invalid(path, value, f"{path} in body should be {word} {_bound(value, most)}")
    if least is not None:
        bound = int(least) if isinstance(value, int) else least
        exclusive = bool(schema.get("exclusiveMinimum"))
        if value < bound or (exclusive and value == bound):
            word = "greater than" if exclusive else "greater than or equal to"
            yield faults.invalid(path, value, f"{path} in body should be {word} {_bound(value, least)}")


def _bound(value: float, bound: float) -> str:
    # The server compares a whole number with a whole bound.
    return str(int(bound)) if isinstance(value, int) else faults.number(float(bound))


def _enum(value: Any, schema: Schema, path: str) -> Iterator[Fault]:
    known = schema.get("enum")
    if known and not any(same(value, one) for one in known):
        names = [one if isinstance(one, str) else faults.as_json(one) for one in known]
        yield faults.not_supported(path, value, names)


def _list(value: list[Any], schema: Schema, path: str, before: Correlated | None) -> _Result:
    result, inner = _Result(matched=1), schemas.items(schema)
    if inner is not None:
        for index, part in enumerate(value):
            was = before.at(index) if before is not None else None
            result.add(_judge(part, inner, faults.indexed(path, index), was))
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and len(value) < least:
        text = f"{path} in body should have at least {least} items"
        result.faults.append(faults.invalid(path, len(value), text))
    if most is not None and len(value) > most:
        result.faults.append(faults.too_many(path, len(value), most))
    return result


def _fields(value: dict[str, Any], schema: Schema, path: str, before: Correlated | None) -> _Result:
    result, declared = _Result(), schemas.properties(schema)
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    if least is not None and len(value) < least:
        text = f"{path} in body should have at least {least} properties"
        result.faults.append(faults.invalid(path, len(value), text))
    if most is not None and len(value) > most:
        result.faults.append(faults.too_many(path, len(value), most))
    others = schema.get("additionalProperties")
    for name, part in value.items():
        if name in declared:
            continue
        if others is False:
            result.faults.append(faults.invalid(path, "", f"{path}.{name} in body is a forbidden property"))
        elif isinstance(others, dict):
            result.add(_judge(part, others, f"{path}.{name}".removeprefix("."), _at(before, name, path)))
    for name in sorted(declared):
        if name in value:
            result.add(_judge(value[name], declared[name], faults.child(path, name), _at(before, name, path)))
    for name in schema.get("required") or ():
        if name not in value:
            result.faults.append(faults.required(f"{path}.{name}".removeprefix(".")))
    return result


def _at(before: Correlated | None, name: str, path: str) -> Correlated | None:
    # apiVersion and kind are as the request wants them: both objects were converted to that version.
    if before is None or (not path and name in ("apiVersion", "kind")):
        return None
    return before.at(name)


def _logic(value: Any, schema: Schema, path: str, before: Correlated | None) -> _Result:
    del before  # The real server judges the logical parts of what changed as if all of it were new.
    result = _Result(matched=1)
    for judge, name in ((_any_of, "anyOf"), (_one_of, "oneOf"), (_all_of, "allOf")):
        parts = schema.get(name)
        if parts:
            result.add(judge([_judge(value, part, path, None) for part in parts], path))
    negated = schema.get("not")
    if negated is not None and not _judge(value, negated, path, None).faults:
        result.faults.append(_about(path, "must not validate the schema (not)"))
    return result


def _any_of(results: list[_Result], path: str) -> _Result:
    fitting = next((one for one in results if not one.faults), None)
    if fitting is not None:
        return fitting
    best = max(results, key=lambda one: one.matched)
    return _Result([_about(path, "must validate at least one schema (anyOf)"), *best.faults], best.matched)


def _one_of(results: list[_Result], path: str) -> _Result:
    fitting = [one for one in results if not one.faults]
    if len(fitting) == 1:
        return fitting[0]
    text = "must validate one and only one schema (oneOf). "
    if fitting:
        return _Result([_about(path, f"{text}Found {len(fitting)} valid alternatives")])
    best = max(results, key=lambda one: one.matched)
    return _Result([_about(path, f"{text}Found none valid"), *best.faults], best.matched)


def _all_of(results: list[_Result], path: str) -> _Result:
    merged = _Result()
    for one in results:
        merged.add(one)
    wrong = sum(bool(one.faults) for one in results)
    if wrong:
        more = ". None validated" if wrong == len(results) else ""
        merged.faults.append(_about(path, f"must validate all the schemas (allOf){more}"))
    return merged


def _about(path: str, text: str) -> Fault:
    return faults.invalid("", "", f"{quoted(path)} {text}")
