"""The writer: what the boards say arrives in the resources, at a bounded rate, and silence makes it unknown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.model.names import ClusterId, HomeName
from agent.model.report import Notice, NoticeKind, Report, Stage
from hub.model.kinds import TYPES, Kind
from hub.model.metadata import Uid
from hub.model.standing import DELETING, Problem, Standing, Target
from hub.model.wish import Boards, Declined, Happening, Presence
from hub.status.writer import StatusSettings, StatusWriter
from hub.store import Store
from tests.hub.hand import Hand, Middle, settle
from tests.hub.management import Management
from tests.hub.model.samples import fleet, kustomization
from tests.hub.status.samples import HOME, bundle, report, standing, target

ID = target().id


@dataclass
class Rig:
    """A hub's status stage over an API server in memory."""

    api: Management
    clock: Hand
    boards: Boards = field(default_factory=Boards)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def stand(self, given: Standing | None = None, *, generation: int = 1) -> None:
        now = replace(given or standing(), uid=Uid("uid-webapp"), generation=generation)
        self.boards.standings.put(("Kustomization", "apps", "webapp"), now)

    def say(self, stage: Stage, **more: Any) -> Report:
        said = report("eu-1", stage, uid="uid-webapp", **more)
        self.boards.reports.put((ID, HOME), said)
        return said

    def connect(self, id_: ClusterId = ID, *, is_there: bool = True) -> None:
        now = self.clock.now()
        seen = Presence(connected=is_there, since=now, last_seen=now, term=1, agent_version="1.0")
        self.boards.presence.put(id_, seen)

    async def stay_connected(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            await self.clock.pass_(10)
            presence = self.boards.presence.get(ID)
            assert presence is not None
            self.boards.presence.put(ID, replace(presence, last_seen=self.clock.now()))

    def ready(self) -> tuple[str, str]:
        status = self.api.status("kustomizations", "webapp")
        (found,) = [one for one in status["conditions"] if one["type"] == "Ready"]
        return found["status"], found["reason"]

    def looks(self) -> float:
        """Return how often a Cluster or a delivery was looked at."""
        (results,) = [
            one for one in self.telemetry.registry.collect() if one.name == "cartwheel_loop_results"
        ]
        loops = {"cluster-status", "delivery-status", "fleet-status"}
        return sum(one.value for one in results.samples if one.labels["loop"] in loops)

    def writes(self, plural: str) -> int:
        return sum(f" {plural} " in one for one in self.api.writes)

    def events(self) -> list[tuple[str, str, str]]:
        return [(one["type"], one["reason"], one["message"]) for one in self.api.all("events")]


@asynccontextmanager
async def running(api: Management | None = None, clock: Hand | None = None) -> AsyncIterator[Rig]:
    """Have the status stage run over new resources, or over those of one that ended."""
    clock = clock or Hand()
    rig = Rig(api=api or Management(clock), clock=clock)
    if api is None:
        rig.api.put_resource(Kind.KUSTOMIZATION, "webapp", kustomization())
        rig.api.put_resource(Kind.CLUSTER, "eu-1", {"id": str(ID)})
    store = Store(rig.api, clock=rig.clock, randomness=Middle(), backoff=Backoff())
    writer = StatusWriter(
        StatusSettings(backoff=Backoff()),
        store=store,
        boards=rig.boards,
        clock=rig.clock,
        randomness=Middle(),
        telemetry=rig.telemetry,
    )
    async with Tasks() as tasks:
        tasks.start(store.run(), name="store")
        tasks.start(writer.run(), name="status")
        await rig.clock.pass_(0.1)
        yield rig


async def test_a_report_makes_the_delivery_ready_and_tells_it_once() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        assert rig.ready() == ("True", "ReconciliationSucceeded")
        assert [one[1] for one in rig.events()] == ["ReconciliationSucceeded"]
        before = len(rig.api.writes)
        rig.say(Stage.READY, as_of="2026-01-01T00:10:00Z")
        await rig.clock.pass_(5)
        assert len(rig.api.writes) == before


async def test_a_word_on_the_old_generation_is_not_written_over_a_new_one_that_comes_meanwhile() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.api.interfere_with = "kustomizations"

        def edit() -> None:
            changed = kustomization(wait=True)
            rig.api.put_resource(Kind.KUSTOMIZATION, "webapp", changed)

        rig.api.interfere = [edit]
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        assert rig.api.status("kustomizations", "webapp") == {"observedGeneration": -1}


async def test_of_what_is_being_deleted_nothing_is_said_but_what_hinders_it() -> None:
    async with running() as rig:
        going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["finalizers.fluxcd.io"]}
        rig.api.put_resource(Kind.KUSTOMIZATION, "webapp", kustomization(), **going)
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        assert rig.writes("kustomizations") == 0
        hinders = Problem(reason=DELETING, message="eu-1: not yet", is_quiet=True)
        # A deletion counts as a generation.
        rig.stand(standing(problem=hinders), generation=2)
        await rig.clock.pass_(5)
        assert rig.ready() == ("False", "Deleting")
        assert rig.events() == []


