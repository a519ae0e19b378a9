"""Fills in what a schema says of absent fields."""

from copy import deepcopy
from typing import Any

from hub.sandbox.crds import schemas
from hub.sandbox.crds.schemas import NOTHING, Schema


def default(value: Any, schema: Schema | None) -> Any:
    """Return a value with defaults where nothing is said, or null where null may not be."""
    if schema is None:
        return value
    match value:
        case dict():
            filled = dict(value)
            for name, part in schemas.properties(schema).items():
                if part.get("default") is not None and name not in filled:
                    filled[name] = deepcopy(part["default"])
            return {name: _inner(part, schemas.part_of(schema, name)) for name, part in filled.items()}
        case list():
            return [_inner(part, schemas.items(schema)) for part in value]
        case _:
            return value


def drop_nulls(value: Any, schema: Schema | None) -> Any:
    """Return a value without the nulls that may not be there and that no default replaces."""
    match value:
        case dict():
            return {
                name: drop_nulls(part, inner)
                for name, part in value.items()
                for inner in [schemas.part_of(schema, name)]
                if not (_is_wrong_null(part, inner) and (inner or NOTHING).get("default") is None)
            }
        case list():
            inner = schemas.items(schema) if schema is not None else None
            return [drop_nulls(part, inner) for part in value]
        case _:
            return value


def _inner(value: Any, schema: Schema | None) -> Any:
    if schema is not None and _is_wrong_null(value, schema):
        value = deepcopy(schema.get("default"))
    return default(value, schema)


def _is_wrong_null(value: Any, schema: Schema | None) -> bool:
    # Where anything may be (an empty schema of other fields), null may be too: nobody declared a type for it.
    return value is None and bool(schema) and not (schema or NOTHING).get("nullable")
