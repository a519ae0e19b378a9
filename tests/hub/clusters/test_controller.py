"""Clusters get an identity once, conflicts are told, and a removed one goes when nothing is left to do."""

import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.resources import NAMESPACES
from agent.model.assignment import Tombstone
from agent.model.names import ClusterId, HomeName
from agent.model.report import Report, Stage
from hub.clusters.controller import ClusterController, random_id
from hub.clusters.departure import ClusterSettings
from hub.model.kinds import Kind
from hub.model.wish import Boards, Presence
from hub.store import Store
from tests.hub.hand import Hand, Middle, settle
from tests.hub.management import Management

HOME = HomeName(kind="Kustomization", namespace="apps", name="webapp")
ID = ClusterId("id-of-eu-1")
ENROLLED = {"certificate": {"keyFingerprint": "abc", "notAfter": "2026-01-02T00:00:00Z"}}


@dataclass
class Rig:
    """A hub's cluster stage over an API server in memory."""

    api: Management = field(init=False)
    boards: Boards = field(default_factory=Boards)
    clock: Hand = field(default_factory=Hand)

    def __post_init__(self) -> None:
        self.api = Management(self.clock)

    def cluster(self, name: str = "eu-1", id_: str = ID, **more: Any) -> None:
        self.api.put_resource(Kind.CLUSTER, name, {"id": id_} if id_ else {}, **more)

    def found(self, name: str = "eu-1") -> Any:
        return self.api.find("clusters", "apps", name)

    def delete(self) -> None:
        value = self.found()
        stamped = {**value["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        self.api.put("clusters", {**value, "metadata": stamped})

    def annotate(self, annotations: dict[str, str]) -> None:
        value = self.found()
        self.api.put("clusters", {**value, "metadata": {**value["metadata"], "annotations": annotations}})

    def connect(self, *, is_there: bool = True, desk: Collection[tuple[HomeName, str]] = frozenset()) -> None:
        now = self.clock.now()
        self.boards.presence.put(
            ID, Presence(connected=is_there, since=now, last_seen=now, term=1, desk=frozenset(desk))
        )

    def report(self, stage: Stage) -> None:
        gone = Report.gone(ID, HOME, "u", as_of=self.clock.now())
        values = {name: getattr(gone, name) for name in gone.__dataclass_fields__} | {"stage": stage}
        self.boards.reports.put((ID, HOME), Report(**values))

    def conflict(self, name: str) -> str:
        return self.condition("IdentityConflict", name)

    def condition(self, type_: str, name: str = "eu-1") -> str:
        conditions = self.found(name)["status"].get("conditions", [])
        return "".join(one["message"] for one in conditions if one["type"] == type_)

    def reasons(self) -> list[str]:
        return [one["reason"] for one in self.api.all("events")]


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    numbers = itertools.count()
    store = Store(rig.api, clock=rig.clock, randomness=Middle(), backoff=Backoff())
    controller = ClusterController(
        ClusterSettings(backoff=Backoff()),
        store=store,
        boards=rig.boards,
        clock=rig.clock,
        randomness=Middle(),
        new_id=lambda: f"new-id-{next(numbers)}",
    )
    async with Tasks() as tasks:
        tasks.start(store.run(), name="store")
        tasks.start(controller.run(), name="clusters")
        await rig.clock.pass_(0.1)
        yield rig


async def test_a_cluster_without_an_id_gets_one_and_keeps_it() -> None:
    rig = Rig()
    rig.cluster(id_="")
    async with running(rig):
        assert rig.found()["spec"] == {"id": "new-id-0"}
        assert rig.found()["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    async with running(rig):
        assert rig.found()["spec"] == {"id": "new-id-0"}


async def test_what_is_as_it_should_be_is_not_written() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"])
    async with running(rig):
        assert rig.api.writes == []


def test_ids_are_of_the_form_that_the_schema_asks_for() -> None:
    first, second = random_id(), random_id()
    assert first != second
    assert first.replace("-", "").isalnum()
    assert first == first.lower()


async def test_two_clusters_of_one_id_both_say_so_until_one_is_gone() -> None:
    rig = Rig()
    rig.cluster("eu-1")
    async with running(rig):
        rig.cluster("eu-2")
        await settle()
        assert "Cluster apps/eu-2" in rig.conflict("eu-1")
        assert "Cluster apps/eu-1" in rig.conflict("eu-2")
        rig.api.remove("clusters", "apps", "eu-2")
        await settle()
        assert rig.conflict("eu-1") == ""


async def test_a_removed_cluster_goes_when_its_agent_has_let_go() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect()
        rig.report(Stage.READY)
        rig.delete()
        await settle()
        assert rig.found() is not None
        rig.report(Stage.GONE)
        await settle()
        assert rig.found() is None
        assert rig.api.all("events") == []


async def test_a_removed_cluster_waits_for_an_agent_that_has_not_answered_a_tombstone() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect()
        rig.boards.wishes.put((ID, HOME), Tombstone(home=HOME, uid="u", delete_objects=True))
        rig.delete()
        await settle()
        assert rig.found() is not None


async def test_one_that_is_away_stays_listed_as_unreachable_until_its_agent_has_let_go() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect(is_there=False)
        rig.delete()
        await rig.clock.pass_(59)
        assert rig.condition("RemovedUnreachable") == ""
        await rig.clock.pass_(2)
        assert "it leaves what runs there and guards it no more" in rig.condition("RemovedUnreachable")
        assert rig.reasons() == ["RemovedUnreachable"]
        rig.connect(desk={(HOME, "u")})
        await settle()
        assert rig.found() is not None
        rig.report(Stage.GONE)
        await settle()
        assert rig.found() is None
        assert rig.reasons() == ["RemovedUnreachable", "RemovedReturned"]


async def test_after_the_start_an_agent_has_time_to_come_back_first() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.delete()
        await settle()
        assert rig.condition("RemovedUnreachable") == ""
        await rig.clock.pass_(61)
        assert rig.condition("RemovedUnreachable") != ""


async def test_one_that_is_away_goes_when_its_certificate_has_ended() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect(is_there=False)
        rig.delete()
        await rig.clock.pass_(23 * 3600)
        assert rig.found() is not None
        await rig.clock.pass_(3600)
        assert rig.found() is None


async def test_one_that_is_away_says_until_when_it_would_still_delete() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect(is_there=False)
        rig.annotate({"fleet.cartwheel.dev/remove": "prune"})
        rig.delete()
        await rig.clock.pass_(61)
        said = rig.condition("RemovedUnreachable")
        assert "it deletes what its deliveries brought there when it comes back" in said
        assert (
            "until its certificate ends at 2026-01-02T00:00:00Z, after which it would delete nothing" in said
        )


async def test_one_that_is_away_goes_when_nobody_waits_for_it() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect(is_there=False)
        rig.delete()
        await settle()
        rig.annotate({"fleet.cartwheel.dev/remove": "forget"})
        await settle()
        assert rig.found() is None


async def test_what_was_released_is_let_go_of_too() -> None:
    rig = Rig()
    released = {
        "kind": "Kustomization",
        "namespace": "apps",
        "name": "webapp",
        "uid": "u",
        "since": "2026-01-01T00:00:00Z",
    }
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status={**ENROLLED, "released": [released]})
    async with running(rig):
        rig.connect()
        rig.delete()
        await settle()
        assert rig.found() is not None
        rig.report(Stage.GONE)
        await settle()
        assert rig.found() is None


async def test_one_whose_identity_another_has_goes_at_once_and_its_agent_stays_known() -> None:
    rig = Rig()
    rig.cluster("us-1", finalizers=["finalizers.fluxcd.io"])
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    rig.connect(desk={(HOME, "u")})
    async with running(rig):
        rig.delete()
        await settle()
        assert rig.found() is None
        assert rig.boards.presence.get(ID) is not None


async def test_one_goes_with_its_namespace_in_which_no_event_can_be_written_any_more() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"], status=ENROLLED)
    async with running(rig):
        rig.connect(is_there=False)
        rig.api.cluster.delete(NAMESPACES, "", "apps")
        await rig.clock.pass_(24 * 3600)
        assert rig.found() is None


async def test_one_that_never_had_an_agent_goes_at_once() -> None:
    rig = Rig()
    rig.cluster(finalizers=["finalizers.fluxcd.io"])
    async with running(rig):
        rig.delete()
        await settle()
        assert rig.found() is None
