"""Turns a custom resource into what rules see: by its schema, with the names that rules can write."""

import base64
import re
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hub.sandbox.crds import formats, schemas
from hub.sandbox.crds.schemas import Schema

_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_SPECIAL = re.compile(r"__|[./-]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_META: Schema = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}
_TEXT: Schema = {"type": "string"}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def escaped(name: str) -> str | None:
    """Return a field's name as rules write it, None when they cannot."""
    if not name or name[0].isdigit() or not re.fullmatch(r"[A-Za-z0-9_./-]+", name):
        return None
    return f"__{name}__" if name in _RESERVED else _SPECIAL.sub(lambda found: _ESCAPES[found[0]], name)


def rooted(schema: Schema) -> Schema:
    """Return the schema of a whole object, with what every object has: of the metadata, rules see the name alone."""
    declared = {**schemas.properties(schema), "apiVersion": _TEXT, "kind": _TEXT, "metadata": _META}
    return {**schema, "properties": declared}


def inner(schema: Schema) -> Schema:
    """Return the schema of a part, which may be a whole object."""
    return rooted(schema) if schemas.is_embedded(schema) else schema


def visible(value: Any, schema: Schema) -> Any:
    """Return a value as rules see it."""
    match value:
        case dict():
            declared, others = schemas.properties(schema), schemas.additional(schema)
            if others is not None and not declared:
                return {name: visible(part, inner(others)) for name, part in value.items()}
            return {
                known: visible(value[name], inner(part))
                for name, part in declared.items()
                if name in value and (known := escaped(name)) is not None
            }
        case list():
            part = schemas.items(schema) or schemas.NOTHING
            return [visible(one, inner(part)) for one in value]
        case str():
            return _text(value, schema)
        case int() if schema.get("type") == "number" and not isinstance(value, bool):
            return float(value)
        case float() if schema.get("type") == "integer":
            return int(value)
        case _:
            return value


def _text(value: str, schema: Schema) -> Any:
    match schema.get("format"):
        case "byte" if formats.is_base64(value):
            return base64.b64decode(value)
        case "date" if formats.is_date(value):
            return _moment(f"{value}T00:00:00Z")
        case "date-time" if formats.is_date_time(value):
            return _moment(value.upper())
        case "duration" if formats.is_duration(value):
            return _duration(value)
        case _:
            return value


def _moment(text: str) -> Timestamp:
    moment = Timestamp()
    moment.FromJsonString(text)
    return moment


def _duration(text: str) -> Duration:
    nanos = sum(int(float(number) * _SECONDS[unit]) for number, unit in _PART.findall(text))
    duration = Duration()
    duration.FromNanoseconds(-nanos if text.startswith("-") else nanos)
    return duration
