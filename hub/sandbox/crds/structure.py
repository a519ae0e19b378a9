"""Judges whether a schema is structural: every field has one type, said outside of logical parts."""

from collections.abc import Iterator
from enum import Enum

from hub.sandbox.crds import faults, schemas
from hub.sandbox.crds.cel import patterns
from hub.sandbox.crds.faults import Fault, child, indexed
from hub.sandbox.crds.schemas import INT_OR_STRING, Schema

_JUNCTORS = ("anyOf", "allOf", "oneOf")
_NESTED_EMPTY = {"title": "empty", "description": "empty"}
_NESTED_EXTENSIONS = {
    "x-kubernetes-preserve-unknown-fields": "false",
    "x-kubernetes-embedded-resource": "false",
    "x-kubernetes-int-or-string": "false",
    "x-kubernetes-list-map-keys": "empty",
    "x-kubernetes-list-type": "undefined",
    "x-kubernetes-map-type": "undefined",
    "x-kubernetes-validations": "empty",
}


class _Level(Enum):
    """Where a schema stands, as messages name it."""

    ROOT = "at the root"
    ITEM = "for specified array items"
    FIELD = "for specified object fields"


def faults_of(schema: Schema, path: str) -> list[Fault]:
    """Return why a version's schema is not structural, in the order of the messages."""
    found = [*_invariants(schema, _Level.ROOT, path), *_unnamed(schema, schema, path, path)]
    return sorted(found, key=lambda one: f"{one.path}: {one.message}")


def _invariants(schema: Schema, level: _Level, path: str) -> Iterator[Fault]:
    kind, inner = schema.get("type") or "", schemas.items(schema)
    if kind == "array" and inner is None:
        yield faults.required(child(path, "items"), "must be specified")
    if inner is not None:
        yield from _invariants(inner, _Level.ITEM, child(path, "items"))
    for name, part in schemas.properties(schema).items():
        yield from _invariants(part, _Level.FIELD, indexed(child(path, "properties"), name))
    others = schema.get("additionalProperties")
    if others is not None:
        at = child(path, "additionalProperties")
        if level is _Level.ROOT:
            yield faults.forbidden(at, "must not be used at the root")
        if schemas.is_embedded(schema):
            yield faults.forbidden(at, "must not be used if x-kubernetes-embedded-resource is set")
        if isinstance(others, dict):
            yield from _invariants(others, _Level.FIELD, at)
    yield from _extensions(schema, path)
    yield from _values(schema, path, schemas.is_int_or_string(schema))
    yield from _type(schema, level, path)
    yield from _metadata(schema, level, path)


def _extensions(schema: Schema, path: str) -> Iterator[Fault]:
    if not schemas.is_int_or_string(schema):
        return
    for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
        if schema.get(name):
            yield faults.invalid(
                child(path, name), True, "must be false if x-kubernetes-int-or-string is true"
            )


def _type(schema: Schema, level: _Level, path: str) -> Iterator[Fault]:
    kind, at = schema.get("type") or "", child(path, "type")
    if schemas.is_embedded(schema) and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield faults.invalid(at, kind, text) if kind else faults.required(at, text)
    elif not kind and not schemas.is_int_or_string(schema) and not schemas.keeps_unknown(schema):
        yield faults.required(at, f"must not be empty {level.value}")
    if level is _Level.ROOT and kind not in ("", "object"):
        yield faults.invalid(at, kind, "must be object at the root")


def _metadata(schema: Schema, level: _Level, path: str) -> Iterator[Fault]:
    declared, at = schemas.properties(schema), child(path, "properties")
    is_whole = level is _Level.ROOT or schemas.is_embedded(schema)
    for name in ("kind", "apiVersion"):
        if is_whole and name in declared and declared[name].get("type") != "string":
            yield faults.invalid(f"{at}[{name}].type", declared[name].get("type") or "", "must be string")
    metadata = declared.get("metadata")
    if metadata is not None:
        if is_whole and metadata.get("type") != "object":
            yield faults.invalid(f"{at}[metadata].type", metadata.get("type") or "", "must be object")
        if level is _Level.ROOT and not _names_only(metadata):
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield faults.forbidden(f"{at}[metadata]", text)
    if schemas.is_embedded(schema) and not schemas.keeps_unknown(schema) and not declared:
        text = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield faults.required(at, text)


