"""Who has a home name in a cluster when more than one could, and that nobody loses its objects by the answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.kube.errors import Conflict
from agent.model.assignment import Hold, Tombstone
from agent.model.names import timestamp
from agent.model.report import Stage
from hub.model.kinds import Kind
from hub.model.wish import Assigned, Boards, PlacementKey, Wish
from tests.hub.delivery.test_controller import (
    FLEET,
    HOME,
    PROD,
    Rig,
    config_map,
    one_cluster,
    prod_fleet,
    running,
)
from tests.hub.hand import START, Hand, settle
from tests.hub.model.samples import kustomization

EARLY, LATE = timestamp(START - timedelta(days=9)), timestamp(START - timedelta(days=1))


def home_namespace(rig: Rig, namespace: str, home: str) -> None:
    """Have the deliveries of a namespace run under another one in their clusters."""
    labels = {"fleet.cartwheel.dev/home-namespace": home}
    rig.api.put("namespaces", {"metadata": {"name": namespace, "labels": labels}})


def deliver_from(rig: Rig, namespace: str, uid: str, created: str, **metadata: Any) -> None:
    spec = kustomization(sourceRef={"kind": "GitRepository", "name": "webapp", "namespace": "apps"})
    given = {"finalizers": ["finalizers.fluxcd.io"], "creationTimestamp": created} | metadata
    rig.api.put_resource(Kind.KUSTOMIZATION, "webapp", spec, namespace=namespace, uid=uid, **given)


def problem_of(rig: Rig, namespace: str) -> str:
    found = rig.boards.standings.get(("Kustomization", namespace, "webapp"))
    return found.problem.reason if found is not None and found.problem is not None else ""


def delete(rig: Rig, namespace: str) -> None:
    rig.api.cluster.delete(rig.api.resource("kustomizations"), namespace, "webapp")


async def test_a_rival_in_waiting_does_not_keep_the_one_who_has_the_name_from_leaving() -> None:
    rig = one_cluster()
    home_namespace(rig, "team", "apps")
    rig.deliver(creationTimestamp=EARLY)
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        deliver_from(rig, "team", "uid-rival", timestamp(START))
        await settle()
        assert problem_of(rig, "team") == "PlacementConflict"
        rig.delete()
        await settle()
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert found.uid == "uid-webapp"
        rig.report("management", Stage.GONE)
        await settle()
        assert not rig.is_there()
        assert rig.assigned("management").assignment.uid == "uid-rival"


async def test_an_older_delivery_that_comes_to_a_name_does_not_take_it_from_the_one_that_runs() -> None:
    rig = one_cluster()
    home_namespace(rig, "team", "elsewhere")
    rig.deliver(creationTimestamp=LATE)
    deliver_from(rig, "team", "uid-older", EARLY)
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        home_namespace(rig, "team", "apps")
        await settle()
        assert rig.assigned("management").assignment.uid == "uid-webapp"
        assert problem_of(rig, "team") == "PlacementConflict"
        assert problem_of(rig, "apps") == ""


async def test_after_a_restart_a_contested_name_is_given_to_nobody_before_its_cluster_says_who_has_it() -> (
    None
):
    rig = one_cluster()
    home_namespace(rig, "team", "apps")
    rig.deliver(creationTimestamp=LATE)
    deliver_from(rig, "team", "uid-older", EARLY)
    async with running(rig):
        assert not isinstance(rig.wish("management"), Assigned)
        rig.connect("management", desk={(HOME, "uid-webapp")})
        await settle()
        assert rig.assigned("management").assignment.uid == "uid-webapp"
        assert problem_of(rig, "team") == "PlacementConflict"


async def test_a_contested_name_that_nobody_has_is_the_older_ones() -> None:
    rig = one_cluster()
    home_namespace(rig, "team", "apps")
    rig.deliver(creationTimestamp=LATE)
    deliver_from(rig, "team", "uid-older", EARLY)
    async with running(rig):
        rig.connect("management")
        await settle()
        assert rig.assigned("management").assignment.uid == "uid-older"
        assert problem_of(rig, "apps") == "PlacementConflict"


async def test_what_cannot_be_read_any_more_keeps_its_name() -> None:
    rig = one_cluster()
    home_namespace(rig, "team", "apps")
    rig.deliver(creationTimestamp=EARLY)
    deliver_from(rig, "team", "uid-rival", LATE)
    async with running(rig):
        rig.connect("management")
        await settle()
        rig.report("management", Stage.READY)
        with rig.api.older_schema():
            rig.deliver(spec={"interval": "no time"}, creationTimestamp=EARLY)
        await settle()
        rig.commit("main@sha1:2", a=config_map("a"))
        await settle()
        assert rig.assigned("management").assignment.uid == "uid-webapp"
        assert problem_of(rig, "team") == "PlacementConflict"


async def test_a_name_under_which_something_was_left_is_free_when_that_is_settled() -> None:
    rig = one_cluster()
    home_namespace(rig, "team", "elsewhere")
    deliver_from(rig, "team", "uid-other", LATE)
    rig.deliver(creationTimestamp=EARLY)
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        home_namespace(rig, "apps", "moved")
        home_namespace(rig, "team", "apps")
        await settle()
        rig.report("management", Stage.READY, home=replace(HOME, namespace="moved"))
        assert isinstance(rig.wish("management"), Hold), "its objects are there yet"
        assert problem_of(rig, "team") == "PlacementConflict"
        since = rig.cluster_status("management")["released"][0]["since"]
        entry = {"fleet.cartwheel.dev/forget-released": f"Kustomization/apps/webapp@{since}"}
        rig.relabel("clusters", "management", annotations=entry)
        await settle()
        assert isinstance(rig.wish("management"), Tombstone)
        rig.report("management", Stage.GONE)
        await settle()
        assert rig.assigned("management").assignment.uid == "uid-other"


async def test_another_home_name_in_the_same_cluster_is_on_the_desk_before_the_old_one_leaves_it() -> None:
    rig = prod_fleet(onLeave="Prune")
    rig.deliver(labels=FLEET, creationTimestamp=EARLY)
    new = replace(HOME, namespace="moved")
    async with running(rig):
        rig.connect("eu-1")
        rig.report("eu-1", Stage.READY)
        home_namespace(rig, "apps", "moved")
        await settle()
        assert isinstance(rig.wish("eu-1", new), Assigned)
        assert not isinstance(rig.wish("eu-1"), Tombstone), (
            "it would delete what the new name is to take over"
        )
        rig.report("eu-1", Stage.READY, home=new)
        await settle()
        assert isinstance(rig.wish("eu-1"), Tombstone)


async def test_the_fleet_that_is_left_decides_although_storing_that_fails_at_first() -> None:
    rig = prod_fleet()
    rig.cluster("dev-1", tier="dev")
    rig.api.put_resource(
        Kind.FLEET, "dev", {"clusterSelector": {"matchLabels": {"tier": "dev"}}, "onLeave": "Prune"}
    )
    rig.deliver(labels=FLEET)

    def conflict() -> None:
        raise Conflict("somebody was faster", status=409, reason="Conflict")

    async with running(rig):
        rig.api.interfere_with = "clusters"
        rig.api.interfere = [conflict] * 5
        rig.relabel("kustomizations", "webapp", labels={"fleet.cartwheel.dev/fleet": "dev"})
        await settle()
        await rig.clock.pass_(60)
        for cluster in ("eu-1", "us-1", "ap-1"):
            assert isinstance(rig.wish(cluster), Hold), "its Fleet said to keep what leaves it"


async def test_what_comes_to_a_fleet_from_elsewhere_is_no_leaving_of_that_fleet() -> None:
    rig = prod_fleet(onLeave="Prune")
    rig.cluster("management")
    rig.deliver()
    async with running(rig):
        assert isinstance(rig.wish("management"), Assigned)
        rig.relabel("kustomizations", "webapp", labels=FLEET)
        await settle()
        assert isinstance(rig.wish("eu-1"), Assigned)
        assert isinstance(rig.wish("management"), Hold), "nobody said that it is to be deleted there"


async def test_what_is_placed_again_while_its_tombstone_waits_does_not_leave() -> None:
    rig = prod_fleet(onLeave="Prune")
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.relabel("clusters", "eu-1", labels={})
        await settle()
        assert isinstance(rig.wish("eu-1"), Tombstone)
        rig.relabel("clusters", "eu-1", labels=PROD)
        await settle()
        assert isinstance(rig.wish("eu-1"), Assigned)
        assert "tombstones" not in rig.cluster_status("eu-1")


async def test_of_two_clusters_of_one_identity_the_removed_one_takes_nothing_from_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.report("management", Stage.READY)
        said: list[Wish] = []
        put = rig.boards.wishes.put

        def noted(key: PlacementKey, wish: Wish) -> bool:
            said.append(wish)
            return put(key, wish)

        monkeypatch.setattr(rig.boards.wishes, "put", noted)
        rig.api.put_resource(
            Kind.CLUSTER,
            "copy",
            {"id": "id-of-management"},
            uid="uid-copy",
            finalizers=["finalizers.fluxcd.io"],
            deletionTimestamp=timestamp(START),
            annotations={"fleet.cartwheel.dev/remove": "prune"},
        )
        await settle()
        assert not any(isinstance(wish, Tombstone) for wish in said)
        rig.delete()
        await settle()
        assert rig.cluster_status("management")["tombstones"]


async def test_a_cluster_not_heard_of_since_the_start_gets_the_tombstone_though_the_fleet_is_gone() -> None:
    rig = prod_fleet()
    placed = {"fleet.cartwheel.dev/placed": "fleet/prod"}
    rig.deliver(labels=FLEET, annotations=placed)
    rig.api.remove("fleets", "apps", "prod")
    for name in ("eu-1", "us-1"):
        enrolled = {"certificate": {"keyFingerprint": "SHA256:1"}}
        rig.api.put_resource(Kind.CLUSTER, name, {"id": f"id-of-{name}"}, labels=PROD, status=enrolled)
    async with running(rig):
        rig.connect("us-1")
        rig.delete()
        await settle()
        assert not rig.is_there()
        assert [one["uid"] for one in rig.cluster_status("eu-1")["tombstones"]] == ["uid-webapp"]
        assert "tombstones" not in rig.cluster_status("us-1"), "it said what it has"


async def test_a_renaming_is_one_though_the_hubs_clock_is_ahead() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        rig.deliver("renamed", creationTimestamp=timestamp(START))
        # The API server's clock stays behind.
        rig.api.dated.clock = Hand()
        rig.clock.at_s += 3600
        rig.delete()
        await settle()
        assert isinstance(rig.wish("management"), Assigned)


async def test_one_tombstone_that_is_done_with_does_not_take_along_another_of_the_name() -> None:
    rig = one_cluster()
    entries = [
        {
            "kind": "Kustomization",
            "namespace": "apps",
            "name": "webapp",
            "uid": uid,
            "deletionPolicy": "Delete",
            "time": timestamp(START),
        }
        for uid in ("uid-1", "uid-2")
    ]
    rig.boards = Boards()
    rig.api.put_resource(
        Kind.CLUSTER, "management", {"id": "id-of-management"}, status={"tombstones": entries}
    )
    async with running(rig):
        rig.report("management", Stage.GONE, uid="uid-2")
        await settle()
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert found.uid == "uid-1"
