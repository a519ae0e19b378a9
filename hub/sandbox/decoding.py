"""Reads the body of a request: JSON or YAML into a value, and which of its fields no kind has or were given twice."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from hub.build.kubeyaml import YAMLInvalid, load
from hub.sandbox import protobuf
from hub.sandbox.refusals import Refused, bad_request, unsupported_media_type
from hub.sandbox.schema import Scalar, Type
from hub.sandbox.wire import Request

_JSON = ("application/json", "")
_YAML = ("application/yaml",)
READ = ("application/json", "application/yaml", protobuf.MEDIA_TYPE)


class Twice(dict[str, Any]):
    """An object in whose text some names stand twice; the last value counts."""

    __slots__ = ("names",)

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        pairs = list(pairs)
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.names = tuple(name for name, count in counts.items() if count > 1)


def body_of(request: Request, kind: str) -> Any:
    """Return the value of a body that is an object of a kind. Raises Refused."""
    media_type = request.media_type
    if media_type in _JSON:
        return read_json(request.body, kind)
    if media_type in _YAML:
        return read_yaml(request.body)
    if media_type == protobuf.MEDIA_TYPE:
        return read_protobuf(request.body)
    raise unsupported_media_type(media_type, READ)


def read_json(data: bytes, kind: str) -> Any:
    """Read JSON, noting what stands twice. Raises Refused."""
    try:
        return json.loads(data, object_pairs_hook=Twice, parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {problem} "
            f"({data[:16].hex()}{' ...' if len(data) > 16 else ''})"
        ) from problem


def read_yaml(data: bytes) -> Any:
    """Read one YAML document as kubectl does. Raises Refused."""
    try:
        return load(data)
    except YAMLInvalid as problem:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {problem}") from problem


def read_protobuf(data: bytes) -> Any:
    """Read an object of a built-in kind as typed clients send it. Raises Refused."""
    try:
        return protobuf.read(data)
    except protobuf.UnknownKind as problem:
        raise unsupported_media_type(protobuf.MEDIA_TYPE, (*_JSON[:1], *_YAML)) from problem
    except protobuf.Unreadable as problem:
        raise bad_request(f"error decoding protobuf: {problem}") from problem


def strict_faults(value: Any, of: Type, path: str = "") -> Iterator[str]:
    """Yield, in the order of the text, which fields are not declared or stand twice."""
    if isinstance(value, dict):
        for name in getattr(value, "names", ()):
            yield f'duplicate field "{path}{name}"'
        if of.map is None:
            return
        for name, part in value.items():
            inner = of.map.of(name)
            if inner is None:
                yield f'unknown field "{path}{name}"'
            else:
                yield from strict_faults(part, inner(), f"{path}{name}.")
    elif isinstance(value, list) and of.list is not None:
        for index, part in enumerate(value):
            yield from strict_faults(part, of.list.element(), f"{path.removesuffix('.')}[{index}].")


def declared(value: Any, of: Type) -> Any:
    """Return a value without the fields that are not declared."""
    if isinstance(value, dict) and of.map is not None:
        known = [(name, part, of.map.of(name)) for name, part in value.items()]
        return {name: declared(part, inner()) for name, part, inner in known if inner is not None}
    if isinstance(value, list) and of.list is not None:
        element = of.list.element()
        return [declared(part, element) for part in value]
    return value


def check_types(value: Any, of: Type, kind: str, owner: str = "", path: str = "") -> None:
    """Check that a value has the form that a built-in kind is decoded into. Raises Refused in the words of Go's decoder."""
    owner = owner or kind
    if value is None:
        return
    if isinstance(value, dict):
        if of.map is None and of.scalar is not Scalar.UNTYPED:
            raise _mismatch("object", of, owner, path)
        if of.map is not None:
            # A struct of its own is where the path of its fields begins.
            inner_owner = of.short_name if of.map.fields and of.name and not path else owner
            for name, part in value.items():
                inner = of.map.of(name)
                if inner is not None:
                    check_types(part, inner(), kind, inner_owner, f"{path}.{name}")
    elif isinstance(value, list):
        if of.list is None and of.scalar is not Scalar.UNTYPED:
            raise _mismatch("array", of, owner, path)
        if of.list is not None:
            for part in value:
                check_types(part, of.list.element(), kind, owner, path)
    elif not _fits(value, of):
        raise _mismatch(_json_name(value), of, owner, path)


def _fits(value: Any, of: Type) -> bool:
    match of.scalar:
        case Scalar.STRING:
            return isinstance(value, str)
        case Scalar.BOOLEAN:
            return isinstance(value, bool)
        case Scalar.NUMERIC:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Scalar.UNTYPED:
            return True
        case None:
            return False


def _mismatch(found: str, of: Type, owner: str, path: str) -> Refused:
    wanted = {
        Scalar.STRING: "string",
        Scalar.BOOLEAN: "bool",
        Scalar.NUMERIC: of.format or "int64",
    }
    name = wanted.get(of.scalar, of.short_name) if of.scalar is not None else of.short_name or "struct"
    return bad_request(f"json: cannot unmarshal {found} into Go struct field {owner}{path} of type {name}")


def _json_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "string" if isinstance(value, str) else "number"


def _no_number(text: str) -> Any:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")
