"""Judges the schema of a version beyond its structure: keywords that are not supported, lists, defaults, rules."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hub.sandbox.crds import faults, internals, metadata, pruning, rules, schemas, validation
from hub.sandbox.crds.cel import programs, values
from hub.sandbox.crds.faults import Fault, child, indexed
from hub.sandbox.crds.schemas import META_FIELDS, Schema
from hub.sandbox.wording import same

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = {
    "id": "id is not supported",
    "additionalItems": "additionalItems is not supported",
    "patternProperties": "patternProperties is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}
_QUADRATIC = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a schema stands in the whole."""

    is_root: bool = False
    in_metadata: bool = False
    no_defaults: str = ""
    uncorrelated: str = ""
    has_rules: bool = True


def faults_of(schema: Schema, path: str, *, judges_rules: bool) -> list[Fault]:
    """Return what is wrong with a version's schema; `judges_rules` when it is sound otherwise."""
    shape, rule = _judge(schema, path, _Place(is_root=True, has_rules=judges_rules))
    return [*shape, *rule]


def faults_of_defaults(schema: Schema, path: str, *, is_root: bool = True) -> Iterator[Fault]:
    """Yield the defaults that the schema itself would not accept."""
    default = schema.get("default")
    if default is not None:
        yield from _default(default, schema, child(path, "default"))
    inner = schemas.items(schema)
    if inner is not None:
        yield from faults_of_defaults(inner, child(path, "items"), is_root=False)
    for name, part in schemas.properties(schema).items():
        if not (is_root and name in META_FIELDS):
            yield from faults_of_defaults(part, indexed(child(path, "properties"), name), is_root=False)


def _default(default: Any, schema: Schema, path: str) -> Iterator[Fault]:
    if not same(pruning.prune_part(default, schema), default):
        yield faults.invalid(path, default, "must not have unknown fields")
    found = metadata.faults_of_embedded(default, schema, path) or validation.validate(
        default, schema, base=path
    )
    yield from found or list(rules.broken(default, default, schema, path=path, is_root=False))


def _judge(schema: Schema, path: str, place: _Place) -> tuple[list[Fault], list[Fault]]:
    shape, rule = list(_standard(schema, path, place)), list[Fault]()
    for inner, at, where in _parts(schema, path, place):
        more_shape, more_rule = _judge(inner, at, where)
        shape += more_shape
        rule += more_rule
    shape += _kubernetes(schema, path)
    shape += _rules_as_written(schema, path)
    if not shape and place.has_rules:
        rule += _rules(schema, path, place)
    return shape, rule


def _standard(schema: Schema, path: str, place: _Place) -> Iterator[Fault]:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        yield faults.not_supported(child(path, "type"), kind, _TYPES)
    if schema.get("default") is not None and place.no_defaults:
        yield faults.forbidden(child(path, "default"), f"must not be set {place.no_defaults}")
    for name, text in _UNSUPPORTED.items():
        if schema.get(name):
            yield faults.forbidden(child(path, name), text)
    if kind == "null":
        text = "type cannot be set to null, use nullable as an alternative"
        yield faults.forbidden(child(path, "type"), text)
    if isinstance(schema.get("items"), list):
        yield faults.forbidden(child(path, "items"), "items must be a schema object and not an array")
    if place.in_metadata and schemas.is_embedded(schema):
        text = "must not be used inside of resource meta"
        yield faults.forbidden(child(path, "x-kubernetes-embedded-resource"), text)
    if schema.get("uniqueItems"):
        yield faults.forbidden(child(path, "uniqueItems"), _QUADRATIC)
    others = schema.get("additionalProperties")
    if others is not None and others is not True and schemas.properties(schema):
        text = "additionalProperties and properties are mutual exclusive"
        yield faults.forbidden(child(path, "additionalProperties"), text)


def _parts(schema: Schema, path: str, place: _Place) -> Iterator[tuple[Schema, str, _Place]]:
    inside = replace(place, is_root=False)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        text = (
            "inside additionalProperties applying to object metadata"
            if place.in_metadata
            else place.no_defaults
        )
        yield others, child(path, "additionalProperties"), replace(inside, no_defaults=text)
    for name, part in schemas.properties(schema).items():
        where = inside
        if (place.is_root or schemas.is_embedded(schema)) and name in META_FIELDS:
            text = f"in top-level {name}" if place.is_root else place.no_defaults
            where = replace(inside, in_metadata=True, no_defaults=text)
        yield part, indexed(child(path, "properties"), name), where
    logical = replace(inside, has_rules=False)
    if schema.get("not") is not None:
        yield schema["not"], child(path, "not"), logical
    for name in ("allOf", "oneOf", "anyOf"):
        for index, part in enumerate(schema.get(name) or ()):
            yield part, indexed(child(path, name), index), logical
    inner = schemas.items(schema)
    if inner is not None:
        lost = place.uncorrelated or ("" if schemas.list_type(schema) == "map" else path)
        yield inner, child(path, "items"), replace(inside, uncorrelated=lost)


def _kubernetes(schema: Schema, path: str) -> Iterator[Fault]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield faults.invalid(
            child(path, "x-kubernetes-preserve-unknown-fields"), False, "must be true or undefined"
        )
    yield from _typed(schema, path, "x-kubernetes-map-type", "object", ("atomic", "granular"))
    yield from _set_items(schema, path)
    yield from _typed(schema, path, "x-kubernetes-list-type", "array", ("atomic", "set", "map"))
    yield from _map_list(schema, path)
    if schemas.list_type(schema) in ("set", "map") and schemas.items(schema) is not None:
        yield from _sound_keys(schema, path)


