import json
from datetime import timedelta
from typing import Any

import pytest
import yaml

from agent.kube.resources import CONFIG_MAPS, DEPLOYMENTS, EVENTS, LEASES
from hub.cli.ages import short
from hub.cli.views import CLUSTERS, KUSTOMIZATIONS
from hub.model.annotations import APPROVE_PRUNE, FORGET_RELEASED, PRUNE_RELEASED
from hub.model.kinds import Kind
from tests.hub.cli.support import SPECS, World, available, condition, lease, template

ONE = "sha256:" + "1" * 64
TWO = "sha256:" + "2" * 64
SINCE = "2026-01-31T08:00:00Z"
OLD = {
    "kind": "Kustomization",
    "namespace": "flux-system",
    "name": "old",
    "since": SINCE,
    "reason": "NoMatch",
}


def cluster(name: str = "eu-1", **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system"}
    return {"kind": "Cluster", "metadata": metadata, "spec": {}, "status": status}


def row(message: str, reason: str = "PruneHeld", name: str = "web") -> dict[str, Any]:
    return {
        "kind": "Kustomization",
        "namespace": "flux-system",
        "name": name,
        "state": "Held",
        "since": SINCE,
        "reason": reason,
        "message": message,
    }


def delivery(name: str = "web") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system", "labels": {"fleet.cartwheel.dev/fleet": "prod"}}
    return {
        "kind": "Kustomization",
        "metadata": metadata,
        "spec": SPECS[Kind.KUSTOMIZATION],
        "status": {},
    }


@pytest.fixture
def world() -> World:
    world = World()
    counts = {"assigned": 5, "inStep": 4, "held": 1}
    told = cluster(counts=counts, lastSeen="2026-01-31T08:59:30Z", notInStep=[row(f"12 of 12 in {ONE}")])
    told["status"]["released"] = [dict(OLD)]
    world.management.put(CLUSTERS.resource, condition(told, "Connected", "True", "a session is open"))
    away = condition(cluster("eu-2"), "Connected", "False", "no session for 4m")
    world.management.put(CLUSTERS.resource, away)
    web = condition(delivery(), "Ready", "True", "1/1 ready")
    world.management.put(KUSTOMIZATIONS.resource, condition(web, "PruneHeld", "True", f"held: {ONE}, {TWO}"))
    world.management.put(LEASES, lease("2026-01-31T08:59:55.000000Z"))
    return world


def approved(world: World) -> str:
    found = world.management.live(KUSTOMIZATIONS.resource, "flux-system", "web")
    assert found is not None
    return str(found["metadata"].get("annotations", {}).get(APPROVE_PRUNE, ""))


def annotation(world: World, name: str) -> str:
    found = world.management.live(CLUSTERS.resource, "flux-system", "eu-1")
    assert found is not None
    return str(found["metadata"].get("annotations", {}).get(name, ""))


def test_the_fleet_fits_one_screen(world: World) -> None:
    result = world.run("status")
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert "Clusters: 1 of 2 connected" in text
    assert "4/5" in text
    clusters = [line.split("\t") for line in text.splitlines()[2:4]]
    assert [(cells[1].strip(), cells[7].strip()) for cells in clusters] == [
        ("eu-1", "now"),
        ("eu-2", ""),
    ]
    assert "no session for 4m" in text
    assert "Deliveries: 1 of 1 ready" in text
    assert "Not in step: 1" in text
    assert "12 of 12 in sha256:11111111" in text
    assert "hub placement prune|forget Kustomization/flux-system/old --cluster eu-1" in text
    assert result.stderr == ""


def test_a_cluster_that_cannot_be_read_does_not_hide_the_others(world: World) -> None:
    with (
        world.management.older_schema(),
        world.management.editing(CLUSTERS.resource, "flux-system", "eu-2") as found,
    ):
        found["spec"] = {"suspend": "perhaps"}
    text = world.run("status").stdout
    assert "Clusters: 1 of 2 connected" in text
    assert "cannot be read" in text
    assert "spec.suspend" in text


@pytest.mark.parametrize(
    "words", [("status",), ("get", "all"), ("get", "clusters"), ("get", "sources", "git")], ids=" ".join
)
def test_where_no_hub_is_installed_the_answer_says_so(words: tuple[str, ...]) -> None:
    world = World(is_bare=True)
    result = world.run(*words)
    assert result.exit_code == 1
    assert "run `hub install`" in result.stderr


def test_watching_shows_the_fleet_as_it_becomes(world: World) -> None:
    def connect_then_leave() -> None:
        with world.management.editing(CLUSTERS.resource, "flux-system", "eu-2") as found:
            condition(found, "Connected", "True")
        if world.clock.slept_s > 2:
            raise KeyboardInterrupt

    world.clock.meanwhile.append(connect_then_leave)
    lines = world.run("status", "--watch").stdout.splitlines()
    assert [line for line in lines if line.startswith("Clusters")] == [
        "Clusters: 1 of 2 connected",
        "Clusters: 2 of 2 connected",
    ]


def test_programs_read_the_same(world: World) -> None:
    found = json.loads(world.run("status", "-o", "json").stdout)
    assert [one["name"] for one in found["clusters"]] == ["eu-1", "eu-2"]
    assert found["deliveries"][0]["fleet"] == "prod"
    assert found["notInStep"][0]["reason"] == "PruneHeld"
    assert found["released"][0]["since"] == SINCE


@pytest.mark.parametrize(
    ("renewed", "warning"),
    [
        pytest.param("2026-01-31T08:50:00.000000Z", "last renewed its lease 10m ago", id="gone"),
        pytest.param("", "no hub leads", id="never there"),
    ],
)
def test_a_status_that_nobody_keeps_up_is_said_to_be_old(world: World, renewed: str, warning: str) -> None:
    world.management.put(LEASES, lease(renewed))
    assert warning in world.run("status").stderr


def test_a_held_prune_is_approved_for_the_builds_that_are_held(world: World) -> None:
    result = world.run("approve", "prune", "web")
    assert result.exit_code == 0, result.output
    assert approved(world) == f"{ONE},{TWO}"


def test_in_one_cluster_alone_only_its_build_is_approved(world: World) -> None:
    result = world.run("approve", "prune", "kustomization/web", "--cluster", "eu-1")
    assert result.exit_code == 0, result.output
    assert approved(world) == f"{ONE}@flux-system/eu-1"


def test_approvals_for_one_cluster_after_the_other_add_up(world: World) -> None:
    there = condition(cluster("eu-2", notInStep=[row(f"12 of 12 in {TWO}")]), "Connected")
    world.management.put(CLUSTERS.resource, there)
    for name in ("eu-1", "eu-2"):
        world.run("approve", "prune", "web", "--cluster", name)
    assert approved(world) == f"{ONE}@flux-system/eu-1,{TWO}@flux-system/eu-2"


@pytest.mark.parametrize("options", [("--cluster", "eu-2"), ("other",)])
def test_what_is_not_held_is_not_approved(world: World, options: tuple[str, ...]) -> None:
    world.management.put(KUSTOMIZATIONS.resource, delivery("other"))
    names = ("web",) if options[0] == "--cluster" else ()
    result = world.run("approve", "prune", *names, *options)
    assert result.exit_code == 1
    assert "has no held prune" in result.stderr
    assert approved(world) == ""


@pytest.mark.parametrize(("verb", "name"), [("prune", PRUNE_RELEASED), ("forget", FORGET_RELEASED)])
@pytest.mark.parametrize("words", ["old", "kustomization/old", "Kustomization/flux-system/old"])
def test_a_released_placement_is_settled_for_that_release_alone(
    world: World, verb: str, name: str, words: str
) -> None:
    def hub_settles() -> None:
        if annotation(world, name):
            change_status(world, "eu-1", released=[])

    world.clock.meanwhile.append(hub_settles)
    result = world.run("placement", verb, words, "--cluster", "eu-1")
    assert result.exit_code == 0, result.output
    assert annotation(world, name) == f"Kustomization/flux-system/old@{SINCE}"


TOMBSTONE = OLD | {"uid": "u", "deletionPolicy": "Delete", "time": SINCE, "reason": "prune-released"}
del TOMBSTONE["since"]


def change_status(world: World, name: str, **status: Any) -> None:
    with world.management.editing(CLUSTERS.resource, "flux-system", name) as found:
        found["status"] |= status


def test_a_placement_is_settled_when_the_agent_has_done_it(world: World) -> None:
    change_status(world, "eu-1", released=[OLD | {"uid": "u"}])

    def hub_and_agent_settle() -> None:
        tombstones = [TOMBSTONE] if world.clock.slept_s < 10 else []
        change_status(world, "eu-1", released=[], tombstones=tombstones)

    world.clock.meanwhile.append(hub_and_agent_settle)
    result = world.run("placement", "prune", "old", "--cluster", "eu-1")
    assert result.exit_code == 0, result.output
    assert world.clock.slept_s >= 10
    assert "pruned" in result.stderr.splitlines()[-1]


def test_a_cluster_that_is_away_settles_when_it_comes_back(world: World) -> None:
    change_status(world, "eu-2", released=[OLD | {"uid": "u"}])
    world.clock.meanwhile.append(lambda: change_status(world, "eu-2", released=[], tombstones=[TOMBSTONE]))
    result = world.run("placement", "prune", "old", "--cluster", "eu-2")
    assert result.exit_code == 0, result.output
    assert "not connected; Kustomization/flux-system/old is pruned there when it comes back" in result.stderr
    assert "when the cluster is connected again" in world.run("status").stdout


def test_requests_that_are_not_settled_yet_stay(world: World) -> None:
    with world.management.editing(CLUSTERS.resource, "flux-system", "eu-1") as found:
        found["status"]["released"].append(OLD | {"name": "older"})
        found["metadata"]["annotations"] = {PRUNE_RELEASED: f"Kustomization/flux-system/older@{SINCE},gone@x"}
    world.run("placement", "prune", "old", "--cluster", "eu-1", "--no-wait")
    assert annotation(world, PRUNE_RELEASED) == (
        f"Kustomization/flux-system/old@{SINCE},Kustomization/flux-system/older@{SINCE}"
    )


def test_what_is_not_released_is_not_settled(world: World) -> None:
    result = world.run("placement", "prune", "web", "--cluster", "eu-1")
    assert result.exit_code == 1
    assert "released there: Kustomization/flux-system/old" in result.stderr
    assert annotation(world, PRUNE_RELEASED) == ""


def test_a_name_that_means_several_is_asked_about(world: World) -> None:
    with world.management.editing(CLUSTERS.resource, "flux-system", "eu-1") as found:
        found["status"]["released"].append(OLD | {"namespace": "apps"})
    result = world.run("placement", "forget", "old", "--cluster", "eu-1")
    assert result.exit_code == 1
    assert "Kustomization/apps/old" in result.stderr


def event(name: str, kind: str, at: str, type_: str = "Normal", count: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}-{at}".lower().replace(":", "-"), "namespace": "flux-system"},
        "involvedObject": {"kind": kind, "namespace": "flux-system", "name": name},
        "type": type_,
        "reason": "ReconciliationSucceeded",
        "message": f"about {name}",
        "count": count,
        "firstTimestamp": "2026-01-31T08:00:00Z",
        "lastTimestamp": at,
    }