async def test_a_burst_of_reports_is_written_at_a_bounded_rate() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.APPLYING)
        await settle()
        before = rig.writes("kustomizations")
        for number in range(20):
            rig.say(Stage.CHECKING, message=f"{number} of 20")
            await settle()
        rig.say(Stage.READY)
        await rig.clock.pass_(1.5)
        assert rig.writes("kustomizations") - before <= 2
        assert rig.ready()[0] == "True"


async def test_what_is_quickly_ready_is_written_once() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        await rig.clock.pass_(0.3)
        rig.say(Stage.APPLYING)
        await rig.clock.pass_(0.3)
        rig.say(Stage.READY)
        await rig.clock.pass_(0.1)
        assert rig.ready()[0] == "True"
        assert rig.writes("kustomizations") == 1


async def test_what_takes_longer_is_told_while_it_goes_on() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.APPLYING)
        await rig.clock.pass_(0.7)
        rig.say(Stage.CHECKING)
        await rig.clock.pass_(0.2)
        assert rig.writes("kustomizations") == 0
        await rig.clock.pass_(0.2)
        assert rig.ready() == ("Unknown", "Progressing")


async def test_a_failure_is_told_at_once() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.APPLYING)
        await rig.clock.pass_(0.1)
        rig.say(Stage.FAILED, reason="ReconciliationFailed", message="no")
        await rig.clock.pass_(0.1)
        assert rig.ready() == ("False", "ReconciliationFailed")


async def test_a_prune_that_is_held_is_told_once_for_each_build() -> None:
    def told(rig: Rig) -> list[tuple[str, int]]:
        found = [one for one in rig.api.all("events") if one["reason"] == "PruneHeld"]
        return [(one["type"], one["count"]) for one in found]

    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY, prune_held=("apps_x__ConfigMap",))
        await rig.clock.pass_(2)
        assert rig.ready() == ("False", "PruneHeld")
        assert told(rig) == [("Warning", 1)]
        rig.say(Stage.READY, prune_held=("apps_x__ConfigMap",), as_of="2026-01-01T00:10:00Z")
        rig.say(Stage.CHECKING, prune_held=("apps_x__ConfigMap",))
        await rig.clock.pass_(2)
        rig.say(Stage.READY, prune_held=("apps_x__ConfigMap",))
        await rig.clock.pass_(2)
        assert told(rig) == [("Warning", 1)]
        other = bundle("c")
        rig.stand(standing(target(bundle=other, revision="main@sha1:2"), revision="main@sha1:2"))
        rig.say(Stage.READY, prune_held=("apps_x__ConfigMap",), bundle=other.digest)
        await rig.clock.pass_(2)
        assert sum(count for _, count in told(rig)) == 2


async def test_silence_makes_ready_unknown_within_the_time() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        rig.connect(is_there=False)
        await rig.clock.pass_(50)
        assert rig.ready()[0] == "True"
        await rig.clock.pass_(12)
        assert rig.ready() == ("Unknown", "Disconnected")
        status = rig.api.status("clusters", "eu-1")
        assert {"Connected": "False", "Ready": "Unknown"}.items() <= {
            one["type"]: one["status"] for one in status["conditions"]
        }.items()
        rig.connect()
        await rig.clock.pass_(2)
        assert rig.ready()[0] == "True"


