from typing import Any

import pytest
import yaml

from agent.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    LEASES,
    NAMESPACES,
    PODS,
    SECRETS,
    SERVICES,
)
from agent.version import VERSION
from hub.cli.address import NODES
from hub.cli.manifests import decoded
from hub.crds import packaged
from hub.model import jointoken
from hub.model.jointoken import JoinToken
from hub.model.kinds import Kind
from hub.resources import CLUSTERS, resource_of
from tests.hub.cli.support import SPECS, START, World, lease, pod_status, template, written

ADDRESS = ("--address", "203.0.113.7:30743")


@pytest.fixture
def world() -> World:
    world = World(is_bare=True)
    world.controllers_run()
    return world


def flux(name: str, replicas: int = 1) -> dict[str, Any]:
    labels = {"app.kubernetes.io/part-of": "flux"}
    return {
        "metadata": {"name": name, "namespace": "flux-system", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(app=name),
        },
    }


def join_tokens(world: World) -> list[JoinToken]:
    return [
        JoinToken.of_data(decoded(one))
        for (_, plural, _, name), one in world.management.objects.items()
        if plural == "secrets" and name.startswith(jointoken.NAME_PREFIX)
    ]


def test_one_command_installs_the_hub_and_enrols_its_own_cluster(world: World) -> None:
    result = world.run("install", *ADDRESS)
    assert result.exit_code == 0, result.output
    api = world.management
    assert api.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-hub")
    assert api.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent")
    assert api.live(CLUSTERS, "flux-system", "management")
    assert "Cluster flux-system/management is connected" in result.stderr
    bootstrap = decoded(api.objects["", "secrets", "cartwheel-system", "cartwheel-agent-bootstrap"])
    assert bootstrap["address"] == "203.0.113.7:30743"
    assert bootstrap["enrol-address"] == "203.0.113.7:30744"
    assert bootstrap["cluster"] == "flux-system/management"
    (stored,) = join_tokens(world)
    jointoken.check(bootstrap["token"], stored, "SHA256:1", START)
    config = api.objects["", "configmaps", "cartwheel-system", "cartwheel-hub"]["data"]
    assert config["ca.crt"] == bootstrap["ca.crt"]


def test_schemas_come_first_and_the_agent_last(world: World) -> None:
    world.run("install", *ADDRESS)
    writes = written(world.management)
    assert writes[0].startswith("apply customresourcedefinitions/")
    assert writes[-1] == "apply deployments/cartwheel-agent"


def test_again_it_keeps_the_authority_the_token_the_address_and_what_it_is_exposed_by(world: World) -> None:
    world.run("install", *ADDRESS, "--expose", "LoadBalancer")
    ca = world.management.live(SECRETS, "cartwheel-system", "cartwheel-ca")
    before = decoded(world.management.objects["", "secrets", "cartwheel-system", "cartwheel-agent-bootstrap"])
    result = world.run("install")
    assert result.exit_code == 0, result.output
    assert world.management.live(SECRETS, "cartwheel-system", "cartwheel-ca") == ca
    after = decoded(world.management.objects["", "secrets", "cartwheel-system", "cartwheel-agent-bootstrap"])
    assert after == before
    assert len(join_tokens(world)) == 1
    service = world.management.objects["", "services", "cartwheel-system", "cartwheel-hub"]
    assert service["spec"]["type"] == "LoadBalancer"


@pytest.mark.parametrize(
    ("options", "names", "allowed"),
    [
        pytest.param((), ["source-controller"], False, id="Flux runs"),
        pytest.param((), ["helm-controller"], False, id="part of Flux runs"),
        pytest.param(("--beside-flux",), ["helm-controller"], True, id="beside what serves other kinds"),
        pytest.param(
            ("--beside-flux",),
            ["helm-controller", "kustomize-controller"],
            False,
            id="beside what serves the same kinds",
        ),
    ],
)
def test_it_refuses_where_flux_runs_and_names_what_runs(
    world: World, options: tuple[str, ...], names: list[str], allowed: bool
) -> None:
    for name in names:
        world.management.put(DEPLOYMENTS, flux(name))
    result = world.run("install", *ADDRESS, *options)
    assert result.exit_code == (0 if allowed else 1)
    if not allowed:
        assert f"flux-system/{names[-1]}" in result.stderr
        assert "--replicas=0" in result.stderr
        assert written(world.management) == []


def test_what_was_allowed_beside_the_hub_is_allowed_again_until_it_is_forbidden(world: World) -> None:
    world.management.put(DEPLOYMENTS, flux("helm-controller"))
    for options, code in (
        (("--beside-flux",), 0),
        ((), 0),
        (("--no-beside-flux",), 1),
        ((), 0),
    ):
        assert world.run("install", *ADDRESS, *options).exit_code == code, options
    world.management.put(DEPLOYMENTS, flux("kustomize-controller"))
    assert "flux-system/kustomize-controller" in world.run("install").stderr


