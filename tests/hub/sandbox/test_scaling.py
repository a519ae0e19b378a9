"""Objects are scaled through their Scale, by whoever may, and the owners of the replicas follow."""

import json
from typing import Any

import pytest

from agent.kube.api import Object
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.server import Server
from hub.sandbox.wire import Answer, Request
from tests.fakes.clock import FakeClock

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
DEFINITION = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "scale": {
                        "specReplicasPath": ".spec.size",
                        "statusReplicasPath": ".status.size",
                        "labelSelectorPath": ".status.selector",
                    }
                },
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


def deployment(**more: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web"}, "spec": {"selector": selector, "template": template, **more}}


@pytest.fixture
async def server() -> Server:
    server = new_cluster(FakeClock(), {"secret": admin()})
    assert send(server, "POST", DEPLOYMENTS, deployment(replicas=2), fieldManager="maker").status == 201
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert send(server, "POST", definitions, DEFINITION).status == 201
    return server


def send(
    server: Server, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
) -> Answer:
    return server.answer(
        Request(
            method=method,
            path=path,
            query={name: [value] for name, value in query.items()},
            headers={"authorization": "Bearer secret", "content-type": kind},
            body=json.dumps(body).encode() if body is not None else b"",
        )
    )


def owners_of_replicas(server: Server) -> list[tuple[str, str, str]]:
    managed = send(server, "GET", f"{DEPLOYMENTS}/web").value["metadata"]["managedFields"]
    return [
        (one["manager"], one["operation"], one.get("subresource", ""))
        for one in managed
        if "f:replicas" in one["fieldsV1"].get("f:spec", {})
    ]


async def test_the_scale_of_an_object_tells_what_it_wants_and_has(server: Server) -> None:
    scale = send(server, "GET", f"{DEPLOYMENTS}/web/scale").value
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    assert set(scale["metadata"]) == {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    }


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (MERGE, {"spec": {"replicas": 5}}),
        (STRATEGIC, {"spec": {"replicas": 5}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 5}]),
    ],
)
async def test_a_patch_scales_and_takes_the_replicas_from_who_had_them(
    server: Server, kind: str, patch: Any
) -> None:
    answer = send(server, "PATCH", f"{DEPLOYMENTS}/web/scale", patch, kind, fieldManager="scaler")
    assert (answer.status, answer.value["spec"]) == (200, {"replicas": 5})
    found = send(server, "GET", f"{DEPLOYMENTS}/web").value
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (5, 2)
    assert owners_of_replicas(server) == [("scaler", "Update", "scale")]


async def test_a_replacement_scales_unless_the_object_has_changed_meanwhile(server: Server) -> None:
    scale = send(server, "GET", f"{DEPLOYMENTS}/web/scale").value
    wanted = {**scale, "spec": {"replicas": 3}}
    assert send(server, "PUT", f"{DEPLOYMENTS}/web/scale", wanted).status == 200
    late = send(server, "PUT", f"{DEPLOYMENTS}/web/scale", wanted)
    assert (late.status, late.value["reason"]) == (409, "Conflict")
    assert send(server, "GET", f"{DEPLOYMENTS}/web").value["spec"]["replicas"] == 3


async def test_an_apply_of_the_scale_conflicts_with_who_owns_the_replicas(server: Server) -> None:
    wanted = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "web"},
        "spec": {"replicas": 4},
    }
    path = f"{DEPLOYMENTS}/web/scale"
    refused = send(server, "PATCH", path, wanted, APPLY, fieldManager="applier")
    assert (refused.status, refused.value["details"]["causes"][0]["field"]) == (409, ".spec.replicas")
    assert send(server, "PATCH", path, wanted, APPLY, fieldManager="applier", force="true").status == 200
    assert owners_of_replicas(server) == [("applier", "Apply", "scale")]


async def test_a_scale_to_nothing_is_owned_by_nobody(server: Server) -> None:
    path = f"{DEPLOYMENTS}/web/scale"
    answer = send(server, "PATCH", path, {"spec": {"replicas": 0}}, MERGE, fieldManager="scaler")
    assert answer.value["spec"] == {}
    assert send(server, "GET", f"{DEPLOYMENTS}/web").value["spec"]["replicas"] == 0
    assert owners_of_replicas(server) == []