def _typed(schema: Schema, path: str, name: str, wanted: str, known: tuple[str, ...]) -> Iterator[Fault]:
    value, kind = schema.get(name), schema.get("type") or ""
    if value is None:
        return
    if kind != wanted:
        text = f"must be {wanted} if {name} is specified"
        yield (
            faults.invalid(child(path, "type"), kind, text)
            if kind
            else faults.required(child(path, "type"), text)
        )
    if value not in known:
        yield faults.not_supported(child(path, name), value, known)


def _set_items(schema: Schema, path: str) -> Iterator[Fault]:
    inner = schemas.items(schema)
    if schemas.list_type(schema) != "set" or inner is None or schema.get("type") != "array":
        return
    text, nested = (
        "must be atomic as item of a list with x-kubernetes-list-type=set",
        inner.get("x-kubernetes-list-type"),
    )
    match inner.get("type"):
        case "array" if nested not in (None, "atomic"):
            yield faults.invalid(f"{child(path, 'items')}.x-kubernetes-list-type", nested, text)
        case "object" if inner.get("x-kubernetes-map-type") != "atomic":
            yield faults.invalid(f"{child(path, 'items')}.x-kubernetes-map-type", nested, text)


def _map_list(schema: Schema, path: str) -> Iterator[Fault]:
    keys, kind, at = (
        schemas.list_keys(schema),
        schemas.list_type(schema),
        child(path, "x-kubernetes-list-map-keys"),
    )
    if keys and kind != "map":
        text, where = (
            "must be map if x-kubernetes-list-map-keys is non-empty",
            child(path, "x-kubernetes-list-type"),
        )
        yield faults.invalid(where, kind, text) if kind else faults.required(where, text)
    if kind != "map":
        return
    if not keys:
        yield faults.required(at, "must not be empty if x-kubernetes-list-type is map")
    inner = schemas.items(schema)
    if inner is None:
        yield faults.required(child(path, "items"), "must have a schema if x-kubernetes-list-type is map")
        return
    if inner.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield faults.invalid(f"{child(path, 'items')}.type", inner.get("type") or "", text)
        return
    for index, key in enumerate(keys):
        declared = schemas.properties(inner).get(key)
        if declared is None:
            yield faults.invalid(at, keys, "entries must all be names of item properties")
        elif declared.get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield faults.invalid(f"{path}.items.properties[{key}].type", inner["type"], text)
        if key in keys[:index]:
            yield faults.invalid(at, keys, "must not contain duplicate entries")


def _sound_keys(schema: Schema, path: str) -> Iterator[Fault]:
    inner, kind = schemas.items(schema) or {}, schemas.list_type(schema)
    if inner.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {kind}"
        yield faults.forbidden(f"{path}.items.nullable", text)
    for key in schemas.list_keys(schema) if kind == "map" else ():
        declared, at = schemas.properties(inner).get(key), f"{path}.items.properties[{key}]"
        if declared is None:
            continue
        because = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (inner.get("required") or ()) and declared.get("default") is None:
            yield faults.required(f"{at}.default", f"{because} must have a default or be a required property")
        if declared.get("nullable"):
            yield faults.forbidden(f"{at}.nullable", f"{because} cannot be nullable")


def _rules_as_written(schema: Schema, path: str) -> Iterator[Fault]:
    for index, rule in enumerate(schema.get(rules.RULES) or ()):
        at = indexed(child(path, rules.RULES), index)
        text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
        if not text:
            yield faults.required(f"{at}.rule", "rule is not specified")
        elif message and not message.strip():
            yield faults.invalid(f"{at}.message", message, "must be non-empty if specified")
        elif "\n" in message.strip():
            yield faults.invalid(f"{at}.message", message, "must not contain line breaks")
        elif "\n" in text and not message.strip():
            yield faults.required(f"{at}.message", "message must be specified if rule contains line breaks")
        if rule.get("messageExpression") and not rule["messageExpression"].strip():
            yield faults.required(
                f"{at}.messageExpression", "messageExpression must be non-empty if specified"
            )
        reason, where = rule.get("reason"), rule.get("fieldPath") or ""
        if reason is not None and reason not in _REASONS:
            yield faults.not_supported(f"{at}.reason", reason, _REASONS)
        if where and not _is_field(schema, where):
            yield faults.invalid(f"{at}.fieldPath", where, "must be a valid path")


def _is_field(schema: Schema, path: str) -> bool:
    inner: Schema | None = schema
    for step in programs.field_steps(path):
        inner = schemas.part_of(inner, step)
    return inner is not None and bool(programs.field_steps(path))


def _rules(schema: Schema, path: str, place: _Place) -> Iterator[Fault]:
    seen = values.rooted(schema) if place.is_root or schemas.is_embedded(schema) else schema
    for index, rule in enumerate(schema.get(rules.RULES) or ()):
        at, is_optional = indexed(child(path, rules.RULES), index), bool(rule.get("optionalOldSelf"))
        if why := programs.fault_of(rule["rule"], seen, is_optional, "bool"):
            yield faults.invalid(f"{at}.rule", internals.rule(rule), why)
        expression = rule.get("messageExpression")
        if expression and (why := programs.fault_of(expression, seen, is_optional, "string")):
            yield faults.invalid(f"{at}.messageExpression", internals.rule(rule), why)
        if why:
            continue
        if programs.uses_old(rule["rule"]):
            if place.uncorrelated:
                text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
                yield faults.invalid(f"{at}.rule", rule["rule"], text)
        elif rule.get("optionalOldSelf") is not None:
            text = "may not be set if oldSelf is not used in rule"
            yield faults.invalid(f"{at}.optionalOldSelf", rule["optionalOldSelf"], text)
