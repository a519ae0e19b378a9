"""Reads a structural schema: the JSON of a CustomResourceDefinition's version, as it is stored. Never changed."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]
NOTHING: Schema = {}
META_FIELDS = ("apiVersion", "kind", "metadata")
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def properties(schema: Schema) -> Mapping[str, Schema]:
    """Return the declared fields by name."""
    return schema.get("properties") or NOTHING


def additional(schema: Schema) -> Schema | None:
    """Return the schema of every other field, empty where anything may be there, None where nothing may."""
    found = schema.get("additionalProperties")
    if found is None or found is False:
        return None
    return NOTHING if found is True else found


def items(schema: Schema) -> Schema | None:
    """Return the schema of a list's items."""
    found = schema.get("items")
    return found if isinstance(found, Mapping) else None


def part_of(schema: Schema | None, step: str | int) -> Schema | None:
    """Return the schema of a field or an item, None where none is declared."""
    if schema is None:
        return None
    if isinstance(step, int):
        return items(schema)
    return properties(schema).get(step) or additional(schema)


def keeps_unknown(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def is_embedded(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource"))


def is_int_or_string(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-int-or-string"))


def list_type(schema: Schema) -> str:
    return schema.get("x-kubernetes-list-type") or ""


def list_keys(schema: Schema) -> list[str]:
    return schema.get("x-kubernetes-list-map-keys") or []


def walk(schema: Schema) -> Iterator[Schema]:
    """Return a schema and all schemas in it, those of logical parts too."""
    yield schema
    for name in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(name) or ():
            yield from walk(part)
    inner = [
        schema.get("not"),
        items(schema),
        schema.get("additionalProperties"),
        *properties(schema).values(),
    ]
    for one in inner:
        if isinstance(one, Mapping):
            yield from walk(one)