async def test_an_agent_that_never_came_back_after_the_start_is_unknown() -> None:
    async with running() as rig:
        rig.stand()
        await rig.clock.pass_(65)
        assert rig.ready() == ("Unknown", "Disconnected")


async def test_a_cluster_that_goes_before_its_first_word_keeps_a_delivery_from_being_ready_after_a_restart_too() -> (
    None
):
    other = target("us-1")
    async with running() as rig:
        rig.api.put_resource(Kind.CLUSTER, "us-1", {"id": other.id})
        rig.connect()
        rig.connect(other.id)
        rig.stand(standing(target(), other))
        rig.say(Stage.READY)
        await rig.clock.pass_(3)
        rig.connect(other.id, is_there=False)
        await rig.stay_connected(70)
        assert rig.ready() == ("Unknown", "Progressing")
    async with running(rig.api, rig.clock) as again:
        again.connect()
        again.stand(standing(target(), other))
        again.say(Stage.READY)
        await again.stay_connected(70)
        assert again.ready() == ("Unknown", "Progressing")
        again.connect(other.id)
        again.boards.reports.put(other.key, report("us-1", uid="uid-webapp"))
        await again.clock.pass_(2)
        assert again.ready()[0] == "True"


async def test_a_quiet_hour_writes_nothing() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        before = len(rig.api.writes)
        await rig.stay_connected(3600)
        assert len(rig.api.writes) == before


async def test_a_failed_build_is_an_error_event_once() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        rig.stand(standing(problem=Problem(reason="BuildFailed", message="no such file")))
        await rig.clock.pass_(2)
        rig.stand(
            standing(problem=Problem(reason="BuildFailed", message="no such file"), revision="main@sha1:2")
        )
        await rig.clock.pass_(2)
        assert rig.ready() == ("False", "BuildFailed")
        bad = [one for one in rig.events() if one[0] == "Warning"]
        assert bad == [("Warning", "BuildFailed", "no such file")]


async def test_what_an_agent_noticed_becomes_an_event_and_is_forgotten() -> None:
    async with running() as rig:
        notice = Notice(
            seq=1,
            home=HOME,
            uid="uid-webapp",
            kind=NoticeKind.DRIFT_CORRECTED,
            reason="DriftCorrected",
            message="ConfigMap/apps/a: .data.x was changed and is put back",
            at="2026-01-01T00:00:00Z",
        )
        rig.boards.happenings.put((ID, 1, 1), Happening(cluster=ID, notice=notice))
        await rig.clock.pass_(2)
        assert rig.events() == []
        rig.stand()
        await rig.clock.pass_(2)
        assert rig.events() == [("Normal", "DriftCorrected", notice.message)]
        (recorded,) = rig.api.all("events")
        assert recorded["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/cluster"] == "eu-1"
        assert rig.boards.happenings.snapshot() == {}


async def test_a_word_on_an_older_generation_is_not_written() -> None:
    async with running() as rig:
        rig.api.put_resource(Kind.KUSTOMIZATION, "webapp", kustomization(wait=True))
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        assert rig.writes("kustomizations") == 0


async def test_what_an_agent_declines_is_a_condition_and_an_event_until_it_takes_it() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        await rig.clock.pass_(2)
        declined = Declined(uid="uid-webapp", reason="Malformed", message="this is no assignment: 'x'")
        rig.boards.declined.put((ID, HOME), declined)
        await rig.clock.pass_(2)
        assert rig.ready() == ("False", "AssignmentDeclined")
        ((kind, reason, message),) = rig.events()
        assert (kind, reason) == ("Warning", "AssignmentDeclined")
        for part in ("eu-1", "Malformed", "this is no assignment: 'x'", "hub cluster add eu-1"):
            assert part in message
        rig.boards.declined.drop((ID, HOME))
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        assert rig.ready() == ("True", "ReconciliationSucceeded")


