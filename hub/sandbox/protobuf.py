"""Reads objects of built-in kinds in protobuf, as typed clients send them, into the JSON that means the same. Pure.

The file of messages is written by `python -m e2e.controlplane.protobuf`.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from agent.kube.api import Object
from hub.sandbox.schema import builtin

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_OPTIONS = f"{_META}.DeleteOptions"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(ValueError):
    """Bytes that are no object of a known kind."""


class UnknownKind(Unreadable):
    """An object of a kind that is not read in this form."""


class _Field(msgspec.Struct, frozen=True, array_like=True):
    number: int
    name: str
    type: str
    flags: str


def read(data: bytes) -> Object:
    """Return the object in a body. Raises Unreadable."""
    if not data.startswith(_MAGIC):
        raise Unreadable("it does not begin as an object does")
    try:
        envelope = dict(_parts(data[len(_MAGIC) :]))
        head = {1: b"", 2: b""} | dict(_parts(envelope.get(1, b"")))
        api_version, kind = head[1].decode(), head[2].decode()
        value = _message(envelope.get(2, b""), _type_of(api_version, kind))
    except UnknownKind:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        struct.error,
    ) as problem:
        raise Unreadable(str(problem)) from problem
    return {"kind": kind, "apiVersion": api_version, **value}


def _type_of(api_version: str, kind: str) -> str:
    if kind == "DeleteOptions":
        return _OPTIONS
    group, _, version = api_version.rpartition("/")
    name = builtin().type_name(group, version, kind)
    if name not in _messages():
        raise UnknownKind(f"{api_version}, Kind={kind}")
    return name


@cache
def _messages() -> Mapping[str, Mapping[int, _Field]]:
    text = files("hub.sandbox.schema").joinpath("protobuf.json").read_bytes()
    found = msgspec.json.decode(text, type=dict[str, tuple[_Field, ...]])
    return {name: {one.number: one for one in fields} for name, fields in found.items()}


def _message(data: bytes, name: str) -> Any:
    if name in _SPECIAL:
        return _SPECIAL[name](dict(_parts(data)))
    fields = _messages()[name]
    made: dict[str, Any] = {}
    for number, raw in _parts(data):
        field = fields.get(number)
        if field is None:
            continue
        if "m" in field.flags:
            made.setdefault(field.name, {}).update(_entry(raw, field.type))
        elif "r" in field.flags:
            made.setdefault(field.name, []).append(_value(raw, field.type))
        elif not field.name:
            made.update(_value(raw, field.type))
        elif (value := _value(raw, field.type)) or "o" not in field.flags or isinstance(value, dict):
            made[field.name] = value
    # A named list of texts is a message of its own here, and a plain list in JSON.
    return made.get("items", []) if _is_list(name, fields) else made


def _is_list(name: str, fields: Mapping[int, _Field]) -> bool:
    return len(fields) == 1 and fields[1].name == "items" and name not in builtin().nodes


def _entry(data: bytes, kind: str) -> dict[str, Any]:
    parts = dict(_parts(data))
    return {parts.get(1, b"").decode(): _value(parts.get(2, _zero(kind)), kind)}


def _zero(kind: str) -> Any:
    return 0 if kind in ("bool", "int32", "int64") else b""


def _value(raw: Any, kind: str) -> Any:
    match kind:
        case "string":
            return raw.decode()
        case "bytes":
            return base64.b64encode(raw).decode()
        case "bool":
            return bool(raw)
        case "int32" | "int64":
            return raw - (1 << 64) if raw >= 1 << 63 else raw
        case "double":
            return struct.unpack("<d", raw)[0]
        case _:
            return _message(raw, kind)


def _parts(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and the raw value of each field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = _varint(data, at)
            case 5:
                length = 4
            case other:
                raise Unreadable(f"there is no wire type {other}")
        if at + length > len(data):
            raise Unreadable("it ends too early")
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Unreadable("it ends too early")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _time(parts: Mapping[int, Any]) -> str | None:
    seconds = parts.get(1, 0)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}" if seconds else None


def _micro_time(parts: Mapping[int, Any]) -> str | None:
    seconds, micros = parts.get(1, 0), parts.get(2, 0) // 1000
    if not seconds and not micros:
        return None
    return f"{_EPOCH + timedelta(seconds=seconds, microseconds=micros):%Y-%m-%dT%H:%M:%S.%fZ}"


def _int_or_text(parts: Mapping[int, Any]) -> int | str:
    return str(parts.get(3, b""), "utf-8") if parts.get(1) else int(_value(parts.get(2, 0), "int32"))


def _json(parts: Mapping[int, Any]) -> Any:
    return json.loads(parts[1]) if parts.get(1) else None


_SPECIAL: Mapping[str, Callable[[Mapping[int, Any]], Any]] = {
    f"{_META}.Time": _time,
    f"{_META}.MicroTime": _micro_time,
    f"{_META}.FieldsV1": _json,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda parts: parts.get(1, b"").decode(),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _json,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_text,
}
