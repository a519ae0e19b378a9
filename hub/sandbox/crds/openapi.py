"""The OpenAPI v3 of the kinds that definitions make in one version of a group: what `kubectl explain` and `apply` read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.crds import schemas
from hub.sandbox.crds.schemas import Schema
from hub.sandbox.openapi.paths import (
    TEXT,
    gvk_list,
    operation,
    part_of_object,
    path,
    reference,
    whole_collection,
    whole_object,
)

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
_TIME: Schema = {"type": "string", "format": "date-time"}
_TRUTH: Schema = {"type": "boolean"}
_WHOLE: Schema = {"type": "integer", "format": "int64"}
_API_VERSION: Schema = {**TEXT, "description": "The group and version of this form of the object."}
_KIND: Schema = {**TEXT, "description": "The kind of the object."}
_SHARED: Mapping[str, Schema] = {
    f"{_META}.ObjectMeta": {
        "type": "object",
        "description": "What all stored objects have.",
        "properties": {
            **dict.fromkeys(
                ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), TEXT
            ),
            **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TIME),
            **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), _WHOLE),
            **dict.fromkeys(("labels", "annotations"), _TEXTS),
            "finalizers": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
            "ownerReferences": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["apiVersion", "kind", "name", "uid"],
                    "properties": {
                        **dict.fromkeys(("apiVersion", "kind", "name", "uid"), TEXT),
                        **dict.fromkeys(("controller", "blockOwnerDeletion"), _TRUTH),
                    },
                },
                "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-list-type": "map",
            },
            "managedFields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        **dict.fromkeys(
                            ("manager", "operation", "apiVersion", "fieldsType", "subresource"), TEXT
                        ),
                        "time": _TIME,
                        "fieldsV1": {"type": "object"},
                    },
                },
                "x-kubernetes-list-type": "atomic",
            },
        },
    },
    f"{_META}.ListMeta": {
        "type": "object",
        "description": "What all lists have.",
        "properties": {
            **dict.fromkeys(("continue", "resourceVersion", "selfLink"), TEXT),
            "remainingItemCount": _WHOLE,
        },
    },
}


def document(definitions: Iterable[Object], version: str) -> Object:
    """Return the document of definitions of one group that serve a version."""
    paths: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for definition in definitions:
        for one in definition["spec"]["versions"]:
            if one["name"] == version and one["served"]:
                paths.update(_paths(definition, one))
                models.update(_models(definition, one))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted({**models, **_SHARED}.items()))},
    }


def model_name(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's schema: the group's labels from the last to the first."""
    return ".".join((*reversed(group.split(".")), version, kind))


def _models(definition: Object, version: Object) -> Iterator[tuple[str, Any]]:
    spec, names = definition["spec"], definition["spec"]["names"]
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    name = model_name(spec["group"], version["name"], names["kind"])
    whole = _whole(_embedded(schema))
    yield name, {**whole, **gvk_list(spec["group"], version["name"], names["kind"])}
    items = {"type": "array", "items": reference(name)}
    yield (
        model_name(spec["group"], version["name"], names["listKind"]),
        {
            "type": "object",
            "description": f"{names['listKind']} is a list of {names['kind']}",
            "required": ["items"],
            "properties": {
                "apiVersion": _API_VERSION,
                "kind": _KIND,
                "metadata": {"allOf": [reference(f"{_META}.ListMeta")]},
                "items": items,
            },
            **gvk_list(spec["group"], version["name"], names["listKind"]),
        },
    )


def _whole(schema: Schema) -> Schema:
    meta = {"allOf": [reference(f"{_META}.ObjectMeta")], "description": "What all stored objects have."}
    declared = {**schemas.properties(schema), "apiVersion": _API_VERSION, "kind": _KIND, "metadata": meta}
    return {**schema, "properties": declared}


def _embedded(schema: Schema) -> Schema:
    """Return a schema in which the whole objects say that they are such."""
    made = dict(schema)
    if schema.get("properties"):
        made["properties"] = {name: _part(part) for name, part in schemas.properties(schema).items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            made[name] = _part(schema[name])
    return made


def _part(schema: Schema) -> Schema:
    made = _embedded(schema)
    if not schemas.is_embedded(schema):
        return made
    required = [*(schema.get("required") or ()), "kind", "apiVersion"]
    return {**_whole(made), "required": list(dict.fromkeys(required))}


def _paths(definition: Object, version: Object) -> Iterator[tuple[str, Any]]:
    spec, names, parts = definition["spec"], definition["spec"]["names"], version.get("subresources") or {}
    gvk = {"group": spec["group"], "version": version["name"], "kind": names["kind"]}
    root = f"/apis/{spec['group']}/{version['name']}"
    is_namespaced = spec["scope"] == "Namespaced"
    one = reference(model_name(spec["group"], version["name"], names["kind"]))
    many = reference(model_name(spec["group"], version["name"], names["listKind"]))
    where = (
        f"{root}/namespaces/{{namespace}}/{names['plural']}" if is_namespaced else f"{root}/{names['plural']}"
    )
    if is_namespaced:
        yield f"{root}/{names['plural']}", {"get": operation("list", gvk, many, ())}
    known = ("namespace",) if is_namespaced else ()
    yield where, path(gvk, whole_collection(one, many), known)
    yield f"{where}/{{name}}", path(gvk, whole_object(one), (*known, "name"))
    if parts.get("status") is not None:
        yield f"{where}/{{name}}/status", path(gvk, part_of_object(one), (*known, "name"))
    if parts.get("scale"):
        yield f"{where}/{{name}}/scale", path(gvk, part_of_object({"type": "object"}), (*known, "name"))
