import copy
from typing import Any

import pytest

from hub.build.normalize import normalize

CONTAINERS = {"containers": [{"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}]}


def test_ports_of_containers_and_services_name_their_protocol() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": copy.deepcopy(CONTAINERS)}
    before = copy.deepcopy(pod)
    ports = normalize(pod)["spec"]["containers"][0]["ports"]
    assert [port["protocol"] for port in ports] == ["TCP", "UDP"]
    assert pod == before
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}
    assert normalize(service)["spec"]["ports"] == [{"port": 80, "protocol": "TCP"}]


def test_a_secrets_texts_become_data_and_win() -> None:
    value = {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": "eA==", "b": "eQ=="},
        "stringData": {"a": "ä"},
    }
    assert normalize(value) == {"apiVersion": "v1", "kind": "Secret", "data": {"a": "w6Q=", "b": "eQ=="}}


@pytest.mark.parametrize(
    "value",
    [
        {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": 1}},
        {"apiVersion": "v1", "kind": "Secret", "stringData": ["a"]},
        {"apiVersion": "v1", "kind": "Pod", "spec": "text"},
        {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": ["text", {"ports": "text"}]}},
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": ["text"]}},
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}, "typo": True},
    ],
)
def test_what_has_a_wrong_form_is_left_for_the_api_server_to_name(value: dict[str, Any]) -> None:
    assert normalize(value) == value


def test_status_and_creation_time_are_not_applied() -> None:
    value = {
        "apiVersion": "x/v1",
        "kind": "X",
        "metadata": {"name": "a", "creationTimestamp": None},
        "status": {},
    }
    assert normalize(value) == {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "a"}}
