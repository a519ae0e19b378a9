"""What leaves a cluster and what comes back to it: for each entry that a Cluster stores, the wish that follows and the end of it."""

from dataclasses import replace
from typing import Any

import pytest

from agent.model.assignment import Hold, HoldReason, Tombstone
from agent.model.names import ClusterId, timestamp
from agent.model.report import Stage
from hub.delivery.leaving import Leaving
from hub.model.kinds import Kind
from hub.model.wish import Assigned, Boards
from tests.hub.delivery.test_controller import FLEET, HOME, PROD, Rig, one_cluster, prod_fleet, running
from tests.hub.hand import START, settle
from tests.hub.model.samples import fleet


def _released_names(rig: Rig, cluster: str) -> list[str]:
    return [one["name"] for one in rig.cluster_status(cluster).get("released", ())]


async def test_a_delivery_that_left_and_came_back_leaves_again() -> None:
    rig = prod_fleet(onLeave="Prune")
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.connect("eu-1")
        rig.report("eu-1", Stage.READY)
        rig.relabel("clusters", "eu-1", labels={})
        await settle()
        rig.report("eu-1", Stage.GONE)
        await settle()
        rig.relabel("clusters", "eu-1", labels=PROD)
        await settle()
        assert isinstance(rig.wish("eu-1"), Assigned)
        rig.delete()
        await settle()
        assert isinstance(rig.wish("eu-1"), Tombstone)
        assert rig.is_there()
        rig.report("eu-1", Stage.GONE)
        await settle()
        assert not rig.is_there()


async def test_what_was_released_outlives_its_delivery_until_a_person_decides() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        for cluster in ("eu-1", "us-1", "ap-1"):
            rig.report(cluster, Stage.READY)
        rig.relabel("clusters", "eu-1", labels={})
        await settle()
        rig.delete()
        await settle()
        assert isinstance(rig.wish("us-1"), Tombstone)
        found = rig.wish("eu-1")
        assert isinstance(found, Hold)
        assert found.reason is HoldReason.RELEASED
        assert _released_names(rig, "eu-1") == ["webapp"]
        assert not rig.is_there()


async def test_a_deletion_stops_waiting_for_an_agent_that_goes_away() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        rig.delete()
        await settle()
        assert rig.is_there()
        rig.disconnect("management")
        await settle()
        assert not rig.is_there()
        assert rig.cluster_status("management")["tombstones"]


async def test_a_deletion_that_waits_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    buried: list[str] = []
    bury = Leaving.bury

    async def counted(self: Leaving, *arguments: Any, **more: Any) -> None:
        buried.append(more["reason"])
        await bury(self, *arguments, **more)

    monkeypatch.setattr(Leaving, "bury", counted)
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        rig.delete()
        await settle()
        before = len(buried)
        await settle()
        assert len(buried) == before > 0


async def test_everything_on_the_desk_leaves_a_cluster_that_is_removed_though_nothing_was_reported_yet() -> (
    None
):
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    released = {
        "kind": "Kustomization",
        "namespace": "apps",
        "name": "old",
        "uid": "uid-old",
        "since": timestamp(START),
    }
    async with running(rig):
        pass
    rig.boards = Boards()
    rig.api.put_resource(
        Kind.CLUSTER,
        "eu-1",
        {"id": "id-of-eu-1"},
        labels=PROD,
        status={"released": [released]},
        finalizers=["finalizers.fluxcd.io"],
        deletionTimestamp=timestamp(START),
        annotations={"fleet.cartwheel.dev/remove": "prune"},
    )
    async with running(rig):
        rig.connect("eu-1", desk={(HOME, "uid-webapp")})
        await settle()
        for home, uid in ((HOME, "uid-webapp"), (replace(HOME, name="old"), "uid-old")):
            found = rig.wish("eu-1", home)
            assert isinstance(found, Tombstone)
            assert (found.uid, found.delete_objects) == (uid, True)


ENROLLED: Any = {"certificate": {"keyFingerprint": "f"}}


