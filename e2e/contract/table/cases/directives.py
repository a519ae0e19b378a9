"""What kubectl's apply, edit, patch and scale send: every directive, every operation, every way to scale."""

import json
from typing import Any

from e2e.contract.table.case import (
    Case,
    Step,
    apply,
    case,
    create,
    get,
    json_patch,
    patch,
    strategic,
    update,
)

_CM, _DEPLOY, _SERVICE, _WIDGET = "configmaps/a", "deployments/a", "services/a", "widgets/a"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CONTAINERS = [
    {
        "name": "one",
        "image": "i:1",
        "args": ["x", "y"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    },
    {"name": "two", "image": "i:2"},
]
_TEMPLATE = {
    "metadata": {"labels": {"a": "b"}, "annotations": {"n/1": "1", "n/2": "2"}},
    "spec": {
        "containers": _CONTAINERS,
        "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "s1"}, {"name": "s2"}],
        "nodeSelector": {"n": "1"},
    },
}
_DEPLOYMENT: dict[str, Any] = {
    "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE}
}
_SERVED: dict[str, Any] = {
    "spec": {
        "clusterIP": "None",
        "selector": {"a": "b"},
        "ports": [{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}],
    }
}


def _pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def _one(name: str, *patches: Any) -> Case:
    """Return a case of strategic merge patches to a Deployment."""
    return case(name, create(_DEPLOY, _DEPLOYMENT), *(strategic(_DEPLOY, one) for one in patches))


def _first(**parts: Any) -> dict[str, Any]:
    return _pod(containers=[{"name": "one", **parts}])


_STRATEGIC = (
    _one(
        "a list is merged by its key", _first(image="i:9"), _pod(containers=[{"name": "three", "image": "i"}])
    ),
    _one("an item without its key", _pod(containers=[{"image": "x"}])),
    _one("patch delete of an item", _pod(containers=[{"name": "two", "$patch": "delete"}])),
    _one("patch delete of an item that is not there", _pod(containers=[{"name": "zz", "$patch": "delete"}])),
    _one(
        "patch delete of every item",
        _pod(containers=[{"name": "one", "$patch": "delete"}, {"name": "two", "$patch": "delete"}]),
    ),
    _one("patch replace of a list", _pod(containers=[{"$patch": "replace"}, {"name": "new", "image": "n"}])),
    _one("patch replace of a list with nothing", _pod(imagePullSecrets=[{"$patch": "replace"}])),
    _one("patch replace of a map", _pod(nodeSelector={"$patch": "replace", "m": "1"})),
    _one(
        "patch delete of a map",
        _pod(nodeSelector={"$patch": "delete"}),
        {"metadata": {"labels": {"$patch": "delete"}}},
    ),
    _one(
        "patch merge of a map",
        _pod(nodeSelector={"$patch": "merge", "m": "1"}),
        _pod(containers=[{"$patch": "merge"}]),
    ),
    _one("patch replace of the strategy", {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}),
    _one(
        "a strategy that is not replaced",
        {"spec": {"strategy": {"type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    ),
    _one(
        "retain keys of the strategy", {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    ),
    _one(
        "retain keys of a volume",
        _pod(volumes=[{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]),
        _pod(volumes=[{"name": "v", "$retainKeys": ["name"], "secret": {"secretName": "s"}}]),
        _pod(volumes=[{"name": "v", "secret": {"secretName": "s"}}]),
    ),
    _one("retain keys that are no list", {"spec": {"strategy": {"$retainKeys": "type", "type": "Recreate"}}}),
    _one(
        "the order of elements", _pod(**{"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}]})
    ),
    _one(
        "the order of elements with a new one between",
        _pod(
            **{
                "$setElementOrder/containers": [{"name": "one"}, {"name": "mid"}, {"name": "two"}],
                "containers": [{"name": "mid", "image": "m"}],
            }
        ),
    ),
    _one(
        "the order of elements of which the server has others",
        _pod(**{"$setElementOrder/containers": [{"name": "two"}]}),
    ),
    _one(
        "the order of elements that does not name what is sent",
        _pod(
            **{"$setElementOrder/containers": [{"name": "one"}], "containers": [{"name": "z", "image": "z"}]}
        ),
    ),
    _one(
        "the order of elements in a wrong form",
        _pod(**{"$setElementOrder/containers": ["one"]}),
        _pod(**{"$setElementOrder/containers": {"name": "one"}}),
    ),
    _one(
        "the order of environment variables, one of them deleted",
        _first(
            **{
                "$setElementOrder/env": [{"name": "B"}, {"name": "C"}],
                "env": [{"name": "A", "$patch": "delete"}, {"name": "C", "value": "3"}],
            }
        ),
    ),
    _one(
        "ports are merged by their port alone",
        _first(ports=[{"containerPort": 53, "name": "dns"}]),
        _first(ports=[{"containerPort": 80, "protocol": "UDP"}]),
    ),
    _one(
        "mounts are merged by their path",
        _first(
            volumeMounts=[
                {"mountPath": "/v", "name": "v", "readOnly": True},
                {"mountPath": "/w", "name": "v"},
            ]
        ),
    ),
    _one("arguments are replaced", _first(args=["z"]), _first(args=None)),
    _one("tolerations are replaced", _pod(tolerations=[{"key": "z", "operator": "Exists"}])),
    _one(
        "secrets to pull with are merged",
        _pod(imagePullSecrets=[{"name": "s3"}]),
        _pod(**{"$setElementOrder/imagePullSecrets": [{"name": "s3"}, {"name": "s1"}]}),
    ),
    _one(
        "null takes a field away",
        _pod(nodeSelector=None),
        {"spec": {"template": {"metadata": {"annotations": {"n/1": None}}}}},
        {"spec": {"minReadySeconds": None}},
    ),
    _one(
        "a directive that does not exist",
        {"$patch": "bogus"},
        _pod(containers=[{"name": "one", "$patch": "bogus"}]),
        _pod(nodeSelector={"$patch": "bogus"}),
    ),
    _one("patch delete of the whole object", {"$patch": "delete"}),
    _one("patch replace of the whole object", {"$patch": "replace", "metadata": {"name": "a"}}),
    _one("a field that no schema knows", {"bogus": 1}, {"spec": {"bogus": {"a": 1}}}),
    _one("a value of a wrong type", {"spec": {"template": "x"}}, _pod(containers={"name": "x"})),
    _one("no patch at all", {}, [], "x"),
    case(
        "finalizers are merged as a set",
        create(_CM, {"metadata": {"finalizers": ["t.test/a", "t.test/b"]}}),
        strategic(_CM, {"metadata": {"finalizers": ["t.test/c"]}}),
        strategic(_CM, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["t.test/a"]}}),
        strategic(
            _CM,
            {
                "metadata": {
                    "$setElementOrder/finalizers": ["t.test/c", "t.test/b"],
                    "finalizers": ["t.test/b"],
                }
            },
        ),
        strategic(
            _CM,
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["t.test/z"], "finalizers": ["t.test/d"]}},
        ),
        strategic(_CM, {"metadata": {"$deleteFromPrimitiveList/finalizers": "t.test/c"}}),
        strategic(_CM, {"metadata": {"finalizers": None}}),
    ),
    case(
        "ports of a service are merged by port",
        create(_SERVICE, _SERVED),
        strategic(_SERVICE, {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
        strategic(
            _SERVICE,
            {
                "spec": {
                    "ports": [{"port": 53, "$patch": "delete"}, {"port": 81, "name": "more"}],
                    "$setElementOrder/ports": [{"port": 81}, {"port": 80}],
                }
            },
        ),
        strategic(_SERVICE, {"spec": {"selector": {"$patch": "replace", "c": "d"}}}),
        strategic(_SERVICE, {"spec": {"selector": None}}),
    ),
    case(
        "a custom kind has no strategic merge",
        create(_WIDGET, {"spec": {"size": 1}}),
        strategic(_WIDGET, {"spec": {"size": 2}}),
    ),
    case(
        "data of a config map",
        create(_CM, {"data": {"x": "1", "y": "1"}}),
        strategic(_CM, {"data": {"x": None, "z": "1"}}),
        strategic(_CM, {"data": {"$patch": "replace", "n": "1"}}),
        strategic(_CM, {"data": {"$patch": "delete"}}),
    ),
)
_MERGE = (
    case(
        "a merge patch",
        create(_DEPLOY, _DEPLOYMENT),
        patch(
            _DEPLOY, {"spec": {"replicas": 5, "template": {"spec": {"nodeSelector": {"m": "1", "n": None}}}}}
        ),
        patch(_DEPLOY, {"spec": {"template": {"spec": {"containers": [{"name": "only", "image": "o"}]}}}}),
        patch(_DEPLOY, {"spec": {"replicas": None}}),
        patch(_DEPLOY, {"spec": None}),
        patch(_DEPLOY, {"metadata": {"labels": {"$patch": "delete"}}}),
    ),
    case(
        "a merge patch that is no object",
        create(_CM, {}),
        patch(_CM, []),
        patch(_CM, "x"),
        patch(_CM, 1),
        patch(_CM, None),
    ),
    case(
        "a merge patch of a custom kind",
        create(_WIDGET, {"spec": {"size": 1, "items": [{"name": "a"}], "free": {"x": 1}}}),
        patch(_WIDGET, {"spec": {"items": [{"name": "b"}], "free": {"x": None, "y": {"z": None}}}}),
        patch(_WIDGET, {"spec": {"bogus": 1, "replicas": None}}),
        patch(_WIDGET, {"spec": {"size": 500}}),
        patch(_WIDGET, {"spec": None}),
    ),
    case(
        "patches in a form that is not known",
        create(_CM, {}),
        patch(_CM, {}, media_type="application/json"),
        patch(_CM, {}, media_type="text/plain"),
        patch(_CM, {}, media_type="application/yaml"),
    ),
)
_OPERATIONS = (
    case(
        "add replace remove copy move test",
        create(_CM, {"data": {"a": "1", "b": "2"}}),
        json_patch(_CM, {"op": "add", "path": "/data/c", "value": "3"}),
        json_patch(_CM, {"op": "replace", "path": "/data/a", "value": "9"}),
        json_patch(_CM, {"op": "remove", "path": "/data/b"}),
        json_patch(_CM, {"op": "copy", "from": "/data/a", "path": "/data/d"}),
        json_patch(_CM, {"op": "move", "from": "/data/d", "path": "/data/e"}),
        json_patch(
            _CM,
            {"op": "test", "path": "/data/a", "value": "9"},
            {"op": "add", "path": "/data/t", "value": "1"},
        ),
    ),
    case(
        "a test that fails stops all",
        create(_CM, {"data": {"a": "1"}}),
        json_patch(
            _CM,
            {"op": "add", "path": "/data/b", "value": "1"},
            {"op": "test", "path": "/data/a", "value": "2"},
        ),
        json_patch(_CM, {"op": "test", "path": "/data/zz", "value": "2"}),
        json_patch(_CM, {"op": "test", "path": "/data/zz", "value": None}),
    ),
    case(
        "operations on what is not there",
        create(_CM, {"data": {"a": "1"}}),
        json_patch(_CM, {"op": "remove", "path": "/data/zz"}),
        json_patch(_CM, {"op": "replace", "path": "/data/zz", "value": "1"}),
        json_patch(_CM, {"op": "move", "from": "/data/zz", "path": "/data/y"}),
        json_patch(_CM, {"op": "copy", "from": "/data/zz", "path": "/data/y"}),
        json_patch(_CM, {"op": "add", "path": "/binaryData/x", "value": "MQ=="}),
        json_patch(_CM, {"op": "add", "path": "/data/a/b", "value": "1"}),
    ),
    case(
        "operations on lists",
        create(_CM, {"metadata": {"finalizers": ["t.test/a", "t.test/b"]}}),
        json_patch(_CM, {"op": "add", "path": "/metadata/finalizers/-", "value": "t.test/c"}),
        json_patch(_CM, {"op": "add", "path": "/metadata/finalizers/0", "value": "t.test/d"}),
        json_patch(_CM, {"op": "remove", "path": "/metadata/finalizers/1"}),
        json_patch(_CM, {"op": "remove", "path": "/metadata/finalizers/9"}),
        json_patch(_CM, {"op": "replace", "path": "/metadata/finalizers", "value": []}),
    ),
    case(
        "escaped names in paths",
        create(_CM, {"metadata": {"annotations": {"n.test/a": "1"}}}),
        json_patch(_CM, {"op": "replace", "path": "/metadata/annotations/n.test~1a", "value": "2"}),
        json_patch(_CM, {"op": "add", "path": "/metadata/annotations/b~0c", "value": "2"}),
    ),
    case(
        "operations that are none",
        create(_CM, {"data": {"a": "1"}}),
        json_patch(_CM, {"op": "bogus", "path": "/data"}),
        json_patch(_CM, {"path": "/data"}),
        json_patch(_CM, {"op": "add", "path": "data/x", "value": "1"}),
        json_patch(_CM, "x"),
        patch(_CM, {"op": "add"}, media_type="application/json-patch+json"),
        json_patch(_CM),
    ),
    case(
        "operations on a deployment and a custom kind",
        create(_DEPLOY, _DEPLOYMENT),
        json_patch(
            _DEPLOY, {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "z"}
        ),
        json_patch(_DEPLOY, {"op": "remove", "path": "/spec/selector"}),
        json_patch(_DEPLOY, {"op": "add", "path": "/spec/bogus", "value": 1}),
        create(_WIDGET, {"spec": {"size": 1}}),
        json_patch(_WIDGET, {"op": "add", "path": "/spec/tags", "value": ["a"]}),
        json_patch(_WIDGET, {"op": "remove", "path": "/spec/mode"}),
        json_patch(_WIDGET, {"op": "replace", "path": "/spec/size", "value": "x"}),
    ),
)


def _configured(data: dict[str, Any]) -> dict[str, Any]:
    head = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"annotations": {}, "name": "a", "namespace": "NS"},
    }
    return {"annotations": {_LAST_APPLIED: json.dumps({**head, "data": data}) + "\n"}}


def _client_apply(data: dict[str, Any], changed: dict[str, Any]) -> Step:
    """Return what kubectl apply sends: what changed since it was applied last, and the new configuration as a note."""
    return strategic(
        _CM,
        {"metadata": _configured(data), "data": changed},
        by="kubectl-client-side-apply",
        fieldValidation="Strict",
    )


_KUBECTL = (
    case(
        "kubectl apply three times",
        get(_CM),
        create(
            _CM,
            {"metadata": _configured({"x": "1", "y": "1"}), "data": {"x": "1", "y": "1"}},
            by="kubectl-client-side-apply",
            fieldValidation="Strict",
        ),
        patch(_CM, {"data": {"other": "1"}}, by="someone"),
        _client_apply({"x": "2"}, {"x": "2", "y": None}),
        _client_apply({"x": "2"}, {}),
    ),
    case(
        "kubectl edit, and one over an old version",
        create(
            _CM, {"metadata": _configured({"x": "1"}), "data": {"x": "1"}}, by="kubectl-client-side-apply"
        ),
        strategic(_CM, {"data": {"x": "2"}}, by="kubectl-edit", fieldValidation="Strict"),
        strategic(
            _CM,
            {"data": {"x": "3"}, "metadata": {"resourceVersion": "<0.metadata.resourceVersion>"}},
            by="kubectl-edit",
        ),
        update(
            _CM,
            {"data": {"x": "3"}, "metadata": {"resourceVersion": "<0.metadata.resourceVersion>"}},
            by="kubectl-replace",
        ),
        _client_apply({"x": "1"}, {"x": "1"}),
    ),
    case(
        "kubectl apply of a deployment that was scaled",
        create(_DEPLOY, _DEPLOYMENT, by="kubectl-client-side-apply"),
        patch("deployments/a/scale", {"spec": {"replicas": 7}}, by="kubectl"),
        strategic(
            _DEPLOY,
            {
                "spec": {
                    "template": {
                        "spec": {
                            "$setElementOrder/containers": [{"name": "one"}, {"name": "two"}],
                            "containers": [{"name": "one", "image": "i:3"}],
                        }
                    }
                }
            },
            by="kubectl-client-side-apply",
        ),
        apply(_DEPLOY, _DEPLOYMENT, by="kubectl"),
    ),
)
_SCALES = tuple(
    case(
        f"{plural} are scaled",
        create(f"{plural}/a", body),
        get(f"{plural}/a/scale"),
        patch(f"{plural}/a/scale", {"spec": {"replicas": 3}}, by="kubectl"),
        patch(f"{plural}/a/scale", {"spec": {"replicas": 3}}, by="kubectl"),
        Step(
            method="PUT",
            on=f"/apis/{group}/v1/namespaces/NS/{plural}/a/scale",
            body={
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": {"name": "a", "namespace": "NS"},
                "spec": {"replicas": 4},
            },
            query={"fieldManager": "put"},
        ),
        Step(
            method="PUT",
            on=f"/apis/{group}/v1/namespaces/NS/{plural}/a/scale",
            body={
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": {
                    "name": "a",
                    "namespace": "NS",
                    "resourceVersion": "<0.metadata.resourceVersion>",
                },
                "spec": {"replicas": 5},
            },
        ),
        json_patch(
            f"{plural}/a/scale",
            {"op": "test", "path": "/spec/replicas", "value": 4},
            {"op": "replace", "path": "/spec/replicas", "value": 0},
        ),
        patch(f"{plural}/a/scale", {"spec": {"replicas": -1}}),
        patch(f"{plural}/a/scale", {"spec": {"replicas": 9}}, dry=True),
        patch(f"{plural}/a", {"spec": {"replicas": 6}}, by="patcher"),
        get(f"{plural}/a/scale"),
        patch(f"{plural}/zz/scale", {"spec": {"replicas": 1}}),
    )
    for plural, group, body in (
        ("deployments", "apps", _DEPLOYMENT),
        ("statefulsets", "apps", {"spec": {**_DEPLOYMENT["spec"], "serviceName": "s"}}),
        ("replicasets", "apps", _DEPLOYMENT),
        ("widgets", "table.test", {"spec": {"replicas": 1}}),
    )
)

CASES: tuple[Case, ...] = (*_STRATEGIC, *_MERGE, *_OPERATIONS, *_KUBECTL, *_SCALES)