def test_a_newer_schema_stays_and_is_told_of(world: World) -> None:
    newer = dict(packaged()[2])
    newer["metadata"] = {
        "name": newer["metadata"]["name"],
        "labels": {"app.kubernetes.io/version": "v99.0.0"},
    }
    newer["status"] = {"storedVersions": ["v1"], "conditions": [{"type": "Established", "status": "True"}]}
    world.management.put(CUSTOM_RESOURCE_DEFINITIONS, newer)
    result = world.run("install", *ADDRESS)
    assert result.exit_code == 0, result.output
    assert "newer than" in result.stderr
    assert f"apply customresourcedefinitions/{newer['metadata']['name']}" not in written(world.management)


def test_a_schema_whose_objects_would_be_lost_forbids_everything(world: World) -> None:
    older = dict(packaged()[2])
    older["metadata"] = {"name": older["metadata"]["name"]}
    older["status"] = {"storedVersions": ["v1alpha0"]}
    world.management.put(CUSTOM_RESOURCE_DEFINITIONS, older)
    result = world.run("install", *ADDRESS)
    assert result.exit_code == 1
    assert "v1alpha0" in result.stderr
    assert written(world.management) == []


def test_a_hub_that_does_not_start_is_explained_by_its_pods() -> None:
    world = World()

    def kubelet() -> None:
        state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
        labels = {"app.kubernetes.io/part-of": "cartwheel", "app.kubernetes.io/name": "cartwheel-hub"}
        metadata = {"name": "cartwheel-hub-1", "namespace": "cartwheel-system", "labels": labels}
        spec, status = template()["spec"], pod_status(ready=False, state=state)
        if not world.management.all(PODS):
            world.management.put(PODS, {"metadata": metadata, "spec": spec, "status": status})

    world.clock.meanwhile.append(kubelet)
    result = world.run("install", *ADDRESS, "--timeout", "30s")
    assert result.exit_code == 1
    assert "ImagePullBackOff: no such image" in result.stderr
    assert "kubectl -n cartwheel-system logs cartwheel-hub-1" in result.stderr
    assert 30 <= world.clock.slept_s < 40


def test_a_broken_authority_is_never_replaced(world: World) -> None:
    broken = {
        "metadata": {"name": "cartwheel-ca", "namespace": "cartwheel-system"},
        "data": {"ca.crt": "eA=="},
    }
    world.management.put(SECRETS, broken)
    result = world.run("install", *ADDRESS)
    assert result.exit_code == 1
    assert "cartwheel-system/cartwheel-ca has no ca.key" in result.stderr
    kept = world.management.live(SECRETS, "cartwheel-system", "cartwheel-ca")
    assert kept is not None
    assert kept["data"] == broken["data"]


def test_without_an_address_agents_dial_a_node(world: World) -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}],
    }
    world.management.put(NODES, {"metadata": {"name": "n"}, "status": status})
    world.run("install")
    config = world.management.objects["", "configmaps", "cartwheel-system", "cartwheel-hub"]["data"]
    assert config["address"] == "10.0.0.9:30743"


