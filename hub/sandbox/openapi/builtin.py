"""The OpenAPI v3 of built-in kinds, one document per group and version, made of their reduced schema: without prose, but with all that
clients decide by. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha512
from typing import Any

import msgspec

from hub.sandbox.discovery import VERSION
from hub.sandbox.kinds.catalogue import Served, Subresource, built_in
from hub.sandbox.openapi.paths import (
    STRATEGIC,
    Operations,
    Schema,
    gvk_list,
    operation,
    path,
    reference,
    whole_collection,
    whole_object,
)
from hub.sandbox.schema import builtin

_METHODS = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_SCALARS: Mapping[str, Schema] = {
    "any": {},
    "untyped": {"type": "object"},
    # A quantity is written as either.
    "opaque": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
_MEMBERS = {"merge": "x-kubernetes-patch-merge-key", "strategy": "x-kubernetes-patch-strategy"}


def document(group: str, version: str) -> Schema:
    """Return a document."""
    kinds = [one for one in built_in() if (one.resource.group, one.resource.version) == (group, version)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": dict(sorted(pair for one in kinds for pair in _paths(one))),
        "components": {"schemas": dict(sorted(_schemas(group, version)))},
    }


@cache
def digest(group: str, version: str) -> str:
    """Return what names the content of a document; it is made of what the document is made of."""
    head = f"{group}/{version}\n".encode()
    return sha512(head + msgspec.json.encode(builtin().nodes, order="sorted")).hexdigest().upper()


def _schemas(group: str, version: str) -> Iterator[tuple[str, Any]]:
    """Yield the schemas of a group's kinds and of all they are made of."""
    schema = builtin()
    kinds = {schema.type_name(*one): one for one in schema.kinds()}
    waiting = [name for name, one in kinds.items() if one[:2] == (group, version)]
    waiting += [schema.type_name(one.group, one.version, one.kind) for one in _parts(group, version)]
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in done or name not in schema.nodes:
            continue
        done.add(name)
        node = schema.nodes[name]
        waiting += _named_in(node)
        yield name, {**_schema(node), **(gvk_list(*kinds[name]) if name in kinds else {})}


def _parts(group: str, version: str) -> Iterator[Subresource]:
    for one in built_in():
        if (one.resource.group, one.resource.version) == (group, version):
            yield from (part for part in one.subresources if part.version)


def _named_in(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "ref" in node:
            yield node["ref"]
        for inner in (*node.get("fields", {}).values(), node.get("of")):
            yield from _named_in(inner)


def _schema(node: Any) -> dict[str, Any]:
    if isinstance(node, str):
        kind, _, form = node.partition("/")
        return dict(_SCALARS.get(kind) or {"type": kind, **({"format": form} if form else {})})
    more: dict[str, Any] = {name: node[key] for key, name in _MEMBERS.items() if key in node}
    if "default" in node or node.get("always"):
        more["default"] = node.get("default", {})
    if "ref" in node:
        return {"allOf": [reference(node["ref"])], **more}
    if "scalar" in node:
        return {**_schema(node["scalar"]), **more}
    if "list" in node:
        more["x-kubernetes-list-type"] = node["list"]
        if node.get("keys"):
            more["x-kubernetes-list-map-keys"] = node["keys"]
        return {"type": "array", "items": _schema(node["of"]), **more}
    made: dict[str, Any] = {"type": "object", **more}
    if "fields" in node:
        made["properties"] = {name: _schema(inner) for name, inner in node["fields"].items()}
    if "of" in node:
        made["additionalProperties"] = _schema(node["of"])
    if node.get("required"):
        made["required"] = node["required"]
    if node.get("atomic"):
        made["x-kubernetes-map-type"] = "atomic"
    return made


def _paths(served: Served) -> Iterator[tuple[str, Any]]:
    resource = served.resource
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    known = ("namespace",) if resource.namespaced else ()
    where = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
    one = _reference(resource.group, resource.version, resource.kind)
    many = _reference(resource.group, resource.version, f"{resource.kind}List")
    if resource.namespaced and "list" in served.verbs:
        yield f"{root}/{resource.plural}", {"get": operation("list", gvk, many, ())}
    collection = _allowed(whole_collection(one, many), served.verbs, ("list", "create", "deletecollection"))
    if collection:
        yield f"{where}/{resource.plural}", path(gvk, collection, known)
    single = _allowed(whole_object(one), served.verbs, ("get", "update", "patch", "delete"))
    if single:
        yield f"{where}/{resource.plural}/{{name}}", _object_path(gvk, single, known)
    for part in served.subresources:
        own = {"group": part.group, "version": part.version} if part.version else gvk
        of = {**own, "kind": part.kind}
        answered = _reference(of["group"], of["version"], of["kind"])
        verbs = _allowed(
            {**whole_collection(answered, answered), **whole_object(answered)},
            part.verbs,
            ("get", "create", "update", "patch"),
        )
        if verbs:
            yield f"{where}/{resource.plural}/{{name}}/{part.name}", _object_path(of, verbs, known)


def _object_path(gvk: Schema, operations: Operations, known: tuple[str, ...]) -> dict[str, Any]:
    return path(gvk, operations, (*known, "name"), (STRATEGIC,))


def _allowed(operations: Operations, verbs: Iterable[str], of_these: tuple[str, ...]) -> Operations:
    methods = {_METHODS[verb] for verb in verbs if verb in of_these}
    return {method: found for method, found in operations.items() if method in methods}


def _reference(group: str, version: str, kind: str) -> Schema:
    name = builtin().type_name(group, version, kind)
    return reference(name) if name else {"type": "object"}
