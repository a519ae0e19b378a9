from typing import Any

import pytest
import yaml

from agent.kube.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, SECRETS
from hub.cli.enrolment import is_good
from hub.cli.manifests import decoded, secret_object
from hub.gateway.ca import key_fingerprint, make_authority
from hub.model.cluster import Certificate
from hub.model.jointoken import JoinToken
from hub.model.metadata import Uid
from hub.resources import CLUSTERS
from tests.hub.cli.support import START, World, available, condition, pod_status, template, written

BOOTSTRAP = ("", "secrets", "cartwheel-system", "cartwheel-agent-bootstrap")
CONFIG = {
    "metadata": {"name": "cartwheel-hub", "namespace": "cartwheel-system"},
    "data": {"address": "hub.example:7443", "enrol-address": "hub.example:7555", "ca.crt": "CERTIFICATE"},
}


@pytest.fixture
def world() -> World:
    world = World()
    world.management.put(CONFIG_MAPS, CONFIG | {"metadata": dict(CONFIG["metadata"])})
    world.add("kind-eu-1")
    world.controllers_run()
    return world


def bootstrap(world: World, context: str = "kind-eu-1") -> dict[str, str]:
    return decoded(world.clusters[context].objects[BOOTSTRAP])


def tokens(world: World) -> dict[str, dict[str, Any]]:
    return {
        name: one
        for (_, plural, _, name), one in world.management.objects.items()
        if plural == "secrets" and name.startswith("cartwheel-join-")
    }


def registered(world: World, name: str = "eu-1") -> dict[str, Any]:
    found = world.management.live(CLUSTERS, "flux-system", name)
    assert found is not None
    return found


def certify(world: World, fingerprint: str) -> None:
    with world.management.editing(CLUSTERS, "flux-system", "eu-1") as found:
        found["status"]["certificate"] = {"keyFingerprint": fingerprint, "notAfter": "2026-02-01T09:00:00Z"}


def hold(world: World) -> None:
    """Have the hub keep the cluster until it lets go."""
    with world.management.editing(CLUSTERS, "flux-system", "eu-1") as found:
        found["metadata"]["finalizers"] = ["finalizers.fluxcd.io"]


def test_a_cluster_is_registered_and_its_agent_brought_there(world: World) -> None:
    result = world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--label", "region=eu")
    assert result.exit_code == 0, result.output
    assert registered(world)["metadata"]["labels"] == {"region": "eu"}
    assert world.clusters["kind-eu-1"].live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent")
    assert world.management.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent") is None
    held = bootstrap(world)
    assert held["cluster"] == "flux-system/eu-1"
    assert (held["address"], held["enrol-address"]) == ("hub.example:7443", "hub.example:7555")
    assert list(tokens(world)) == [f"cartwheel-join-{held['token'].partition('.')[0]}"]
    assert "Cluster flux-system/eu-1 is connected" in result.stderr


def test_the_hub_is_given_no_token_but_its_hash(world: World) -> None:
    result = world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    secret_half = bootstrap(world)["token"].partition(".")[2]
    (stored,) = tokens(world).values()
    assert secret_half not in str(decoded(stored))
    assert secret_half not in result.output
    assert stored["metadata"]["labels"]["fleet.cartwheel.dev/secret"] == "join-token"


