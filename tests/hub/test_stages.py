"""The hub's stages together on their boards, with agents that do as they are told: a commit to Ready, a deletion to nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.model.assignment import Tombstone
from agent.model.names import timestamp
from agent.model.report import Report, Stage
from hub.clusters.controller import ClusterController
from hub.clusters.departure import ClusterSettings
from hub.model.kinds import Kind
from hub.model.wish import Assigned
from hub.status.writer import StatusSettings, StatusWriter
from tests.hub.delivery.test_controller import FLEET, PROD, Rig, config_map, running
from tests.hub.hand import Middle
from tests.hub.model.samples import fleet


async def obey(rig: Rig) -> None:
    """Be the agents: apply at once what is wished for, and say so."""
    with rig.boards.wishes.reader() as reader:
        while True:
            for (id_, home), wish in (await reader.next()).items():
                if isinstance(wish, Tombstone):
                    gone = Report.gone(id_, home, wish.uid, as_of=rig.clock.now())
                    rig.boards.reports.put((id_, home), gone)
                elif isinstance(wish, Assigned):
                    about = wish.assignment
                    gone = Report.gone(id_, home, about.uid, as_of=rig.clock.now())
                    for stage in (Stage.APPLYING, Stage.READY):
                        said = replace(
                            gone,
                            stage=stage,
                            bundle=about.bundle.digest,
                            generation=about.generation,
                            applied_once=True,
                            handled=dict(about.tokens),
                            as_of=timestamp(rig.clock.now()),
                        )
                        rig.boards.reports.put((id_, home), said)


@asynccontextmanager
async def hub(rig: Rig) -> AsyncIterator[Rig]:
    async with running(rig), Tasks() as tasks:
        store = rig.store
        writer = StatusWriter(
            StatusSettings(backoff=Backoff()),
            store=store,
            boards=rig.boards,
            clock=rig.clock,
            randomness=Middle(),
        )
        clusters = ClusterController(
            ClusterSettings(backoff=Backoff()),
            store=store,
            boards=rig.boards,
            clock=rig.clock,
            randomness=Middle(),
        )
        tasks.start(writer.run(), name="status")
        tasks.start(clusters.run(), name="clusters")
        tasks.start(obey(rig), name="agents")
        await rig.clock.pass_(5)
        yield rig


def three_clusters() -> Rig:
    rig = Rig()
    rig.api.put_resource(Kind.FLEET, "prod", fleet())
    for name in ("eu-1", "us-1", "ap-1"):
        rig.cluster(name, **PROD)
        rig.connect(name)
    rig.commit("main@sha1:1", a=config_map("a"))
    rig.deliver(labels=FLEET)
    return rig


def ready(rig: Rig) -> tuple[str, str]:
    status = rig.api.status("kustomizations", "webapp")
    (found,) = [one for one in status["conditions"] if one["type"] == "Ready"]
    return found["status"], found["message"]


async def test_a_commit_becomes_ready_everywhere() -> None:
    rig = three_clusters()
    async with hub(rig):
        assert ready(rig) == ("True", "3/3 ready")
        status = rig.api.status("kustomizations", "webapp")
        assert status["lastAppliedRevision"] == "main@sha1:1"
        conditions = rig.cluster_status("eu-1")["conditions"]
        assert {one["type"]: one["status"] for one in conditions if one["type"] != "Enrolled"} == {
            "Connected": "True",
            "Ready": "True",
        }
        (one,) = rig.api.status("fleets", "prod")["conditions"]
        assert one["message"] == "3/3 clusters ready"


async def test_a_changed_line_costs_few_writes_and_a_quiet_time_none() -> None:
    rig = three_clusters()
    async with hub(rig):
        before = len(rig.api.writes)
        rig.commit("main@sha1:2", a=config_map("a", x="1"))
        await rig.clock.pass_(5)
        assert ready(rig)[0] == "True"
        on_delivery = [one for one in rig.api.writes[before:] if "kustomizations" in one]
        events = [one for one in rig.api.writes[before:] if "events" in one]
        assert len(on_delivery) + len(events) <= 3
        before = len(rig.api.writes)
        await rig.clock.pass_(30)
        assert len(rig.api.writes) == before


async def test_a_deletion_leaves_nothing() -> None:
    rig = three_clusters()
    async with hub(rig):
        rig.delete()
        await rig.clock.pass_(5)
        assert not rig.is_there()
        assert rig.boards.wishes.snapshot() == {}
        assert all("tombstones" not in rig.cluster_status(name) for name in ("eu-1", "us-1", "ap-1"))
        assert rig.boards.standings.snapshot() == {}


async def test_a_request_is_answered_when_all_agents_have() -> None:
    rig = three_clusters()
    async with hub(rig):
        annotations = {"reconcile.fluxcd.io/requestedAt": "now"}
        rig.relabel("kustomizations", "webapp", annotations=annotations)
        await rig.clock.pass_(5)
        status = rig.api.status("kustomizations", "webapp")
        assert status["lastHandledReconcileAt"] == "now"
