from typing import Any

import pytest

from hub.cli.address import node_host
from hub.cli.client import Failed
from hub.cli.preconditions import controllers_among


def deployment(name: str, *, replicas: int = 1, label: str = "flux", image: str = "x") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "flux-system",
            "labels": {"app.kubernetes.io/part-of": label},
        },
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": image}]}}},
    }


def node(*, ready: str = "True", **addresses: str) -> dict[str, Any]:
    return {
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": type_, "address": address} for type_, address in addresses.items()],
        }
    }


@pytest.mark.parametrize(
    ("found", "names"),
    [
        pytest.param(deployment("source-controller"), ["flux-system/source-controller"], id="labelled"),
        pytest.param(
            deployment("source-controller", label="", image="ghcr.io/fluxcd/source-controller:v1"),
            ["flux-system/source-controller"],
            id="label left out",
        ),
        pytest.param(deployment("source-controller", replicas=0), [], id="stopped"),
        pytest.param(deployment("source-controller", label="other"), [], id="another program of that name"),
        pytest.param(deployment("web"), [], id="another program with Flux's label"),
    ],
)
def test_controllers_of_flux_are_seen_where_they_run(found: dict[str, Any], names: list[str]) -> None:
    assert [str(one) for one in controllers_among([found])] == names


def test_only_source_and_kustomize_controller_serve_the_hubs_kinds() -> None:
    found = controllers_among([deployment("kustomize-controller"), deployment("helm-controller")])
    assert [one.serves_the_same_kinds for one in found] == [True, False]


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        pytest.param([node(InternalIP="10.0.0.1")], "10.0.0.1", id="internal"),
        pytest.param([node(InternalIP="10.0.0.1", ExternalIP="203.0.113.7")], "203.0.113.7", id="external"),
        pytest.param(
            [node(ready="False", InternalIP="10.0.0.1"), node(InternalIP="10.0.0.2")], "10.0.0.2", id="ready"
        ),
    ],
)
def test_agents_dial_a_ready_node(nodes: list[dict[str, Any]], host: str) -> None:
    assert node_host(nodes) == host


def test_without_a_ready_node_the_address_is_asked_for() -> None:
    with pytest.raises(Failed, match="--address HOST:PORT"):
        node_host([node(ready="False", InternalIP="10.0.0.1")])