def test_the_management_context_is_the_one_before_the_command(world: World) -> None:
    world.clusters["mgmt"] = world.management
    world.run("--context", "mgmt", "cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert world.dialled == [(None, "mgmt"), (None, "kind-eu-1")]


def test_the_other_cluster_may_have_a_kubeconfig_of_its_own(world: World) -> None:
    world.run(
        "cluster",
        "add",
        "eu-1",
        "--kubeconfig",
        "m.yaml",
        "--cluster-kubeconfig",
        "w.yaml",
        "--context",
        "kind-eu-1",
    )
    assert world.dialled == [("m.yaml", None), ("w.yaml", "kind-eu-1")]


def test_again_nothing_changes_and_labels_stay(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--label", "region=eu")
    before = bootstrap(world)
    assert (
        world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--label", "tier=prod").exit_code == 0
    )
    assert bootstrap(world) == before
    assert len(tokens(world)) == 1
    assert registered(world)["metadata"]["labels"] == {"region": "eu", "tier": "prod"}


def test_a_token_that_the_hub_lost_is_made_anew(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    before = bootstrap(world)["token"]
    for name in tokens(world):
        world.management.remove("secrets", "cartwheel-system", name)
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert bootstrap(world)["token"] != before


def test_an_agent_of_an_earlier_cluster_of_that_name_enrols_anew(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    remote = world.clusters["kind-eu-1"]
    remote.put(SECRETS, secret_object("cartwheel-agent-identity", {"tls.key": "KEY"}))
    before = bootstrap(world)["token"]
    world.management.remove("clusters", "flux-system", "eu-1")
    assert world.run("cluster", "add", "eu-1", "--context", "kind-eu-1").exit_code == 0
    assert remote.live(SECRETS, "cartwheel-system", "cartwheel-agent-identity") is None
    assert bootstrap(world)["token"] != before


def test_an_enrolled_agent_keeps_its_identity_and_its_used_token(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    remote = world.clusters["kind-eu-1"]
    _, key = make_authority(now=START)
    remote.put(SECRETS, secret_object("cartwheel-agent-identity", {"tls.key": key.decode()}))
    (name,) = tokens(world)
    fingerprint = key_fingerprint(key)
    used = decoded(tokens(world)[name]) | {"used-by": fingerprint, "used-at": "2026-01-31T09:00:00Z"}
    world.management.put(SECRETS, secret_object(name, used))
    certify(world, fingerprint)
    before = bootstrap(world)
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert bootstrap(world) == before
    assert remote.live(SECRETS, "cartwheel-system", "cartwheel-agent-identity")
    certify(world, "SHA256:2")
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert bootstrap(world)["token"] != before["token"]
    assert remote.live(SECRETS, "cartwheel-system", "cartwheel-agent-identity")


def test_a_key_that_was_copied_from_another_cluster_is_taken_away(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    remote = world.clusters["kind-eu-1"]
    remote.put(SECRETS, secret_object("cartwheel-agent-identity", {"tls.key": "of another"}))
    (name,) = tokens(world)
    used = decoded(tokens(world)[name]) | {"used-by": "SHA256:1", "used-at": "2026-01-31T09:00:00Z"}
    world.management.put(SECRETS, secret_object(name, used))
    before = bootstrap(world)
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert bootstrap(world)["token"] != before["token"]
    assert remote.live(SECRETS, "cartwheel-system", "cartwheel-agent-identity") is None


def test_another_clusters_agent_is_left_alone_and_nothing_is_registered(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    result = world.run("cluster", "add", "eu-2", "--context", "kind-eu-1")
    assert result.exit_code == 1
    assert "belongs to Cluster flux-system/eu-1" in result.stderr
    assert world.management.live(CLUSTERS, "flux-system", "eu-2") is None
    assert bootstrap(world)["cluster"] == "flux-system/eu-1"


def test_an_agent_of_one_namespace_lives_there(world: World) -> None:
    world.clusters["kind-eu-1"].add_namespace("shop")
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--namespace-only", "shop")
    remote = world.clusters["kind-eu-1"]
    assert remote.live(DEPLOYMENTS, "shop", "cartwheel-agent")
    assert remote.live(NAMESPACES, "", "cartwheel-system") is None
    assert {plural for _, plural, _, _ in remote.objects} == {
        "serviceaccounts",
        "roles",
        "rolebindings",
        "secrets",
        "deployments",
    }


@pytest.mark.parametrize(
    ("options", "address", "enrol"),
    [
        pytest.param((), "hub.example:7443", "hub.example:7555", id="as installed"),
        pytest.param(("--hub-address", "10.1.1.1:30743"), "10.1.1.1:30743", "10.1.1.1:30744", id="elsewhere"),
        pytest.param(
            ("--hub-address", "a:1", "--hub-enrol-address", "b:2"), "a:1", "b:2", id="both elsewhere"
        ),
    ],
)
def test_an_agent_dials_where_it_is_told(
    world: World, options: tuple[str, ...], address: str, enrol: str
) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", *options)
    held = bootstrap(world)
    assert (held["address"], held["enrol-address"]) == (address, enrol)


def test_printed_manifests_are_what_would_be_applied(world: World) -> None:
    result = world.run("cluster", "add", "edge-7", "--print")
    printed = list(yaml.safe_load_all(result.stdout))
    assert [one["kind"] for one in printed][-1] == "Deployment"
    secret = next(one for one in printed if one["kind"] == "Secret")
    assert decoded(secret)["cluster"] == "flux-system/edge-7"
    assert len(tokens(world)) == 1
    assert len(world.dialled) == 1


@pytest.mark.parametrize("options", [(), ("--print", "--context", "kind-eu-1")])
def test_it_must_be_clear_where_the_agent_goes(world: World, options: tuple[str, ...]) -> None:
    result = world.run("cluster", "add", "eu-1", *options)
    assert result.exit_code == 1
    assert "--context CTX" in result.stderr
    assert "--print" in result.stderr


def test_without_a_hub_the_next_step_is_named() -> None:
    result = World().run("cluster", "add", "eu-1", "--print")
    assert result.exit_code == 1
    assert "run `hub install`" in result.stderr


def test_an_agent_that_does_not_connect_is_explained() -> None:
    world = World()
    world.management.put(CONFIG_MAPS, CONFIG | {"metadata": dict(CONFIG["metadata"])})
    world.add("kind-eu-1")

    def agent_runs_but_is_refused() -> None:
        for one in world.clusters["kind-eu-1"].all(DEPLOYMENTS):
            world.clusters["kind-eu-1"].put(DEPLOYMENTS, available(one))
        with world.management.editing(CLUSTERS, "flux-system", "eu-1") as found:
            condition(found, "Enrolled", "False", "the join token was used already", "TokenUsed")

    world.clock.meanwhile.append(agent_runs_but_is_refused)
    result = world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--timeout", "20s", "--skip-check")
    assert result.exit_code == 1
    assert "is not enrolled yet: the join token was used already" in result.stderr


def test_a_cluster_that_is_being_removed_is_not_added_to(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    hold(world)
    world.management.cluster.delete(CLUSTERS, "flux-system", "eu-1")
    result = world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert result.exit_code == 1
    assert "is being removed" in result.stderr


@pytest.mark.parametrize(
    ("used_by", "key", "registered", "good"),
    [
        pytest.param("", "", "", True, id="fresh"),
        pytest.param("SHA256:1", "SHA256:1", "SHA256:1", True, id="used by the agent that is there"),
        pytest.param("SHA256:1", "", "SHA256:1", False, id="used by an agent that is gone"),
        pytest.param("SHA256:1", "SHA256:1", "SHA256:2", False, id="used by an agent whose key was revoked"),
        pytest.param("SHA256:1", "SHA256:2", "SHA256:1", False, id="used by another agent"),
    ],
)
def test_a_token_is_kept_for_the_agent_that_used_it(
    used_by: str, key: str, registered: str, good: bool
) -> None:
    certificate = Certificate(key_fingerprint=registered, not_after="2026-01-31T20:00:00Z")
    assert is_good(stored_token(used_by=used_by), certificate, key, now=START) is good


@pytest.mark.parametrize(
    ("changed", "ends", "good"),
    [
        pytest.param({}, "", False, id="ended unused"),
        pytest.param({"used_by": "SHA256:1"}, "2026-01-31T20:00:00Z", True, id="used, then ended"),
        pytest.param({"used_by": "SHA256:1"}, "2026-01-31T08:00:00Z", False, id="the certificate ended"),
        pytest.param({"used_by": "SHA256:1", "revoked": True}, "2026-01-31T20:00:00Z", False, id="revoked"),
    ],
)
def test_a_token_that_has_ended_is_kept_while_the_certificate_lasts(
    changed: dict[str, Any], ends: str, good: bool
) -> None:
    certificate = Certificate(key_fingerprint="SHA256:1", not_after=ends)
    stored = stored_token(expires="2026-01-31T08:00:00Z", **changed)
    assert is_good(stored, certificate, "SHA256:1", now=START) is good


def stored_token(*, expires: str = "2026-01-31T10:00:00Z", **more: Any) -> JoinToken:
    return JoinToken(
        id="a",
        hash="h",
        cluster_namespace="flux-system",
        cluster_name="eu-1",
        cluster_uid=Uid("uid-1"),
        expires=expires,
        **more,
    )


def test_a_new_token_is_printed_alone(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    result = world.run("cluster", "token", "eu-1", "--valid-for", "1h")
    id_ = result.stdout.strip().partition(".")[0]
    stored = JoinToken.of_data(decoded(tokens(world)[f"cartwheel-join-{id_}"]))
    assert stored.expires > "2026-01-31T10:00:00Z"
    assert stored.expires < "2026-01-31T10:01:00Z"


def test_a_cluster_is_suspended_and_resumed(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    world.run("cluster", "suspend", "eu-1")
    assert registered(world)["spec"] == {"suspend": True}
    world.run("cluster", "resume", "eu-1")
    assert registered(world)["spec"] == {}


@pytest.mark.parametrize(("options", "choice"), [((), "keep"), (("--prune",), "prune")])
def test_the_hub_is_told_what_becomes_of_the_workloads_of_a_removed_cluster(
    world: World, options: tuple[str, ...], choice: str
) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    hold(world)
    result = world.run("cluster", "remove", "eu-1", "--timeout", "10s", *options)
    assert result.exit_code == 1
    assert "timeout waiting for Cluster flux-system/eu-1 to go" in result.stderr
    metadata = registered(world)["metadata"]
    assert metadata["annotations"]["fleet.cartwheel.dev/remove"] == choice
    assert metadata["deletionTimestamp"]


def test_with_its_context_the_agent_goes_with_its_rights_and_its_desk_and_nothing_else(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    remote = world.clusters["kind-eu-1"]
    labels = {"fleet.cartwheel.dev/desk": "head"}
    remote.put(SECRETS, secret_object("cartwheel-desk-1", {"head": "x"}, labels=labels))
    remote.put(SECRETS, secret_object("cartwheel-agent-identity", {"tls.key": "KEY"}))
    remote.put(SECRETS, secret_object("mine", {"a": "b"}))
    result = world.run("cluster", "remove", "eu-1", "--context", "kind-eu-1")
    assert result.exit_code == 0, result.output
    assert {(plural, name) for _, plural, _, name in remote.objects} == {
        ("namespaces", "cartwheel-system"),
        ("secrets", "mine"),
    }
    assert world.management.live(CLUSTERS, "flux-system", "eu-1") is None


def test_an_agent_whose_cluster_is_gone_already_can_still_be_taken_away(world: World) -> None:
    world.clusters["kind-eu-1"].add_namespace("shop")
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--namespace-only", "shop")
    world.run("cluster", "remove", "eu-1")
    remote = world.clusters["kind-eu-1"]
    assert remote.live(DEPLOYMENTS, "shop", "cartwheel-agent")
    result = world.run("cluster", "remove", "eu-1", "--context", "kind-eu-1", "--namespace-only", "shop")
    assert result.exit_code == 0, result.output
    assert remote.objects == {}


def test_another_clusters_agent_is_not_taken_away(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    result = world.run("cluster", "remove", "eu-2", "--context", "kind-eu-1")
    assert result.exit_code == 1
    assert "belongs to Cluster flux-system/eu-1" in result.stderr
    assert world.clusters["kind-eu-1"].live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent")


def test_removal_waits_until_the_cluster_is_gone(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    hold(world)

    def hub_lets_go() -> None:
        if world.clock.slept_s > 20 and world.management.live(CLUSTERS, "flux-system", "eu-1"):
            world.management.remove("clusters", "flux-system", "eu-1")

    world.clock.meanwhile.append(hub_lets_go)
    result = world.run("cluster", "remove", "eu-1")
    assert result.exit_code == 0, result.output
    assert "Cluster flux-system/eu-1 removed" in result.stderr
    assert world.clock.slept_s > 20


@pytest.fixture
def unreachable(world: World) -> World:
    """A cluster whose agent is away: the hub waits for it once it is removed, unless it is told not to."""
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    hold(world)

    def hub_works() -> None:
        cluster = world.management.live(CLUSTERS, "flux-system", "eu-1")
        if cluster is None or "deletionTimestamp" not in cluster["metadata"]:
            return
        world.management.put(CLUSTERS, condition(cluster, "RemovedUnreachable"))
        if cluster["metadata"]["annotations"]["fleet.cartwheel.dev/remove"] == "forget":
            world.management.remove("clusters", "flux-system", "eu-1")

    world.clock.meanwhile.append(hub_works)
    return world


@pytest.mark.parametrize(
    ("options", "does"), [((), "stops guarding"), (("--prune",), "deletes what its deliveries brought")]
)
def test_an_agent_that_is_away_is_not_waited_for_but_stays_listed(
    unreachable: World, options: tuple[str, ...], does: str
) -> None:
    result = unreachable.run("cluster", "remove", "eu-1", *options)
    assert result.exit_code == 0, result.output
    assert f"{does}" in result.stderr
    assert "hub cluster remove eu-1 --forget" in result.stderr
    assert registered(unreachable)["metadata"]["deletionTimestamp"]


def test_a_removed_cluster_whose_agent_never_comes_back_is_forgotten(unreachable: World) -> None:
    unreachable.run("cluster", "remove", "eu-1")
    result = unreachable.run("cluster", "remove", "eu-1", "--forget")
    assert result.exit_code == 0, result.output
    assert unreachable.management.live(CLUSTERS, "flux-system", "eu-1") is None


def test_an_agent_that_is_taken_away_by_hand_is_waited_for_no_more(unreachable: World) -> None:
    result = unreachable.run("cluster", "remove", "eu-1", "--context", "kind-eu-1")
    assert result.exit_code == 0, result.output
    assert unreachable.management.live(CLUSTERS, "flux-system", "eu-1") is None
    remote = unreachable.clusters["kind-eu-1"]
    assert remote.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent") is None


def test_an_agent_that_is_to_prune_is_not_taken_away_before_it_has(unreachable: World) -> None:
    command = ("cluster", "remove", "eu-1", "--context", "kind-eu-1", "--prune", "--timeout", "30s")
    result = unreachable.run(*command)
    assert result.exit_code == 1
    assert "timeout waiting for Cluster flux-system/eu-1 to go: " in result.stderr
    assert unreachable.clock.slept_s >= 30
    remote = unreachable.clusters["kind-eu-1"]
    assert remote.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent")


def test_the_name_of_a_removed_cluster_that_is_away_may_be_used_again(unreachable: World) -> None:
    unreachable.run("cluster", "remove", "eu-1")
    uid = registered(unreachable)["metadata"]["uid"]
    unreachable.add("kind-new")
    unreachable.controllers_run()
    result = unreachable.run("cluster", "add", "eu-1", "--context", "kind-new")
    assert result.exit_code == 0, result.output
    assert registered(unreachable)["metadata"]["uid"] != uid


def test_without_the_management_cluster_it_is_said_who_brings_it_back(world: World) -> None:
    world.run("cluster", "add", "management", "--context", "kind-eu-1")
    result = world.run("cluster", "remove", "management")
    assert "`hub install` enrols the management cluster again" in result.stderr


@pytest.mark.parametrize("verb", ["suspend", "resume", "token", "remove"])
def test_a_cluster_that_is_not_there_is_named(world: World, verb: str) -> None:
    result = world.run("cluster", verb, "nope")
    assert result.exit_code == 1
    assert "Cluster flux-system/nope not found" in result.stderr


def test_nothing_of_the_agent_is_there_before_the_hub_was_reached_from_a_pod(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1", "--hub-address", "10.1.1.1:30743")
    writes = written(world.clusters["kind-eu-1"])
    created, removed = (
        writes.index("create pods/cartwheel-reach"),
        writes.index("delete pods/cartwheel-reach"),
    )
    assert created < removed < writes.index("apply secrets/cartwheel-agent-bootstrap")
    assert writes.index("apply serviceaccounts/cartwheel-agent") < created


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        pytest.param(
            {"exitCode": 12, "message": "enrol address h:1: no connection"}, "enrol address h:1", id="words"
        ),
        pytest.param({"exitCode": 11}, "the hub's name does not resolve there", id="status alone"),
        pytest.param({"exitCode": 137}, "the Pod that was to try failed", id="neither"),
    ],
)
def test_a_hub_that_is_not_reached_is_told_with_the_failing_step_and_the_pod_goes(
    ended: dict[str, Any], told: str
) -> None:
    world = World()
    world.management.put(CONFIG_MAPS, CONFIG | {"metadata": dict(CONFIG["metadata"])})
    remote = world.add("kind-eu-1")

    def pod_ends() -> None:
        for pod in remote.all(PODS):
            status = pod_status(ready=False, state={"terminated": ended})
            remote.put(PODS, pod | {"status": status})

    world.clock.meanwhile.append(pod_ends)
    result = world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert result.exit_code == 1
    assert told in result.stderr
    assert "--hub-address" in result.stderr
    assert tokens(world) == {}
    assert remote.live(PODS, "cartwheel-system", "cartwheel-reach") is None
    assert remote.live(DEPLOYMENTS, "cartwheel-system", "cartwheel-agent") is None


def test_a_pod_that_an_interrupted_command_left_is_replaced(world: World) -> None:
    metadata = {"name": "cartwheel-reach", "namespace": "cartwheel-system"}
    world.clusters["kind-eu-1"].put(PODS, {"metadata": metadata, "spec": template()["spec"]})
    result = world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert result.exit_code == 0, result.output


def test_a_connected_agent_needs_no_check(world: World) -> None:
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert written(world.clusters["kind-eu-1"]).count("create pods/cartwheel-reach") == 1
    world.run("cluster", "add", "eu-1", "--context", "kind-eu-1")
    assert written(world.clusters["kind-eu-1"]).count("create pods/cartwheel-reach") == 1
