"""How resources become values: one frozen form for all of them, and one error for what is not of that form.

Every value of this package is a frozen `msgspec.Struct` whose fields are the resource's own in snake_case. Parsing ignores
what it does not know, treats null as absent, and never lets an error of the library out.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from hub.model.durations import Duration, MalformedDuration

V = TypeVar("V", bound="Value")


class Value(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every value; a subclass repeats `frozen=True, kw_only=True`."""


class MalformedResource(ValueError):
    """A resource is not of the form its schema promises. Names the object and the field, so that a person can put it right."""

    def __init__(self, *, kind: str, namespace: str, name: str, detail: str) -> None:
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.detail = detail
        subject = "/".join(part for part in (namespace, name) if part) or "without a name"
        super().__init__(f"{kind or 'object'} {subject} is malformed: {detail}")


def read(type_: type[V], raw: Mapping[str, object]) -> V:
    """Return the resource as a value of the type, its spec also as it came under `raw_spec`.

    Raises MalformedResource.
    """
    metadata = raw.get("metadata")
    known = metadata if isinstance(metadata, Mapping) else {}
    spec = raw.get("spec")
    try:
        return convert(type_, {**raw, "rawSpec": spec if isinstance(spec, Mapping) else {}})
    except MalformedDuration as problem:
        detail = str(problem)
    except msgspec.ValidationError as problem:
        detail = str(problem).replace("$.", "")
    raise MalformedResource(
        kind=str(raw.get("kind") or type_.__name__),
        namespace=str(known.get("namespace") or ""),
        name=str(known.get("name") or ""),
        detail=detail,
    )


def convert(type_: type[V], raw: Mapping[str, object]) -> V:
    """Return a part of a resource as a value. Raises `msgspec.ValidationError` or MalformedDuration: callers name the object."""
    value: V = msgspec.convert(_without_nulls(raw), type_, dec_hook=_decode)
    return value


def raw(value: Value) -> dict[str, object]:
    """Return the value as the API server knows it: camelCase, defaults left out."""
    built: dict[str, object] = msgspec.to_builtins(value, enc_hook=str)
    return built


def _decode(type_: type, text: object) -> object:
    if type_ is Duration and isinstance(text, str):
        return Duration.parse(text)
    raise msgspec.ValidationError(f"Expected `{type_.__name__}`, got `{text!r}`")


def _without_nulls(node: object) -> object:
    if isinstance(node, Mapping):
        return {key: _without_nulls(child) for key, child in node.items() if child is not None}
    if isinstance(node, (list, tuple)):
        return [_without_nulls(child) for child in node]
    return node
