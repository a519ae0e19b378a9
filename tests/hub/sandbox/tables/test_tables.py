"""Whoever asks for a Table gets one, of lists, single objects and watches."""

import json
from typing import Any

import pytest

from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.server import Server
from hub.sandbox.wire import Answer, Request
from tests.fakes.clock import FakeClock, in_virtual_time

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def server() -> Server:
    return new_cluster(FakeClock(), {"secret": admin()})


def send(server: Server, path: str, *, method: str = "GET", body: Any = None, **query: str) -> Answer:
    return server.answer(
        Request(
            method=method,
            path=path,
            query={name: [value] for name, value in query.items()},
            headers={
                "authorization": "Bearer secret",
                "accept": TABLE,
                "content-type": "application/json",
            },
            body=json.dumps(body).encode() if body is not None else b"",
        )
    )


def create(server: Server, name: str) -> Answer:
    return send(server, MAPS, method="POST", body={"metadata": {"name": name}, "data": {"a": "1"}})


async def test_an_empty_list_still_has_its_columns(server: Server) -> None:
    table = send(server, MAPS).value
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"] == []
    assert table["metadata"]["resourceVersion"]


async def test_an_empty_list_without_rows_of_its_own_has_none_at_all(server: Server) -> None:
    table = send(server, "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles").value
    assert ([one["name"] for one in table["columnDefinitions"]], table["rows"]) == (
        ["Name", "Created At"],
        None,
    )


async def test_a_list_has_a_row_and_the_metadata_of_each_object(server: Server) -> None:
    for name in ("a", "b", "c"):
        create(server, name)
    table = send(server, MAPS, limit="2").value
    assert [row["cells"] for row in table["rows"]] == [["a", 1, "0s"], ["b", 1, "0s"]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["metadata"]["remainingItemCount"] == 1


@pytest.mark.parametrize(
    ("included", "kind"), [("Object", "ConfigMap"), ("Metadata", "PartialObjectMetadata")]
)
async def test_as_much_of_an_object_comes_along_as_is_asked_for(
    server: Server, included: str, kind: str
) -> None:
    made = create(server, "a").value
    assert made["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    table = send(server, f"{MAPS}/a", includeObject=included).value
    assert table["rows"][0]["object"]["kind"] == kind
    assert table["metadata"] == {"resourceVersion": made["metadata"]["resourceVersion"]}


async def test_nothing_comes_along_when_nothing_is_asked_for_and_nonsense_is_refused(server: Server) -> None:
    create(server, "a")
    assert send(server, f"{MAPS}/a", includeObject="None").value["rows"][0]["object"] is None
    refused = send(server, MAPS, includeObject="Some")
    assert (refused.status, refused.value["message"]) == (
        400,
        'Unable to convert to Table as requested: includeObject: Invalid value: "Some": '
        "must be 'Metadata', 'Object', 'None', or empty",
    )


async def test_only_the_first_event_of_a_watch_tells_the_columns(server: Server) -> None:
    create(server, "a")
    create(server, "b")
    stream = send(server, MAPS, watch="true", timeoutSeconds="5").stream
    assert stream is not None
    first, second = [(await anext(stream))["object"] for _ in range(2)]
    assert [one["name"] for one in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert second["columnDefinitions"] is None
    assert second["rows"][0]["cells"] == ["b", 1, "0s"]


@in_virtual_time
async def test_a_bookmark_comes_in_the_shape_of_the_watch() -> None:
    server = new_cluster(FakeClock(), {"secret": admin()})
    stream = send(server, MAPS, watch="true", allowWatchBookmarks="true", timeoutSeconds="100").stream
    assert stream is not None
    event = await anext(stream)
    assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "Table")
    assert event["object"]["metadata"]["resourceVersion"]