async def test_what_an_agent_declined_of_an_earlier_delivery_says_nothing_of_this_one() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.boards.declined.put((ID, HOME), Declined(uid="uid-before", reason="Malformed", message="x"))
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        assert rig.ready() == ("True", "ReconciliationSucceeded")


async def test_what_is_only_waited_for_is_no_event() -> None:
    async with running() as rig:
        rig.connect()
        missing = Problem(
            reason="ArtifactFailed", message="Source artifact not found, retrying in 30s", is_quiet=True
        )
        rig.stand(standing(problem=missing))
        await rig.clock.pass_(2)
        assert rig.ready() == ("False", "ArtifactFailed")
        assert rig.events() == []


async def test_a_dependency_that_is_not_ready_is_told_once_as_information() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        for name in ("apps/infra", "apps/base"):
            rig.say(Stage.WAITING, reason="DependencyNotReady", message=f"dependency '{name}' is not ready")
            await rig.clock.pass_(2)
        assert rig.ready() == ("False", "DependencyNotReady")
        text = "Dependencies do not meet ready condition, retrying in 30s"
        assert rig.events() == [("Normal", "DependencyNotReady", text)]


async def test_a_failure_in_one_of_several_clusters_is_an_event_that_names_it() -> None:
    async with running() as rig:
        rig.connect()
        broken = target("us-1", problem=Problem(reason="BuildFailed", message="variable not set: X"))
        rig.stand(standing(target(), broken))
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        assert rig.ready() == ("False", "BuildFailed")
        assert rig.events() == [("Warning", "BuildFailed", "us-1: variable not set: X")]


async def test_a_request_to_reconcile_a_cluster_is_answered_in_its_status() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        asked = {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}
        rig.api.put_resource(Kind.CLUSTER, "eu-1", {"id": str(ID)}, **asked)
        await rig.clock.pass_(2)
        assert "lastHandledReconcileAt" not in rig.api.status("clusters", "eu-1")
        rig.say(Stage.READY, handled={"reconcile-cluster": "now"})
        await rig.clock.pass_(2)
        assert rig.api.status("clusters", "eu-1")["lastHandledReconcileAt"] == "now"


def told_in(rig: Rig, name: str, message: str, seq: int, kind: NoticeKind = NoticeKind.APPLIED) -> None:
    notice = Notice(
        seq=seq,
        home=HOME,
        uid="uid-webapp",
        kind=kind,
        reason="Progressing",
        message=message,
        at="2026-01-01T00:00:00Z",
    )
    id_ = target(name).id
    rig.boards.happenings.put((id_, 1, seq), Happening(cluster=id_, notice=notice))


async def test_what_several_clusters_tell_alike_is_one_event_that_names_them() -> None:
    async with running() as rig:
        names = [f"eu-{number}" for number in range(1, 8)]
        rig.stand(standing(*(target(name) for name in names)))
        for number, name in enumerate(names):
            told_in(rig, name, "ConfigMap/apps/a configured", number)
        told_in(rig, "eu-2", "ConfigMap/apps/b configured", 9)
        await rig.clock.pass_(3)
        assert sorted(one[2] for one in rig.events()) == [
            "eu-1, eu-2, eu-3, eu-4, eu-5 and 2 more: ConfigMap/apps/a configured",
            "eu-2: ConfigMap/apps/b configured",
        ]
        assert rig.boards.happenings.snapshot() == {}


def in_order(rig: Rig) -> list[str]:
    """Return the messages of all events as they were recorded."""
    found = sorted(rig.api.all("events"), key=lambda one: int(one["metadata"]["resourceVersion"]))
    return [one["message"] for one in found]


async def test_what_was_applied_is_told_before_the_end_of_it_and_with_how_long_it_took() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        await rig.clock.pass_(0.3)
        told_in(rig, "eu-1", "ConfigMap/apps/a created", 1)
        rig.say(Stage.READY)
        await rig.clock.pass_(3)
        assert in_order(rig) == [
            "ConfigMap/apps/a created",
            "Reconciliation finished in 300ms, next run in 10m0s",
        ]
        assert [one["count"] for one in rig.api.all("events")] == [1, 1]
        (entry,) = rig.api.status("kustomizations", "webapp")["history"]
        assert entry["lastReconciledDuration"] == "300ms"


