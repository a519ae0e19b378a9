"""Declares the types of a schema to the rule compiler, so that it finds wrong fields and operators when a definition is written."""

from typing import Any

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from hub.sandbox.crds import schemas
from hub.sandbox.crds.cel.values import escaped, inner
from hub.sandbox.crds.schemas import Schema

ROOT = "Self"
_F = FieldDescriptorProto
_SCALARS = {
    "string": _F.TYPE_STRING,
    "integer": _F.TYPE_INT64,
    "number": _F.TYPE_DOUBLE,
    "boolean": _F.TYPE_BOOL,
}
_KNOWN = {
    "date": ".google.protobuf.Timestamp",
    "date-time": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
}
_ANYTHING = ".google.protobuf.Value"
_NEEDED = (struct_pb2, timestamp_pb2, duration_pb2)


def declare(schema: Schema) -> DescriptorPool:
    """Return a pool in which `Self.self` has the type of a schema's values."""
    file = FileDescriptorProto(
        name="self.proto", syntax="proto3", dependency=[one.DESCRIPTOR.name for one in _NEEDED]
    )
    holder = file.message_type.add(name="Holder")
    _field(file, holder, "self", schema, "Self")
    pool = DescriptorPool()
    for one in _NEEDED:
        pool.AddSerializedFile(one.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _message(file: FileDescriptorProto, schema: Schema, name: str) -> str:
    message = file.message_type.add(name=name)
    for field, part in schemas.properties(schema).items():
        known = escaped(field)
        if known is not None and _is_typed(part):
            _field(file, message, known, inner(part), f"{name}_{len(file.message_type)}")
    return f".{name}"


def _is_typed(schema: Schema) -> bool:
    if schemas.is_int_or_string(schema):
        return True
    match schema.get("type"):
        case "array":
            part = schemas.items(schema)
            return part is not None and _is_typed(part)
        case "object":
            others = schemas.additional(schema)
            return (
                bool(schemas.properties(schema))
                or schemas.is_embedded(schema)
                or others is None
                or _is_typed(others)
            )
        case None | "":
            return False
        case _:
            return True


def _field(
    file: FileDescriptorProto, message: DescriptorProto, name: str, schema: Schema, unique: str
) -> None:
    field = message.field.add(name=name, number=len(message.field) + 1, label=_F.LABEL_OPTIONAL)
    match schema.get("type"):
        case "array" if (part := schemas.items(schema)) is not None and _is_single(part):
            field.label = _F.LABEL_REPEATED
            _type(file, field, inner(part), unique)
        case "object" if _is_map(schema) and _is_single(schemas.additional(schema) or {}):
            entry = message.nested_type.add(name=_entry_name(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_F.LABEL_OPTIONAL, type=_F.TYPE_STRING)
            value = entry.field.add(name="value", number=2, label=_F.LABEL_OPTIONAL)
            _type(file, value, inner(schemas.additional(schema) or {}), unique)
            field.label, field.type = _F.LABEL_REPEATED, _F.TYPE_MESSAGE
            field.type_name = f".{message.name}.{entry.name}"
        case _:
            _type(file, field, schema, unique)


def _type(file: FileDescriptorProto, field: Any, schema: Schema, unique: str) -> None:
    kind, form = schema.get("type"), schema.get("format")
    if schemas.is_int_or_string(schema) or not kind or kind == "array" or _is_map(schema):
        field.type, field.type_name = _F.TYPE_MESSAGE, _ANYTHING
    elif kind == "object":
        field.type, field.type_name = _F.TYPE_MESSAGE, _message(file, schema, unique)
    elif kind == "string" and form in _KNOWN:
        field.type, field.type_name = _F.TYPE_MESSAGE, _KNOWN[form]
    else:
        field.type = _F.TYPE_BYTES if kind == "string" and form == "byte" else _SCALARS[kind]


def _is_map(schema: Schema) -> bool:
    return schemas.additional(schema) is not None and not schemas.properties(schema)


def _is_single(schema: Schema) -> bool:
    # Lists and maps in lists and maps cannot be declared: they are judged when a rule runs.
    return schema.get("type") != "array" and not _is_map(schema)


def _entry_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"