@pytest.fixture
def eventful(world: World) -> World:
    spec = {"interval": "1m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "repo"}}
    world.management.put(KUSTOMIZATIONS.resource, delivery() | {"spec": spec})
    for one in (
        event("web", "Kustomization", "2026-01-31T08:55:00Z", count=3),
        event("repo", "GitRepository", "2026-01-31T08:50:00Z"),
        event("other", "GitRepository", "2026-01-31T08:40:00Z", "Warning"),
        event("pod", "Pod", "2026-01-31T08:59:00Z"),
    ):
        world.management.put(EVENTS, one)
    return world


@pytest.mark.parametrize(
    ("options", "subjects"),
    [
        pytest.param(
            (), ["gitrepository/other", "gitrepository/repo", "kustomization/web"], id="all, by time"
        ),
        pytest.param(
            ("--for", "Kustomization/web"), ["gitrepository/repo", "kustomization/web"], id="and source"
        ),
        pytest.param(("--for", "gitrepository"), ["gitrepository/other", "gitrepository/repo"], id="a kind"),
        pytest.param(("--types", "warning"), ["gitrepository/other"], id="a type"),
    ],
)
def test_events_are_of_the_hubs_kinds(eventful: World, options: tuple[str, ...], subjects: list[str]) -> None:
    result = eventful.run("events", "--no-header", *options)
    assert [line.split("\t")[3].strip() for line in result.stdout.splitlines()] == subjects


def test_of_the_same_second_comes_last_what_was_written_last(world: World) -> None:
    for name in ("web", "api", "shop"):
        world.management.put(EVENTS, event(name, "GitRepository", "2026-01-31T08:55:00Z"))
    lines = world.run("events", "--no-header").stdout.splitlines()
    assert [line.split("\t")[3].strip().partition("/")[2] for line in lines] == ["web", "api", "shop"]


def test_an_event_that_came_again_says_how_often(eventful: World) -> None:
    assert "5m (x3 over 60m)" in eventful.run("events", "--for", "Kustomization").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--for", "Pod/x"), "the kinds are"), (("--types", "Bad"), "there are Normal and Warning")],
)
def test_events_of_unknown_kinds_or_types_are_refused(
    world: World, options: tuple[str, ...], message: str
) -> None:
    result = world.run("events", *options)
    assert result.exit_code == 1
    assert message in result.stderr


