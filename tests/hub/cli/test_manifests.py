import base64
from typing import Any

import pytest

from agent.kit.errors import Stalled
from agent.kit.settings import Environment
from hub.build.render import RenderLimits
from hub.cli.manifests import (
    Address,
    AgentChoices,
    Expose,
    HubChoices,
    Place,
    agent_objects,
    decoded,
    hub_objects,
)
from hub.settings import Settings
from hub.sources.fetch import Limits

Object = dict[str, Any]


def hub(expose: Expose = Expose.NODE_PORT, address: str = "203.0.113.7:30743", **given: str) -> list[Object]:
    parsed = Address.parse(address)
    return hub_objects(
        HubChoices(
            image="registry.example/hub:9",
            place=Place(expose=expose, address=parsed, enrol_address=parsed.next_port()),
            ca_certificate=given.get("ca", ""),
        )
    )


def agent(token: str = "abc.secret", only_namespace: str = "") -> list[Object]:
    return agent_objects(
        AgentChoices(
            image="registry.example/agent:9",
            cluster="flux-system/eu-1",
            cluster_uid="uid-1",
            address=Address(host="hub.example", port=7443),
            enrol_address=Address(host="hub.example", port=7444),
            ca_certificate="CERTIFICATE",
            token=token,
            only_namespace=only_namespace,
        )
    )


def only(objects: list[Object], kind: str, name: str = "") -> Object:
    found = [one for one in objects if one["kind"] == kind and name in ("", one["metadata"]["name"])]
    assert len(found) == 1, [one["kind"] for one in objects]
    return found[0]


def container(objects: list[Object]) -> Object:
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert isinstance(pod, dict)
    first: Object = pod["containers"][0]
    return first


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("hub.example:7443", "hub.example", 7443),
        ("203.0.113.7:30743", "203.0.113.7", 30743),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
    ],
)
def test_an_address_is_read_and_printed(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "hub", "hub:", ":7443", "hub:x", "hub:0", "hub:65536", "2001:db8::1:443"]
)
def test_what_is_no_address_is_refused_with_the_form_to_write(text: str) -> None:
    with pytest.raises(Stalled, match="HOST:PORT"):
        Address.parse(text)


def test_the_namespace_and_the_address_come_before_what_needs_them() -> None:
    kinds = [one["kind"] for one in hub()]
    assert kinds[:2] == ["Namespace", "ConfigMap"]
    assert kinds[-1] == "Deployment"


def test_the_config_map_says_where_agents_find_the_hub() -> None:
    data = only(hub(ca="CERTIFICATE"), "ConfigMap", "cartwheel-hub")["data"]
    assert data == {
        "address": "203.0.113.7:30743",
        "enrol-address": "203.0.113.7:30744",
        "ca.crt": "CERTIFICATE",
    }


@pytest.mark.parametrize(
    ("expose", "address", "ports", "node_ports"),
    [
        pytest.param(Expose.NODE_PORT, "h:30743", [7443, 7444], [30743, 30744], id="fixed node ports"),
        pytest.param(Expose.NODE_PORT, "h:7443", [7443, 7444], [None, None], id="any node port"),
        pytest.param(Expose.LOAD_BALANCER, "h:443", [443, 444], [None, None], id="load balancer"),
        pytest.param(Expose.CLUSTER_IP, "h:30743", [30743, 30744], [None, None], id="inside the cluster"),
    ],
)
def test_the_service_listens_where_the_address_says(
    expose: Expose, address: str, ports: list[int], node_ports: list[int | None]
) -> None:
    spec = only(hub(expose, address), "Service", "cartwheel-hub")["spec"]
    assert spec["type"] == expose
    assert [one["port"] for one in spec["ports"]] == ports
    assert [one.get("nodePort") for one in spec["ports"]] == node_ports


def test_artifacts_stay_inside_the_cluster() -> None:
    assert only(hub(Expose.LOAD_BALANCER), "Service", "cartwheel-artifacts")["spec"]["type"] == "ClusterIP"