async def test_how_long_it_took_counts_what_was_said_of_it_on_the_way() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        await rig.clock.pass_(2.5)
        assert rig.ready() == ("Unknown", "Progressing")
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        assert in_order(rig) == ["Reconciliation finished in 2.5s, next run in 10m0s"]


async def test_no_time_is_told_of_what_was_not_seen_to_begin() -> None:
    async with running() as rig:
        rig.connect()
        rig.say(Stage.READY)
        rig.stand()
        await rig.clock.pass_(2)
        assert in_order(rig) == ["Reconciliation finished, next run in 10m0s"]


async def test_health_that_took_longer_in_one_cluster_is_one_event_too() -> None:
    async with running() as rig:
        rig.stand(standing(target("eu-1"), target("us-1")))
        told_in(rig, "eu-1", "Health check passed in 1s", 1, NoticeKind.HEALTH_PASSED)
        told_in(rig, "us-1", "Health check passed in 3s", 1, NoticeKind.HEALTH_PASSED)
        await rig.clock.pass_(3)
        assert [one[2] for one in rig.events()] == ["eu-1, us-1: Health check passed in 3s"]


async def test_a_delivery_that_is_in_progress_for_a_moment_costs_its_cluster_nothing() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        before = rig.writes("clusters")
        rig.say(Stage.APPLYING)
        await rig.clock.pass_(0.3)
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        assert rig.writes("clusters") == before


SOURCE = {"kind": "GitRepository", "name": "x"}


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        (Kind.CLUSTER, {"id": "id-of-us-1", "sync": {"path": "./", "sourceRef": SOURCE}}, "spec.sync"),
        (Kind.FLEET, fleet(rollout={"maxFailures": 1}), "spec.rollout"),
        (Kind.ROLLOUT, {"fleet": "prod", "source": SOURCE, "candidates": []}, "spec.fleet"),
    ],
)
async def test_a_refused_field_is_a_condition_and_one_event(
    kind: Kind, spec: dict[str, Any], field: str
) -> None:
    async with running() as rig:
        rig.api.put_resource(kind, "odd", spec)
        await rig.clock.pass_(5)
        status = rig.api.status(TYPES[kind].plural, "odd")
        (stalled,) = [one for one in status["conditions"] if one["type"] == "Stalled"]
        assert (stalled["status"], stalled["reason"]) == ("True", "UnsupportedField")
        assert stalled["message"].startswith(field)
        await rig.clock.pass_(600)
        assert [one for one in rig.events() if one[1] == "UnsupportedField"] == [
            ("Warning", "UnsupportedField", stalled["message"])
        ]


async def test_signs_of_life_cost_no_look_at_the_cluster_or_its_deliveries() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(5)
        before = rig.looks()
        await rig.stay_connected(50)
        assert rig.looks() == before


async def test_a_sign_of_life_after_a_silence_that_was_too_long_is_news() -> None:
    async with running() as rig:
        rig.connect()
        rig.stand()
        rig.say(Stage.READY)
        await rig.clock.pass_(2)
        await rig.clock.pass_(70)
        assert rig.ready() == ("Unknown", "Disconnected")
        await rig.stay_connected(10)
        await rig.clock.pass_(2)
        assert rig.ready() == ("True", "ReconciliationSucceeded")


async def test_a_cluster_finds_its_own_among_many_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def key(one: Target) -> tuple[ClusterId, HomeName]:
        nonlocal asked
        asked += 1
        return one.id, one.home

    others = tuple(replace(target(), id=ClusterId(f"other-{number}")) for number in range(100))
    async with running() as rig:
        rig.connect()
        rig.stand(standing(target(), *others))
        await rig.clock.pass_(2)
        monkeypatch.setattr(Target, "key", property(key))
        rig.api.put_resource(Kind.CLUSTER, "eu-1", {"id": str(ID)}, labels={"tier": "prod"})
        await rig.clock.pass_(2)
        assert 0 < asked < 10
