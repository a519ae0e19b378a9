"""OpenAPI v3 of the servers in memory: an index, documents under their hash, and in them what kubectl decides by."""

import json
from typing import Any

import pytest

from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.server import Server
from hub.sandbox.wire import Answer, Request
from tests.fakes.clock import FakeClock

WIDGETS = {
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
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
            }
        ],
    },
}


@pytest.fixture
async def server() -> Server:
    return new_cluster(FakeClock(), {"secret": admin()})


def get(server: Server, url: str, *, method: str = "GET", body: Any = None) -> Answer:
    path, _, query = url.partition("?hash=")
    return server.answer(
        Request(
            method=method,
            path=path,
            query={"hash": [query]} if query else {},
            headers={"authorization": "Bearer secret", "content-type": "application/json"},
            body=json.dumps(body).encode() if body else b"",
        )
    )


def url_of(server: Server, place: str) -> str:
    return str(get(server, "/openapi/v3").value["paths"][place]["serverRelativeURL"])


@pytest.mark.parametrize("place", ["api/v1", "apis/apps/v1", "apis/rbac.authorization.k8s.io/v1"])
async def test_the_index_leads_to_documents_that_may_be_kept(server: Server, place: str) -> None:
    answer = get(server, url_of(server, place))
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, immutable")
    assert answer.value["openapi"] == "3.0.0"


async def test_whoever_has_an_old_hash_is_sent_to_the_new_document(server: Server) -> None:
    answer = get(server, "/openapi/v3/apis/apps/v1?hash=OLD")
    assert (answer.status, answer.headers["Location"]) == (301, url_of(server, "apis/apps/v1"))


async def test_a_group_that_is_not_served_has_no_document(server: Server) -> None:
    assert get(server, "/openapi/v3/apis/none.example.com/v1").status == 404


async def test_the_older_document_describes_nothing(server: Server) -> None:
    assert get(server, "/openapi/v2").value["paths"] == {}
    headers = {"authorization": "Bearer secret", "accept": "application/x@v1.0+protobuf"}
    answer = server.answer(Request(method="GET", path="/openapi/v2", headers=headers))
    assert answer.body == b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.3"


async def test_a_document_says_how_its_kinds_are_patched_and_merged(server: Server) -> None:
    document = get(server, url_of(server, "apis/apps/v1")).value
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "fieldValidation" in {one["name"] for one in patch["parameters"]}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert spec["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert spec["containers"]["x-kubernetes-patch-strategy"] == "merge"


async def test_every_name_in_a_document_is_explained_in_it(server: Server) -> None:
    for place in get(server, "/openapi/v3").value["paths"]:
        document = get(server, url_of(server, place)).value
        known = document["components"]["schemas"]
        wanted = set(_references(document))
        assert {one.removeprefix("#/components/schemas/") for one in wanted} <= set(known), place


async def test_a_definition_adds_a_document_whose_hash_follows_it(server: Server) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert get(server, definitions, method="POST", body=WIDGETS).status == 201
    first = url_of(server, "apis/example.com/v1")
    assert "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}" in get(server, first).value["paths"]
    stored = get(server, f"{definitions}/widgets.example.com").value
    stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["more"] = {"type": "string"}
    assert get(server, f"{definitions}/widgets.example.com", method="PUT", body=stored).status == 200
    second = url_of(server, "apis/example.com/v1")
    assert first != second
    assert get(server, first).headers["Location"] == second


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [one for inner in part.values() for one in _references(inner)]
    return [one for inner in part for one in _references(inner)] if isinstance(part, list) else []