def enrolled(rig: Rig, name: str, **labels: str) -> None:
    rig.api.put_resource(Kind.CLUSTER, name, {"id": f"id-of-{name}"}, labels=labels, status=ENROLLED)


def buried(rig: Rig, *clusters: str) -> list[str]:
    """Return those clusters that have a tombstone for the delivery."""
    return [
        one
        for one in clusters
        if "uid-webapp" in {entry["uid"] for entry in rig.cluster_status(one).get("tombstones", ())}
    ]


def deleted(rig: Rig, **metadata: Any) -> None:
    """Have the delivery be placed by Fleet prod once, changed since, and deleted before this hub began."""
    annotations = {"fleet.cartwheel.dev/placed": "fleet/prod"}
    rig.deliver(annotations=annotations, deletionTimestamp=timestamp(START), **metadata)


NOW_BY_OTHER = {"labels": {"fleet.cartwheel.dev/fleet": "other"}}


async def test_what_was_placed_elsewhere_while_nobody_looked_leaves_there_too_when_it_is_deleted() -> None:
    rig = prod_fleet()
    rig.cluster("dev-1", tier="dev")
    other = fleet(clusterSelector={"matchLabels": {"tier": "dev"}})
    rig.api.put_resource(Kind.FLEET, "other", other)
    deleted(rig, **NOW_BY_OTHER)
    async with running(rig):
        assert not rig.is_there()
        assert buried(rig, "eu-1", "us-1", "dev-1") == ["eu-1", "us-1", "dev-1"]


async def test_a_cluster_that_left_the_fleet_while_nobody_looked_is_told_of_the_deletion_when_it_comes() -> (
    None
):
    rig = prod_fleet()
    enrolled(rig, "old-1", tier="retired")
    deleted(rig, labels=FLEET)
    async with running(rig):
        assert not rig.is_there()
        assert buried(rig, "old-1") == ["old-1"]
        assert isinstance(rig.wish("old-1"), Tombstone)
        rig.connect("old-1")
        rig.report("old-1", Stage.GONE)
        await settle()
        assert buried(rig, "old-1") == []


async def test_what_an_agent_told_to_have_on_its_desk_is_not_left_there() -> None:
    rig = prod_fleet()
    enrolled(rig, "old-1", tier="retired")
    enrolled(rig, "new-1", tier="retired")
    rig.deliver(labels=FLEET)
    async with running(rig):
        # Their reports are still on their way.
        rig.connect("old-1", desk={(HOME, "uid-webapp")})
        rig.connect("new-1")
        rig.delete()
        await settle()
        assert buried(rig, "old-1", "new-1") == ["old-1"]


async def test_a_delivery_whose_fleet_cannot_be_read_stays_until_it_can() -> None:
    rig = prod_fleet()
    with rig.api.older_schema():
        rig.api.put_resource(Kind.FLEET, "prod", fleet(clusterSelector="prod"))
    deleted(rig, labels=FLEET)
    async with running(rig):
        await settle()
        assert rig.is_there()
        assert buried(rig, "eu-1", "us-1") == []


async def test_a_deletion_that_takes_long_says_what_it_waits_for() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        rig.deliver("new", creationTimestamp=timestamp(START), spec={"path": "./nowhere"})
        rig.delete()
        await rig.clock.pass_(20)
        assert rig.standing().problem is None
        await rig.clock.pass_(20)
        problem = rig.standing().problem
        assert problem is not None
        assert "management: Kustomization apps/new is new there" in problem.message
        rig.deliver("new", creationTimestamp=timestamp(START), spec={"suspend": True}, generation=2)
        await rig.clock.pass_(30)
        place = (ClusterId("id-of-management"), HOME)
        said = rig.boards.reports.get(place)
        assert said is not None
        rig.boards.reports.put(place, replace(said, stage=Stage.FAILED, message="the agent's words"))
        await rig.clock.pass_(30)
        problem = rig.standing().problem
        assert problem is not None
        assert problem.message.endswith("management: the agent's words")