def test_without_an_address_a_load_balancer_is_waited_for(world: World) -> None:
    def balance() -> None:
        if world.management.live(SERVICES, "cartwheel-system", "cartwheel-hub"):
            with world.management.editing(SERVICES, "cartwheel-system", "cartwheel-hub") as service:
                service["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}

    world.clock.meanwhile.append(balance)
    result = world.run("install", "--expose", "LoadBalancer")
    assert result.exit_code == 0, result.output
    config = world.management.objects["", "configmaps", "cartwheel-system", "cartwheel-hub"]["data"]
    assert config["address"] == "lb.example:7443"


def test_export_prints_everything_but_secrets_and_reaches_no_cluster() -> None:
    world = World()
    result = world.run("install", "--export", *ADDRESS)
    kinds = [one["kind"] for one in yaml.safe_load_all(result.stdout)]
    assert kinds.count("CustomResourceDefinition") == len(packaged())
    assert {"Namespace", "ConfigMap", "Deployment", "Service", "ClusterRole"} <= set(kinds)
    assert "Secret" not in kinds
    assert world.dialled == []


def test_export_asks_for_the_address_it_cannot_look_up() -> None:
    result = World().run("install", "--export")
    assert result.exit_code == 1
    assert "--address HOST:PORT" in result.stderr


def test_what_is_as_it_should_be_is_told_as_unchanged(world: World) -> None:
    world.run("install", *ADDRESS)
    lines = world.run("install").stderr.splitlines()
    assert "✔ Deployment/cartwheel-system/cartwheel-hub unchanged" in lines
    assert [line for line in lines if line.endswith("configured")] == []
    lines = world.run("install", "--env", "CARTWHEEL_LOG_LEVEL=debug").stderr.splitlines()
    assert "✔ Deployment/cartwheel-system/cartwheel-hub configured" in lines


@pytest.mark.parametrize("way", ["LoadBalancer", "loadbalancer"])
def test_a_way_to_expose_is_named_in_any_case(world: World, way: str) -> None:
    result = world.run("install", *ADDRESS, "--expose", way)
    assert result.exit_code == 0, result.output
    service = world.management.live(SERVICES, "cartwheel-system", "cartwheel-hub")
    assert service is not None
    assert service["spec"]["type"] == "LoadBalancer"


def test_an_unknown_way_to_expose_is_refused_with_those_there_are(world: World) -> None:
    result = world.run("install", *ADDRESS, "--expose", "Ingress")
    assert result.exit_code == 2
    assert "none of NodePort, LoadBalancer, ClusterIP" in result.stderr


def test_hub_and_agent_end_before_they_lose_their_rights_and_their_leases_go(world: World) -> None:
    world.run("install", *ADDRESS)
    world.management.put(LEASES, lease("2026-01-31T08:59:55.000000Z"))
    before = len(written(world.management))
    world.run("uninstall")
    deleted = written(world.management)[before:]
    assert deleted[:2] == ["delete deployments/cartwheel-agent", "delete deployments/cartwheel-hub"]
    assert "delete roles/cartwheel-hub" in deleted[2:]
    assert world.management.live(LEASES, "cartwheel-system", "cartwheel-hub") is None


def test_uninstall_takes_away_what_runs_and_leaves_what_is_kept(world: World) -> None:
    world.run("install", *ADDRESS)
    kustomization = resource_of(Kind.KUSTOMIZATION)
    finalizers = ["finalizers.fluxcd.io", "example.com/other"]
    metadata = {"name": "web", "namespace": "flux-system", "finalizers": finalizers}
    world.management.put(kustomization, {"metadata": metadata, "spec": SPECS[Kind.KUSTOMIZATION]})
    result = world.run("uninstall")
    assert result.exit_code == 0, result.output
    api = world.management
    assert api.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-hub") is None
    assert api.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent") is None
    assert api.live(NAMESPACES, "", "cartwheel-system")
    assert api.live(SECRETS, "cartwheel-system", "cartwheel-ca")
    assert api.live(CONFIG_MAPS, "cartwheel-system", "cartwheel-hub")
    assert api.live(CUSTOM_RESOURCE_DEFINITIONS, "", packaged()[0]["metadata"]["name"])
    kept = api.objects["kustomize.toolkit.fluxcd.io", "kustomizations", "flux-system", "web"]
    assert kept["metadata"]["finalizers"] == ["example.com/other"]


def test_schemas_that_hold_objects_stay_even_when_asked_for(world: World) -> None:
    world.run("install", *ADDRESS)
    result = world.run("uninstall", "--crds", answer="y\n")
    assert result.exit_code == 0, result.output
    api = world.management
    assert api.live(CUSTOM_RESOURCE_DEFINITIONS, "", "clusters.fleet.cartwheel.dev")
    assert "clusters.fleet.cartwheel.dev holds 1 object" in result.stderr
    assert api.live(CUSTOM_RESOURCE_DEFINITIONS, "", "fleets.fleet.cartwheel.dev") is None


def test_uninstall_asks_before_it_deletes_schemas(world: World) -> None:
    world.run("install", *ADDRESS)
    before = dict(world.management.objects)
    assert world.run("uninstall", "--crds", answer="n\n").exit_code == 1
    assert world.management.objects == before


def container(world: World, name: str) -> dict[str, Any]:
    found = world.management.live(DEPLOYMENTS, "cartwheel-system", name)
    assert found is not None
    first: dict[str, Any] = found["spec"]["template"]["spec"]["containers"][0]
    return first


def test_settings_reach_hub_and_agent_and_are_kept_the_next_time(world: World) -> None:
    world.run("install", *ADDRESS, "--env", "CARTWHEEL_LOG_LEVEL=debug", "--env", "CARTWHEEL_DATA=/big")
    world.run("install", "--env", "CARTWHEEL_DATA=/bigger")
    hub = {one["name"]: one.get("value") for one in container(world, "cartwheel-hub")["env"]}
    agent = {one["name"]: one.get("value") for one in container(world, "cartwheel-agent")["env"]}
    assert (hub["CARTWHEEL_LOG_LEVEL"], hub["CARTWHEEL_DATA"]) == ("debug", "/bigger")
    assert agent["CARTWHEEL_LOG_LEVEL"] == "debug"
    names = [one["name"] for one in container(world, "cartwheel-hub")["env"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "registry.example:5000/hub:3", "registry.example:5000/hub:3", id="of a registry of ours"
        ),
        pytest.param("cartwheel-hub:0.0.1", f"cartwheel-hub:{VERSION}", id="of an older version"),
    ],
)
def test_an_upgrade_leaves_an_image_that_only_its_user_can_name(
    world: World, before: str, after: str
) -> None:
    world.run("install", *ADDRESS, "--image", before)
    result = world.run("install")
    assert container(world, "cartwheel-hub")["image"] == after
    assert ("give another with --image" in result.stderr) == (before == after)


def test_what_is_no_setting_is_refused_before_anything_is_read(world: World) -> None:
    result = world.run("install", *ADDRESS, "--env", "DEBUG")
    assert result.exit_code == 1
    assert "--env KEY=VALUE" in result.stderr
    assert world.dialled == []