def _names_only(metadata: Schema) -> bool:
    said = {name for name, part in metadata.items() if part not in (None, "", {}, [], False)}
    return said <= {"type", "properties", "default"} and schemas.properties(metadata).keys() <= {
        "name",
        "generateName",
    }


def _values(schema: Schema, path: str, is_int_or_string: bool) -> Iterator[Fault]:
    """Yield what is wrong with the logical parts of a schema. Those that say what int-or-string means are its own."""
    for name in _JUNCTORS:
        for index, part in enumerate(schema.get(name) or ()):
            is_meaning = is_int_or_string and (
                schema.get("anyOf") == INT_OR_STRING if name == "anyOf" else name == "allOf" and not index
            )
            if not (is_meaning and name == "anyOf"):
                yield from _nested(part, indexed(child(path, name), index), is_meaning)
    if schema.get("not") is not None:
        yield from _nested(schema["not"], child(path, "not"), False)
    pattern = schema.get("pattern")
    if pattern and (why := patterns.fault_of(pattern)):
        text = f"must be a valid regular expression, but isn't: error parsing regexp: {why}"
        yield faults.invalid(child(path, "pattern"), pattern, text)


def _nested(schema: Schema, path: str, may_mean_int_or_string: bool) -> Iterator[Fault]:
    yield from _values(schema, path, may_mean_int_or_string)
    inner = schemas.items(schema)
    if inner is not None:
        yield from _nested(inner, child(path, "items"), False)
    for name, part in schemas.properties(schema).items():
        yield from _nested(part, indexed(child(path, "properties"), name), False)
    if schema.get("type"):
        yield faults.forbidden(child(path, "type"), "must be empty to be structural")
    if schema.get("additionalProperties") is not None:
        yield faults.forbidden(child(path, "additionalProperties"), "must be undefined to be structural")
    if schema.get("default") is not None:
        yield faults.forbidden(child(path, "default"), "must be undefined to be structural")
    for name, wanted in _NESTED_EMPTY.items():
        if schema.get(name):
            yield faults.forbidden(child(path, name), f"must be {wanted} to be structural")
    if schema.get("nullable"):
        yield faults.forbidden(child(path, "nullable"), "must be false to be structural")
    for name, wanted in _NESTED_EXTENSIONS.items():
        if schema.get(name):
            yield faults.forbidden(child(path, name), f"must be {wanted} to be structural")
    if "metadata" in schemas.properties(schema):
        yield faults.forbidden(
            f"{child(path, 'properties')}[metadata]", "must not be specified in a nested context"
        )


def _unnamed(part: Schema, whole: Schema, path: str, at: str) -> Iterator[Fault]:
    """Yield the fields that logical parts name and the schema itself does not. `at` is where the part stands."""
    for name in _JUNCTORS:
        for index, one in enumerate(part.get(name) or ()):
            yield from _part(one, whole, path, indexed(child(at, name), index))
    if part.get("not") is not None:
        yield from _part(part["not"], whole, path, child(at, "not"))


def _part(part: Schema, whole: Schema, path: str, at: str) -> Iterator[Fault]:
    yield from _unnamed(part, whole, path, at)
    inner = schemas.items(part)
    if inner is not None:
        yield from _maybe(inner, schemas.items(whole), child(path, "items"), child(at, "items"))
    for name, one in schemas.properties(part).items():
        known = schemas.properties(whole).get(name)
        where = indexed(child(path, "properties"), name), indexed(child(at, "properties"), name)
        yield from _maybe(one, known, *where)


def _maybe(part: Schema, whole: Schema | None, path: str, at: str) -> Iterator[Fault]:
    if whole is None:
        yield faults.required(path, f"because it is defined in {at}")
    else:
        yield from _part(part, whole, path, at)