def test_another_address_is_another_pod() -> None:
    one, other = (
        only(hub(address=text), "Deployment")["spec"]["template"]["metadata"] for text in ("a:1", "b:1")
    )
    assert one != other


def test_the_images_are_those_asked_for() -> None:
    assert container(hub())["image"] == "registry.example/hub:9"
    assert container(agent())["image"] == "registry.example/agent:9"


def test_the_hub_may_write_no_workload() -> None:
    rules = only(hub(), "ClusterRole")["rules"]
    written = {
        (group, resource)
        for rule in rules
        if set(rule["verbs"]) - {"get", "list", "watch"}
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    groups = {group for group, _ in written}
    assert groups == {"", "source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io", "fleet.cartwheel.dev"}
    assert {resource for group, resource in written if group == ""} == {"events"}


def test_the_agent_finds_its_token_where_it_is_mounted() -> None:
    objects = agent()
    secret = only(objects, "Secret", "cartwheel-agent-bootstrap")
    assert decoded(secret) == {
        "token": "abc.secret",
        "ca.crt": "CERTIFICATE",
        "address": "hub.example:7443",
        "enrol-address": "hub.example:7444",
        "cluster": "flux-system/eu-1",
    }
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert {"name": "bootstrap", "secret": {"secretName": secret["metadata"]["name"]}} in pod["volumes"]
    assert {"name": "bootstrap", "mountPath": "/etc/cartwheel", "readOnly": True} in container(objects)[
        "volumeMounts"
    ]


def test_a_new_token_is_a_new_pod_and_the_secret_half_stays_in_the_secret() -> None:
    one, other = (only(agent(text), "Deployment") for text in ("abc.secret", "def.secret"))
    assert one["spec"]["template"]["metadata"] != other["spec"]["template"]["metadata"]
    hidden = base64.b64encode(b"secret").decode()
    assert "secret" not in str(one["spec"]["template"]["metadata"])
    assert hidden not in str(one)


def test_an_agent_of_the_whole_cluster_may_write_any_workload() -> None:
    binding = only(agent(), "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "cluster-admin"
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "cartwheel-agent", "namespace": "cartwheel-system"}
    ]


def test_an_agent_of_one_namespace_needs_and_gets_nothing_outside_it() -> None:
    objects = agent(only_namespace="shop")
    assert {one["kind"] for one in objects} == {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Secret",
        "Deployment",
    }
    assert {one["metadata"]["namespace"] for one in objects} == {"shop"}
    assert [one["namespace"] for one in only(objects, "RoleBinding")["subjects"]] == ["shop"]
    assert {"name": "CARTWHEEL_WATCH_NAMESPACE", "value": "shop"} in container(objects)["env"]


@pytest.mark.parametrize("objects", [hub(), agent(), agent(only_namespace="shop")])
def test_everything_is_labelled_and_no_pod_runs_with_more_than_it_needs(objects: list[Object]) -> None:
    for one in objects:
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "cartwheel"
    pod = only(objects, "Deployment")["spec"]["template"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "cartwheel"
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_archives_of_sources_are_reachable_from_the_hubs_own_namespace_alone() -> None:
    spec = only(hub(), "NetworkPolicy")["spec"]
    pod = only(hub(), "Deployment")["spec"]["template"]
    assert spec["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    open_to = {port["port"]: rule.get("from") for rule in spec["ingress"] for port in rule["ports"]}
    assert open_to.pop("artifacts") == [{"podSelector": {}}]
    named = {port["name"] for port in container(hub())["ports"]}
    assert {*open_to, "artifacts"} == named
    assert set(open_to.values()) == {None}


def test_the_hub_has_memory_for_all_its_processes_at_their_limits() -> None:
    settings = Settings.from_environment(Environment({}))
    children = settings.renderers * RenderLimits().memory_bytes + settings.git_workers * Limits().memory_bytes
    limit = container(hub())["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) << 30 >= children + (1 << 30)