async def test_a_dry_run_scales_nothing(server: Server) -> None:
    path = f"{DEPLOYMENTS}/web/scale"
    answer = send(server, "PATCH", path, {"spec": {"replicas": 9}}, MERGE, dryRun="All")
    assert answer.value["spec"] == {"replicas": 9}
    assert send(server, "GET", path).value["spec"] == {"replicas": 2}


async def test_what_is_no_number_of_replicas_is_refused(server: Server) -> None:
    path = f"{DEPLOYMENTS}/web/scale"
    answer = send(server, "PATCH", path, {"spec": {"replicas": -1}}, MERGE)
    assert (answer.status, answer.value["message"]) == (
        422,
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    )
    assert send(server, "GET", path).value["spec"] == {"replicas": 2}


async def test_a_scale_meant_for_an_object_that_was_there_before_is_refused(server: Server) -> None:
    scale = send(server, "GET", f"{DEPLOYMENTS}/web/scale").value
    other = {**scale, "metadata": {**scale["metadata"], "uid": "other"}}
    answer = send(server, "PUT", f"{DEPLOYMENTS}/web/scale", other)
    assert (answer.status, answer.value["reason"]) == (409, "Conflict")
    assert "UID in precondition: other" in answer.value["message"]


async def test_a_custom_object_is_scaled_where_its_definition_says(server: Server) -> None:
    head = {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": "one"}}
    send(server, "POST", WIDGETS, head | {"status": {"size": 1, "selector": "a=b"}})
    path = f"{WIDGETS}/one/scale"
    assert send(server, "GET", path).status == 500
    empty = send(server, "PATCH", path, {"spec": {}}, MERGE)
    assert (empty.status, empty.value["message"]) == (
        400,
        'the spec replicas field ".spec.size" cannot be empty',
    )
    answer = send(server, "PATCH", path, {"spec": {"replicas": 6}}, MERGE, fieldManager="scaler")
    assert (answer.value["spec"], answer.value["status"]) == (
        {"replicas": 6},
        {"replicas": 1, "selector": "a=b"},
    )
    assert send(server, "GET", f"{WIDGETS}/one").value["spec"] == {"size": 6}


async def test_the_owner_of_a_custom_size_is_who_scaled_last(server: Server) -> None:
    head = {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": "one"}}
    send(server, "POST", WIDGETS, head | {"spec": {"size": 1}}, fieldManager="maker")
    send(server, "PATCH", f"{WIDGETS}/one/scale", {"spec": {"replicas": 2}}, MERGE, fieldManager="scaler")
    found = send(server, "GET", f"{WIDGETS}/one").value
    owners = {one["manager"]: one.get("subresource") for one in found["metadata"]["managedFields"]}
    assert owners["scaler"] == "scale"


async def test_a_custom_scale_cannot_be_applied_or_patched_by_strategy_as_on_a_real_server(
    server: Server,
) -> None:
    head = {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": "one"}}
    send(server, "POST", WIDGETS, head | {"spec": {"size": 1}}, fieldManager="maker")
    path, spec = f"{WIDGETS}/one/scale", {"spec": {"replicas": 2}}
    assert send(server, "PATCH", path, spec, STRATEGIC).status == 415
    wanted = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "one"}, **spec}
    assert send(server, "PATCH", path, wanted, APPLY, fieldManager="applier").status == 409
    refused = send(server, "PATCH", path, wanted, APPLY, fieldManager="applier", force="true")
    assert (refused.status, refused.value["message"]) == (
        500,
        "failed to convert new object (/one; autoscaling/v1, Kind=Scale) to proper version: "
        "request to convert CR to an invalid group/version: autoscaling/v1",
    )
    assert send(server, "GET", f"{WIDGETS}/one").value["spec"] == {"size": 1}


async def test_a_replication_controller_selects_by_plain_labels(server: Server) -> None:
    template = deployment()["spec"]["template"]
    spec = {"replicas": 1, "selector": {"app": "web"}, "template": template}
    assert send(server, "POST", CONTROLLERS, {"metadata": {"name": "old"}, "spec": spec}).status == 201
    scale = send(server, "GET", f"{CONTROLLERS}/old/scale").value
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}


async def test_what_has_no_scale_has_no_such_path(server: Server) -> None:
    assert send(server, "GET", "/api/v1/namespaces/default/configmaps/x/scale").status == 404
