"""What is there before a case begins: the kinds that the table brings, and the case's namespace."""

import json
from typing import Any

from e2e.contract.table.case import CUSTOM, GROUP, JSON
from e2e.contract.table.player import Call

_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
_ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": _TEXT, "proto": {"type": "string", "default": "TCP"}, "size": _NUMBER},
}
_SPEC: dict[str, Any] = {
    "type": "object",
    "x-kubernetes-validations": [
        {"rule": "!has(self.size) || self.size < 100", "message": "size must be less than 100"},
        {"rule": "!has(oldSelf.fixed) || self.fixed == oldSelf.fixed", "message": "fixed is immutable"},
    ],
    "properties": {
        "replicas": {"type": "integer", "default": 1},
        "size": {"type": "integer", "minimum": 0},
        "name": {"type": "string", "maxLength": 20},
        "mode": {"type": "string", "enum": ["On", "Off"], "default": "On"},
        "fixed": _TEXT,
        "flag": {"type": "boolean"},
        "items": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "proto"],
            "items": _ITEM,
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT},
        "args": {"type": "array", "items": _TEXT},
        "whole": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"a": _TEXT, "b": _TEXT},
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "port": {"x-kubernetes-int-or-string": True},
        "nested": {
            "type": "object",
            "properties": {"x": _TEXT, "y": {"type": "object", "properties": {"z": _NUMBER}}},
        },
    },
}
_STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {"phase": _TEXT, "replicas": _NUMBER, "selector": _TEXT},
}


def _definition(plural: str) -> dict[str, Any]:
    resource = next(one for one in CUSTOM if one.plural == plural)
    schema = {"type": "object", "properties": {"spec": _SPEC, "status": _STATUS}}
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, "scale": scale},
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
        ],
        "selectableFields": [{"jsonPath": ".spec.name"}],
    }
    names = {
        "plural": plural,
        "singular": plural[:-1],
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": names,
            "versions": [version],
        },
    }


def _post(path: str, value: Any) -> Call:
    return Call(
        method="POST",
        target=path,
        body=json.dumps(value).encode(),
        headers={"Accept": JSON, "Content-Type": JSON},
        is_watch=False,
    )


SETTING = tuple(
    _post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _definition(one.plural))
    for one in CUSTOM
)


def namespace_of(name: str) -> Call:
    """Return the request that makes a case's namespace."""
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    return _post("/api/v1/namespaces", value)
