"""Objects in protobuf are read as the JSON that means the same."""

import base64
import json
from typing import Any

import pytest

from hub.sandbox import protobuf
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.wire import Request
from tests.fakes.clock import FakeClock


def part(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    number %= 1 << 64
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def body(api_version: str, kind: str, *fields: bytes) -> bytes:
    head = part(1, api_version) + part(2, kind)
    return b"k8s\x00" + part(1, head) + part(2, b"".join(fields)) + part(3, "") + part(4, "")


def meta(name: str, *more: bytes) -> bytes:
    # As a client writes it: with all that is empty, and a time of nothing.
    empty = b"".join(part(number, "") for number in range(2, 7))
    return part(1, part(1, name) + empty + part(7, 0) + part(8, b"") + b"".join(more))


ENTRY = part(1, "a") + part(2, "b")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            body("v1", "ConfigMap", meta("c", part(11, ENTRY)), part(2, ENTRY), part(3, ENTRY), part(4, 0)),
            {
                "metadata": {"name": "c", "labels": {"a": "b"}},
                "data": {"a": "b"},
                "binaryData": {"a": base64.b64encode(b"b").decode()},
                "immutable": False,
            },
            id="maps, bytes, and a pointer to no",
        ),
        pytest.param(
            body("apps/v1", "Deployment", meta("d"), part(2, part(1, 0) + part(5, 0) + part(6, -1))),
            {"metadata": {"name": "d"}, "spec": {"replicas": 0, "revisionHistoryLimit": -1}},
            id="zeros that say something, zeros that do not, and a number below",
        ),
        pytest.param(
            body(
                "v1", "Pod", meta("p"), part(2, part(1, part(1, "v") + part(2, part(2, part(1, "Memory")))))
            ),
            {
                "metadata": {"name": "p"},
                "spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]},
            },
            id="what is inlined in JSON",
        ),
        pytest.param(
            body(
                "v1",
                "Service",
                meta("s"),
                part(
                    2,
                    part(1, part(3, 80) + part(4, part(1, 0) + part(2, 8080)))
                    + part(1, part(3, 81) + part(4, part(1, 1) + part(3, "web"))),
                ),
            ),
            {
                "metadata": {"name": "s"},
                "spec": {"ports": [{"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": "web"}]},
            },
            id="numbers or names",
        ),
        pytest.param(
            body(
                "authorization.k8s.io/v1",
                "SubjectAccessReview",
                part(
                    2,
                    part(3, "u")
                    + part(5, part(1, "k") + part(2, part(1, "x") + part(1, "y")))
                    + part(4, "g"),
                ),
            ),
            {"spec": {"user": "u", "extra": {"k": ["x", "y"]}, "groups": ["g"]}},
            id="named lists",
        ),
        pytest.param(
            body(
                "coordination.k8s.io/v1",
                "Lease",
                meta("l"),
                part(2, part(4, part(1, 1767225600) + part(2, 5000))),
            ),
            {"metadata": {"name": "l"}, "spec": {"renewTime": "2026-01-01T00:00:00.000005Z"}},
            id="times",
        ),
        pytest.param(
            body(
                "v1",
                "ResourceQuota",
                meta("q"),
                part(2, part(1, part(1, "cpu") + part(2, part(1, "500m")))),
            ),
            {"metadata": {"name": "q"}, "spec": {"hard": {"cpu": "500m"}}},
            id="quantities",
        ),
        pytest.param(
            body("v1", "DeleteOptions", part(4, "Foreground")),
            {"propagationPolicy": "Foreground"},
            id="options of a deletion",
        ),
    ],
)
def test_an_object_is_read(data: bytes, expected: dict[str, Any]) -> None:
    found = protobuf.read(data)
    assert {name: one for name, one in found.items() if name not in ("kind", "apiVersion")} == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"k8s\x00\xff",
        body("v1", "ConfigMap", part(1, b"\x0a\x7f")),
        b"k8s\x00" + part(1, "x"),
        body("v1", "ConfigMap", part(1, part(8, part(1, 1 << 62)))),
        body("v1", "ConfigMap", part(1, 7)),
        body("v1", "ConfigMap", part(1, part(1, b"\xff"))),
    ],
    ids=[
        "nothing",
        "JSON",
        "half a number",
        "a field that ends too early",
        "no envelope",
        "a time that no calendar has",
        "a number for an object",
        "bytes for a text",
    ],
)
def test_what_is_no_object_is_unreadable(data: bytes) -> None:
    with pytest.raises(protobuf.Unreadable):
        protobuf.read(data)


async def test_a_server_takes_protobuf_for_built_in_kinds_and_refuses_it_for_others() -> None:
    server = new_cluster(FakeClock(), {"secret": admin()})

    def post(path: str, data: bytes) -> Any:
        headers = {"authorization": "Bearer secret", "content-type": protobuf.MEDIA_TYPE}
        return server.answer(Request(method="POST", path=path, headers=headers, body=data))

    maps = "/api/v1/namespaces/default/configmaps"
    answer = post(maps, body("v1", "ConfigMap", meta("c"), part(2, ENTRY)))
    assert (answer.status, answer.value["data"]) == (201, {"a": "b"})
    assert post(maps, b"k8s\x00\xff").status == 400
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    refused = post(definitions, body("apiextensions.k8s.io/v1", "CustomResourceDefinition", meta("d")))
    assert (refused.status, json.loads(refused.body)["reason"]) == (415, "UnsupportedMediaType")
