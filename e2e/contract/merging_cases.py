"""The writes of `merging`, as a table: per case a kind and requests to one object."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {
    "Widget": ("example.dev/v1", "widgets"),
    "ConfigMap": ("v1", "configmaps"),
    "Service": ("v1", "services"),
    "Deployment": ("apps/v1", "deployments"),
}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
WIDGET_SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": _NUMBER,
                "name": _TEXT,
                "flag": {"type": "boolean"},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "proto"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": _TEXT,
                            "proto": {"type": "string", "default": "TCP"},
                            "size": _NUMBER,
                        },
                    },
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
        },
        "status": {"type": "object", "properties": {"phase": _TEXT}},
    },
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.dev"},
    "spec": {
        "group": "example.dev",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": WIDGET_SPEC},
            }
        ],
    },
}


@dataclass(frozen=True, slots=True)
class Request:
    """One write: what and by whom."""

    verb: str
    body: Any
    manager: str = "alpha"
    force: bool = False
    subresource: str = ""


Case = tuple[str, Sequence[Request]]
# What clients send as managedFields to have them closed, or because they do not know them.
_SENT: Sequence[Any] = ([], [{}], None, [{"manager": "x", "operation": "Update"}])


def _applied(spec: Any, manager: str = "alpha", *, force: bool = False) -> Request:
    return Request("apply", {"spec": spec}, manager, force)


def _refused_specs() -> list[Case]:
    specs: list[Any] = [
        {"bogus": 1},
        {"replicas": "x"},
        {"replicas": True},
        {"name": 1},
        {"name": 1.5},
        {"name": {"a": "b", "c": [1, "x", True, None, 1.5]}},
        {"name": ["a"]},
        {"flag": "yes"},
        {"nested": "x"},
        {"nested": [1]},
        {"nested": {"y": {"z": "q"}}},
        {"args": {"a": 1}},
        {"tags": ["a", "a"]},
        {"tags": [None]},
        {"tags": [{}]},
        {"tags": [["a"]]},
        {"tags": "x"},
        {"items": [{"name": "a"}, {"name": "a", "proto": "TCP"}]},
        {"items": [{"name": "a", "size": "z"}]},
        {"items": [None]},
        {"items": ["x"]},
        {"whole": {"zz": 1}},
    ]
    return [("Widget", [_applied(spec)]) for spec in specs]


def _shared_specs() -> list[Case]:
    """Return lives of two appliers and an editor, one for each pair of a first and a second configuration."""
    pairs: list[tuple[Any, Any]] = [
        ({"replicas": 1, "name": "a"}, {"replicas": 2}),
        ({"tags": ["b", "a"]}, {"tags": ["c", "a"]}),
        (
            {"items": [{"name": "a", "size": 1}, {"name": "b"}]},
            {"items": [{"name": "c"}, {"name": "a", "size": 2}]},
        ),
        ({"items": [{"name": "a"}]}, {"items": [{"name": "a", "proto": "UDP"}]}),
        ({"args": ["a"]}, {"args": ["a", "b"]}),
        ({"whole": {"a": "1"}}, {"whole": {"b": "1"}}),
        ({"free": {"a": {"b": 1}, "l": [1]}}, {"free": {"a": {"c": 2}, "l": [2]}}),
        ({"free": {"a": 1}}, {"free": {"a": {"b": 1}}}),
        ({"nested": {"x": "1"}}, {"nested": {"x": "1", "y": {"z": 1}}}),
        ({"nested": {}}, {"nested": {"y": {}}}),
        ({"port": 80}, {"port": "http"}),
    ]
    edits = {
        "replicas": 7,
        "tags": ["z"],
        "free": {"a": {"e": 1}},
        "items": [{"name": "a", "proto": "TCP", "size": 9}],
    }
    return [
        (
            "Widget",
            [
                _applied(first),
                _applied(first),
                _applied(second, "beta"),
                _applied(second, "beta", force=True),
                Request("merge", {"spec": edits}, "editor"),
                _applied(first),
                _applied(first, force=True),
                _applied({}),
                _applied({}, "beta"),
            ],
        )
        for first, second in pairs
    ]


def _of_clients() -> list[Case]:
    def life(spec: Any, edit: Any) -> list[Request]:
        whole = {
            "apiVersion": "example.dev/v1",
            "kind": "Widget",
            "metadata": {"namespace": "default"},
            "spec": spec,
        }
        noted = {"annotations": {LAST_APPLIED: json.dumps(whole) + "\n", "other": "x"}}
        return [
            Request("create", {"metadata": noted, "spec": spec}, "kubectl-client-side-apply"),
            Request("merge", {"spec": edit}, "editor"),
            _applied({"replicas": 2, "name": "<&>"}, "flux"),
            _applied({"replicas": 2, "name": "<&>"}, "kubectl"),
            _applied({"replicas": 2, "name": "<&>"}, "kubectl", force=True),
            _applied({}, "kubectl"),
        ]

    return [
        ("Widget", life({"replicas": 1, "name": "a"}, {})),
        ("Widget", life({"replicas": 1, "name": "a"}, {"replicas": 5})),
        ("Widget", life({"replicas": 1, "name": "a"}, {"replicas": 5, "name": "q"})),
    ]


def _books() -> list[Case]:
    """Return lives of objects whose managedFields clients write, and of those that have none."""
    cases: list[Case] = []
    for kind, first, second in (
        ("Widget", {"spec": {"replicas": 1, "tags": ["a"]}}, {"spec": {"replicas": 2}}),
        ("ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}),
    ):
        for sent in _SENT:
            cases.append(
                (
                    kind,
                    [
                        Request("create", {**first, "metadata": {"labels": {"a": "b"}}}),
                        Request("update", {"metadata": {"managedFields": sent}}, "beta"),
                        Request("merge", {"metadata": {"labels": {"c": "d"}}}, "beta"),
                        Request("apply", second, "gamma"),
                        Request("apply", second, "gamma", force=True),
                        Request("apply", {}, "gamma"),
                    ],
                )
            )
        cases.append((kind, [Request("apply", {"metadata": {"managedFields": []}})]))
    status = Request(
        "merge", {"status": {"phase": "a"}, "spec": {"replicas": 9}}, "beta", subresource="status"
    )
    cases.append(
        (
            "Widget",
            [
                _applied({"replicas": 1}),
                status,
                Request("apply", {"status": {"phase": "b"}}, "beta", True, "status"),
            ],
        )
    )
    return cases


def _json_patches() -> Case:
    operations: list[Any] = [
        [{"op": "replace", "path": "/data/none", "value": "1"}],
        [{"op": "copy", "from": "/data/a", "path": "/data/y"}],
        [{"op": "move", "from": "/data/x", "path": "/data/y"}],
        [{"op": "test", "path": "/data/x", "value": None}],
        [{"op": "test", "path": "/data/a", "value": "2"}],
        [{"op": "remove", "path": "/data/x"}],
        [{"op": "add", "path": "/metadata/finalizers/0", "value": "a/c"}],
        [{"op": "add", "path": "/metadata/finalizers/-1", "value": "a/d"}],
        [{"op": "remove", "path": "/metadata/finalizers/-1"}],
        [{"op": "add", "path": "/metadata/finalizers/9", "value": "a/e"}],
        [{"op": "add", "path": "/data/a/b", "value": "1"}],
        [{"op": "add", "path": "", "value": {}}],
        [{"op": "bogus", "path": "/data"}],
        ["x"],
        {"op": "x"},
    ]
    made = Request("create", {"metadata": {"finalizers": ["a/a", "a/b"]}, "data": {"a": "1"}})
    return "ConfigMap", [made, *(Request("json", one) for one in operations)]


def _merge_patches() -> Case:
    patches: list[Any] = [
        {"data": {"a": None, "b": "2"}},
        {"metadata": {"labels": {"x": "1", "y": None}}},
        [],
        "x",
        {"data": None},
    ]
    return "ConfigMap", [Request("create", {"data": {"a": "1"}}), *(Request("merge", one) for one in patches)]


def _strategic_patches() -> list[Case]:
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": containers, "volumes": [{"name": "v", "emptyDir": {}}]},
    }
    made = Request(
        "create", {"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}}
    )
    patches: list[Any] = [
        {"containers": [{"image": "x"}]},
        {"containers": [{"$patch": "delete"}]},
        {"containers": [{"$patch": "merge"}]},
        {"containers": [{"$patch": "bogus", "name": "a"}]},
        {"$patch": "bogus"},
        {"volumes": [{"name": "v", "$retainKeys": ["name"], "hostPath": {"path": "/"}}]},
        {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "z", "image": "z"}]},
        {"$setElementOrder/containers": ["a"]},
        {"containers": [["x"]]},
        {
            "containers": [{"name": "c", "image": "i"}],
            "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}],
        },
        {"containers": [{"name": "a", "$patch": "delete"}]},
        {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]},
    ]
    finalizers: list[Any] = [
        {"finalizers": ["a/a", "a/b"]},
        {"finalizers": [1]},
        {"finalizers": ["a/c"], "$setElementOrder/finalizers": ["a/b", "a/c", "a/a"]},
        {"$deleteFromPrimitiveList/finalizers": ["a/a"]},
        {"labels": {"$patch": "replace", "n": "1"}},
    ]
    ports = [
        {"name": f"p{port}", "port": port, "protocol": "TCP", "targetPort": port} for port in (80, 82, 81)
    ]
    swapped = {
        "ports": [{"port": 81, "$patch": "delete"}, {"port": 83, "name": "p83"}],
        "$setElementOrder/ports": [{"port": 83}, {"port": 80}],
    }
    return [
        (
            "Deployment",
            [made, *(Request("strategic", {"spec": {"template": {"spec": one}}}) for one in patches)],
        ),
        (
            "ConfigMap",
            [Request("create", {}), *(Request("strategic", {"metadata": one}) for one in finalizers)],
        ),
        (
            "Service",
            [
                Request("apply", {"spec": {"clusterIP": "None", "ports": ports}}),
                Request("strategic", {"spec": swapped}, "beta"),
            ],
        ),
    ]


CASES: Sequence[Case] = (
    *_refused_specs(),
    *_shared_specs(),
    *_of_clients(),
    *_books(),
    _json_patches(),
    _merge_patches(),
    *_strategic_patches(),
)
