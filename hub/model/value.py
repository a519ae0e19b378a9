"""How resources become values: one frozen form for all of them, and one error for what is not of that form.

Every value of this package is a frozen `msgspec.Struct` whose fields are the resource's own in snake_case. Parsing ignores
what it does not know, treats null as absent, and never lets an error of the library out.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from agent.kit.errors import Stalled
from hub.model.durations import Duration

MALFORMED = "MalformedResource"

V = TypeVar("V", bound="Value")


class Value(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every value; a subclass repeats `frozen=True, kw_only=True`."""


class MalformedResource(Stalled):
    """A resource is not of the form its schema promises. Names the object and the field, so that a person can put it right."""

    def __init__(self, *, kind: str, namespace: str, name: str, detail: str) -> None:
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.detail = detail
        subject = "/".join(part for part in (namespace, name) if part) or "without a name"
        super().__init__(f"{kind or 'object'} {subject} is malformed: {detail}", reason=MALFORMED)


def read(type_: type[V], raw: Mapping[str, object]) -> V:
    """Return the resource as a value of the type, its spec also as it came (without nulls) under `raw_spec`.

    Raises MalformedResource.
    """
    metadata, spec, status = (_without_nulls(raw.get(part) or {}) for part in ("metadata", "spec", "status"))
    known = metadata if isinstance(metadata, Mapping) else {}
    try:
        return _convert(type_, {"metadata": metadata, "spec": spec, "status": status, "rawSpec": spec})
    except msgspec.ValidationError as problem:
        raise MalformedResource(
            kind=str(raw.get("kind") or type_.__name__),
            namespace=str(known.get("namespace") or ""),
            name=str(known.get("name") or ""),
            detail=str(problem).replace("$.", ""),
        ) from problem


def raw(value: Value) -> dict[str, object]:
    """Return the value as the API server gives it back: camelCase, lists, defaults left out; equal values are equal so too.

    Since defaults are left out, a merge patch must set to null what was there before and is not in the new one.
    """
    # Through JSON, because tuples would never equal the lists of an answer.
    built: dict[str, object] = msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    return built


def merge_patch(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Return the merge patch from one value to another; empty when they are equal. See RFC 7386."""
    patch: dict[str, object] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            patch[name] = merge_patch(old, new)
        else:
            patch[name] = new
    return patch


def _convert(type_: type[V], parts: Mapping[str, object]) -> V:
    value: V = msgspec.convert(parts, type_, dec_hook=_decode)
    return value


def _decode(type_: type, given: object) -> object:
    """Read what msgspec does not know; a ValueError from here comes out as its own error, with the place added."""
    if type_ is object:
        return given
    if type_ is Duration and isinstance(given, str):
        return Duration.parse(given)
    raise ValueError(f"Expected `{type_.__name__}`, got `{given!r}`")


def _without_nulls(node: object) -> object:
    if isinstance(node, Mapping):
        return {key: _without_nulls(child) for key, child in node.items() if child is not None}
    if isinstance(node, (list, tuple)):
        return [_without_nulls(child) for child in node]
    return node
