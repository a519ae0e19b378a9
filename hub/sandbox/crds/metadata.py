"""Reads metadata, of a custom resource and of whole objects in one: only what metadata has stays, in the right types."""

from collections.abc import Mapping
from typing import Any

from hub.sandbox.crds import faults, schemas
from hub.sandbox.crds.faults import Fault
from hub.sandbox.crds.schemas import META_FIELDS, NOTHING, Schema

_TEXT, _WHOLE, _TRUTH, _TIME, _FREE = "string", "int64", "bool", "Time", "free"
_OWNER: Mapping[str, Any] = {
    "apiVersion": _TEXT,
    "kind": _TEXT,
    "name": _TEXT,
    "uid": _TEXT,
    "controller": _TRUTH,
    "blockOwnerDeletion": _TRUTH,
}
_MANAGED: Mapping[str, Any] = {
    "manager": _TEXT,
    "operation": _TEXT,
    "apiVersion": _TEXT,
    "time": _TIME,
    "fieldsType": _TEXT,
    "fieldsV1": _FREE,
    "subresource": _TEXT,
}
_FIELDS: Mapping[str, Any] = {
    "name": _TEXT,
    "generateName": _TEXT,
    "namespace": _TEXT,
    "selfLink": _TEXT,
    "uid": _TEXT,
    "resourceVersion": _TEXT,
    "generation": _WHOLE,
    "creationTimestamp": _TIME,
    "deletionTimestamp": _TIME,
    "deletionGracePeriodSeconds": _WHOLE,
    "labels": (_TEXT,),
    "annotations": (_TEXT,),
    "ownerReferences": [_OWNER],
    "finalizers": [_TEXT],
    "managedFields": [_MANAGED],
}
_ALWAYS = frozenset(("apiVersion", "kind", "name", "uid"))


class Malformed(Exception):
    """Metadata that cannot be read, in the words of the real server's decoder."""


def read(metadata: Any, path: str = "metadata") -> tuple[Any, list[str]]:
    """Return metadata with what is known of it, and the paths of what is not. Raises Malformed."""
    unknown: list[str] = []
    if metadata is None:
        return {}, unknown
    known = _struct(metadata, _FIELDS, "ObjectMeta", "", unknown)
    return known, [f"{path}.{one}" for one in unknown]


def read_embedded(value: Any, schema: Schema | None, path: str = "") -> tuple[Any, list[str]]:
    """Return a value with the metadata of the whole objects in it read, and the paths of what is not known of it.

    Raises Malformed.
    """
    unknown: list[str] = []
    return _embedded(value, schema, path, unknown), sorted(unknown)


def faults_of_embedded(value: Any, schema: Schema | None, path: str = "") -> list[Fault]:
    """Return what is wrong with the whole objects in a value."""
    if schema is None:
        return []
    found: list[Fault] = []
    match value:
        case dict():
            if schemas.is_embedded(schema):
                found += _whole_object(value, path)
            for name, part in value.items():
                inner, at = schemas.properties(schema).get(name), faults.child(path, name)
                if inner is None:
                    inner, at = schemas.additional(schema), faults.indexed(path, name)
                found += faults_of_embedded(part, inner, at)
        case list():
            for index, part in enumerate(value):
                found += faults_of_embedded(part, schemas.items(schema), faults.indexed(path, index))
    return found


def _whole_object(value: dict[str, Any], path: str) -> list[Fault]:
    found = [
        faults.required(faults.child(path, name)) for name in ("apiVersion", "kind") if name not in value
    ]
    for name in ("apiVersion", "kind"):
        given, at = value.get(name, NOTHING), faults.child(path, name)
        if given is NOTHING:
            continue
        if not isinstance(given, str):
            found.append(faults.invalid(at, given, "must be a string"))
        elif not given:
            found.append(faults.invalid(at, given, "must not be empty"))
        elif name == "apiVersion" and given.count("/") > 1:
            found.append(faults.invalid(at, given, f"unexpected GroupVersion string: {given}"))
    return found


def _embedded(value: Any, schema: Schema | None, path: str, unknown: list[str]) -> Any:
    if schema is None:
        return value
    match value:
        case dict():
            kept = dict(value)
            if schemas.is_embedded(schema):
                for name in ("apiVersion", "kind"):
                    if name in kept and not isinstance(kept[name], str):
                        raise Malformed(
                            f"{faults.child(path, name)}: Invalid value: {faults.shown(kept[name])}: must be a string"
                        )
                if "metadata" in kept:
                    at = faults.child(path, "metadata")
                    try:
                        kept["metadata"], more = read(kept["metadata"], at)
                    except Malformed as error:
                        raise Malformed(
                            f"{at}: Invalid value: {faults.shown(kept['metadata'])}: {error}"
                        ) from error
                    unknown += more
            for name, part in kept.items():
                if not (schemas.is_embedded(schema) and name in META_FIELDS):
                    kept[name] = _embedded(
                        part, schemas.part_of(schema, name), faults.child(path, name), unknown
                    )
            return kept
        case list():
            return [
                _embedded(part, schemas.items(schema), f"{path}[{at}]", unknown)
                for at, part in enumerate(value)
            ]
        case _:
            return value


def _struct(
    value: Any, fields: Mapping[str, Any], kind: str, path: str, unknown: list[str]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        where = f"field {path} of type" if path else "value of type"
        raise Malformed(f"json: cannot unmarshal {_name(value)} into Go {where} v1.{kind}")
    kept = {}
    for name, part in value.items():
        at = f"{path}.{name}" if path else name
        shape = fields.get(name)
        if shape is None:
            unknown.append(at)
        elif part is not None:
            read_part = _value(part, shape, at, unknown)
            if read_part not in ("", 0, {}, []) or (name in _ALWAYS and path) or shape in (_TRUTH, _FREE):
                kept[name] = read_part
    for name in _ALWAYS & fields.keys() if path and fields is _OWNER else ():
        kept.setdefault(name, "")
    return kept


def _value(value: Any, shape: Any, path: str, unknown: list[str]) -> Any:
    match shape:
        case tuple():
            _expect(isinstance(value, dict), value, path, "map[string]string")
            return {
                name: "" if part is None else _value(part, _TEXT, path, unknown)
                for name, part in value.items()
            }
        case [dict() as fields]:
            kind = "OwnerReference" if fields is _OWNER else "ManagedFieldsEntry"
            _expect(isinstance(value, list), value, path, f"[]v1.{kind}")
            return [_struct(part, fields, kind, f"{path}[{at}]", unknown) for at, part in enumerate(value)]
        case [_]:
            _expect(isinstance(value, list), value, path, "[]string")
            return [_value(part, _TEXT, path, unknown) for part in value]
        case "string" | "Time":
            _expect(isinstance(value, str), value, path, "string")
        case "int64":
            _expect(isinstance(value, int) and not isinstance(value, bool), value, path, "int64")
        case "bool":
            _expect(isinstance(value, bool), value, path, "bool")
    return value


def _expect(ok: bool, value: Any, path: str, kind: str) -> None:
    if not ok:
        raise Malformed(
            f"json: cannot unmarshal {_name(value)} into Go struct field ObjectMeta.{path} of type {kind}"
        )


def _name(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
