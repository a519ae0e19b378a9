"""The paths of an OpenAPI v3 document: which operations there are at an endpoint, and what they take. Pure."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
Operations = Mapping[str, tuple[str, Schema, tuple[str, ...]]]
"""By method: the action, the schema of what is answered, and the names of query parameters."""
TEXT: Schema = {"type": "string"}
STRATEGIC = "application/strategic-merge-patch+json"
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_WRITES = ("dryRun", "fieldManager", "fieldValidation")


def whole_collection(one: Schema, many: Schema) -> Operations:
    """Return what can be done with the objects of a kind."""
    return {
        "get": ("list", many, ()),
        "post": ("post", one, _WRITES),
        "delete": ("deletecollection", {}, ()),
    }


def part_of_object(of: Schema) -> Operations:
    """Return what can be done at a subresource that is read and written."""
    return {"get": ("get", of, ()), "put": ("put", of, _WRITES), "patch": ("patch", of, (*_WRITES, "force"))}


def whole_object(one: Schema) -> Operations:
    """Return what can be done with one object."""
    return {**part_of_object(one), "delete": ("delete", {}, ("dryRun",))}


def path(
    gvk: Schema, operations: Operations, known: tuple[str, ...], patches: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return an endpoint. `known` are the parameters in its path, `patches` the forms of a patch beside the usual ones."""
    made: dict[str, Any] = {
        method: operation(action, gvk, of, asked, patches)
        for method, (action, of, asked) in operations.items()
    }
    made["parameters"] = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in known]
    return made


def operation(
    action: str, gvk: Schema, of: Schema, asked: tuple[str, ...], patches: tuple[str, ...] = ()
) -> Schema:
    """Return one operation."""
    content = {"application/json": {"schema": of}}
    body: dict[str, Any] = {}
    if action in ("post", "put"):
        body = {"requestBody": {"required": True, "content": content}}
    elif action == "patch":
        forms = {kind: {"schema": {"type": "object"}} for kind in (*_PATCHES, *patches)}
        body = {"requestBody": {"required": True, "content": forms}}
    return {
        "parameters": [{"name": name, "in": "query", "schema": TEXT} for name in asked],
        **body,
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
    }


def gvk_list(group: str, version: str, kind: str) -> Schema:
    """Return what says of a schema whose it is."""
    return {"x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": kind}]}


def reference(name: str) -> Schema:
    """Return a schema that is another one."""
    return {"$ref": f"#/components/schemas/{name}"}