def test_no_event_is_no_failure(world: World) -> None:
    result = world.run("events")
    assert result.exit_code == 0
    assert "No events found in flux-system namespace." in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (660, "11m"),
        (11000, "3h3m"),
        (90000, "25h"),
        (200000, "2d7h"),
        (86400 * 30, "30d"),
        (86400 * 365 * 3, "3y"),
        (86400 * 365 * 9, "9y"),
        (-3, "0s"),
    ],
)
def test_ages_are_short(seconds: int, text: str) -> None:
    assert short(timedelta(seconds=seconds)) == text


def installed(world: World) -> None:
    pods = template(app="hub")
    pods["spec"]["containers"][0]["image"] = "cartwheel-hub:1"
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "hub"}}, "template": pods}
    deployment = {"metadata": {"name": "cartwheel-hub", "namespace": "cartwheel-system"}, "spec": spec}
    available(deployment)
    world.management.put(DEPLOYMENTS, deployment)
    data = {"address": "h:1", "enrol-address": "h:2", "ca.crt": "C"}
    config = {"metadata": {"name": "cartwheel-hub", "namespace": "cartwheel-system"}, "data": data}
    world.management.put(CONFIG_MAPS, config)


def test_a_good_installation_passes_every_check(world: World) -> None:
    installed(world)
    world.management.put(CLUSTERS.resource, condition(cluster("eu-2"), "Connected"))
    result = world.run("check")
    assert result.exit_code == 0, result.output
    assert "✔ Kubernetes 1.36.0 >=1.33.0-0" in result.stderr
    assert result.stderr.splitlines()[-1] == "✔ all checks passed"


def test_every_fault_is_told_not_only_the_first(world: World) -> None:
    world.management.version = "v1.20.0"
    result = world.run("check")
    assert result.exit_code == 1
    for text in ("1.20.0", "run `hub install`", "not connected: flux-system/eu-2"):
        assert text in result.stderr


def test_prerequisites_alone_ask_for_no_hub() -> None:
    result = World().run("check", "--pre")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[-1] == "✔ prerequisites checks passed"


def test_versions_are_of_command_hub_and_agents(world: World) -> None:
    installed(world)
    world.management.put(CLUSTERS.resource, cluster(versions={"agent": "0.1.0"}))
    found = yaml.safe_load(world.run("version").stdout)
    assert found["hub"] == "cartwheel-hub:1"
    assert found["agents"] == {"flux-system/eu-1": "0.1.0", "flux-system/eu-2": "unknown"}


def test_the_version_of_the_command_needs_no_cluster() -> None:
    world = World()
    assert list(json.loads(world.run("version", "--client", "-o", "json").stdout)) == ["hub-cli"]
    assert world.run("--version").stdout.startswith("hub version ")
    assert world.dialled == []
