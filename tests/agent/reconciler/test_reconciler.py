"""What is on the desk comes to be in the cluster, what is said of it is true of just that Bundle, and what happens meanwhile is heard."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from agent.kit.tasks import Tasks
from agent.model.assignment import PruneLimit
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.names import ObjectRef
from agent.model.report import NoticeKind, Report, Stage
from hub.sandbox.calls import Call
from hub.sandbox.wire import Answer
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import Rig, pods, workload
from tests.agent.wishes import OTHER, SPEC, WEB, config_map
from tests.fakes.clock import in_virtual_time


@in_virtual_time
async def test_an_assignment_is_applied_and_reported_ready() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("b")])
        await asyncio.sleep(1)
        assert rig.names() == {"a", "b"}
        assert (rig.report().stage, rig.report().message) == (Stage.READY, "Applied revision: main@sha1:1")
        assert rig.report().generation == rig.now().assignment.generation
        assert await rig.told() == [NoticeKind.APPLIED]


@in_virtual_time
async def test_a_request_is_handled_when_it_was_acted_on() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a")], tokens={"reconcile": "1"})
        await asyncio.sleep(1)
        assert rig.report().handled == {"reconcile": "1"}
        rig.network.cuts = lambda call: call.resource == "configmaps"
        await rig.assign([config_map("a", "two")], tokens={"reconcile": "2"})
        await asyncio.sleep(1)
        assert rig.report().handled == {"reconcile": "1"}
        rig.network.cuts = lambda call: False
        await asyncio.sleep(20)
        assert rig.report().handled == {"reconcile": "2"}


@in_virtual_time
async def test_an_interval_in_which_nothing_changed_makes_no_request_for_objects() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("b")])
        await asyncio.sleep(30)
        rig.cluster.calls.clear()
        before = rig.report()
        await asyncio.sleep(SPEC.interval_s * 3)
        assert [call for call in rig.cluster.calls if call.verb != "watch"] == []
        assert rig.report() is before


@in_virtual_time
async def test_drift_is_put_back_within_two_seconds_and_told() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("b")])
        await asyncio.sleep(30)
        rig.edit("a", "by hand")
        rig.cluster.delete(CONFIG_MAPS, "apps", "b")
        await asyncio.sleep(2)
        assert (rig.text("a"), rig.names()) == ("one", {"a", "b"})
        assert NoticeKind.DRIFT_CORRECTED in await rig.told()


@in_virtual_time
async def test_drift_before_the_watch_had_begun_is_put_back() -> None:
    rig = Rig()
    async with rig.running():
        rig.network.cuts = lambda call: call.verb == "list" and call.resource == "configmaps"
        await rig.assign([config_map("a")])
        await asyncio.sleep(1)
        rig.edit("a", "by hand")
        rig.network.cuts = lambda call: False
        await asyncio.sleep(10)
        assert rig.text("a") == "one"


@in_virtual_time
async def test_drift_while_the_agent_was_away_is_told_as_drift_and_a_start_is_no_progress() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a")])
        await asyncio.sleep(1)
    rig.edit("a", "by hand")
    rig.begin()
    with rig.reports.reader() as reader:
        async with rig.running():
            stages = []
            async with asyncio.timeout(5):
                while rig.reports.get(WEB) is None:
                    stages += [one.stage for one in (await reader.next()).values() if one is not None]
            await asyncio.sleep(1)
            assert rig.text("a") == "one"
            assert stages == [Stage.READY]
            assert await rig.told() == [NoticeKind.DRIFT_CORRECTED]


@in_virtual_time
async def test_a_kind_that_is_not_served_does_not_delay_the_watching_of_others() -> None:
    rig = Rig()
    unknown = Manifest.of(
        {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": "apps"}},
        ObjectRef("example.org", "Gadget", "apps", "g"),
    )
    async with rig.running():
        # Owned before, and its kind is gone.
        rig.observer.follow(OTHER, [(unknown.ref, "v1")])
        await asyncio.sleep(0.1)
        await rig.assign([config_map("a")])
        await asyncio.sleep(1)
        rig.edit("a", "by hand")
        await asyncio.sleep(2)
        assert rig.text("a") == "one"


@in_virtual_time
async def test_the_revision_is_that_of_the_newest_assignment_or_mark() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a")], revision="main@sha1:1")
        await asyncio.sleep(1)
        rig.reconciler.moved(WEB, "main@sha1:2")
        await rig.assign([config_map("a", "two")], revision="main@sha1:3")
        await asyncio.sleep(1)
        assert rig.report().message == "Applied revision: main@sha1:3"


@in_virtual_time
async def test_a_dependent_follows_when_both_have_come_to_the_same_revision() -> None:
    rig = Rig()
    spec = replace(SPEC, depends_on=(WEB,))
    async with rig.running():
        await rig.assign([config_map("a")])
        await rig.assign([config_map("b", owner=OTHER)], home=OTHER, spec=spec)
        await asyncio.sleep(1)
        assert rig.report(OTHER).stage is Stage.READY
        # The next commit changes the one and not the other.
        await rig.assign([config_map("b", "two", owner=OTHER)], home=OTHER, spec=spec, revision="main@sha1:2")
        await asyncio.sleep(1)
        assert rig.report(OTHER).stage is Stage.WAITING
        rig.reconciler.moved(WEB, "main@sha1:2")
        await asyncio.sleep(1)
        assert (rig.report(OTHER).stage, rig.text("b")) == (Stage.READY, "two")


@in_virtual_time
async def test_a_dependent_waits_for_one_that_has_not_deleted_what_it_should() -> None:
    rig = Rig()
    spec = replace(SPEC, depends_on=(WEB,))
    async with rig.running():
        await rig.assign([config_map("a")])
        await asyncio.sleep(1)
        held = await rig.assign([])
        await asyncio.sleep(1)
        await rig.assign([config_map("b", owner=OTHER)], home=OTHER, spec=spec)
        await asyncio.sleep(1)
        assert (rig.report(OTHER).stage, rig.report(OTHER).reason) == (Stage.WAITING, "DependencyNotReady")
        await rig.assign([], tokens={"approve-prune": held.assignment.bundle.digest})
        await asyncio.sleep(1)
        assert rig.report(OTHER).stage is Stage.READY


@in_virtual_time
async def test_what_waits_says_what_its_own_build_would_delete() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a")])
        await asyncio.sleep(1)
        await rig.assign([])
        await asyncio.sleep(1)
        assert rig.report().prune_held == ("apps_a__ConfigMap",)
        absent = replace(SPEC, depends_on=(OTHER,))
        await rig.assign([config_map("a"), config_map("b")], spec=absent)
        await asyncio.sleep(1)
        assert (rig.report().stage, rig.report().prune_held) == (Stage.WAITING, ())


@in_virtual_time
async def test_what_runs_is_guarded_while_its_dependency_is_ahead() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a")])
        await rig.assign([config_map("b", owner=OTHER)], home=OTHER, spec=replace(SPEC, depends_on=(WEB,)))
        await asyncio.sleep(1)
        rig.reconciler.moved(WEB, "main@sha1:2")
        await asyncio.sleep(1)
        rig.edit("b", "drifted")
        await asyncio.sleep(2)
        assert rig.text("b") != "drifted"
        assert rig.report(OTHER).stage is Stage.READY


@in_virtual_time
async def test_no_verdict_on_the_old_bundle_is_given_for_the_new_one() -> None:
    rig = Rig()
    said: list[Report] = []
    async with rig.running(), Tasks() as tasks:

        async def listen() -> None:
            with rig.reports.reader() as reader:
                while True:
                    said.extend(one for one in (await reader.next()).values() if one is not None)

        tasks.start(listen(), name="listen")
        await rig.assign([config_map("a")], spec=replace(SPEC, wait=True))
        bundles = [(await _next(rig, said, number)).assignment.bundle.digest for number in range(8)]
        await asyncio.sleep(5)
        assert said[-1].bundle == bundles[-1]
        for number, bundle in enumerate(bundles):
            about = [one.stage for one in said if one.bundle == bundle]
            assert about == [] or about[0] is Stage.APPLYING, (
                f"assignment {number} was judged before it was begun"
            )


async def _next(rig: Rig, said: list[Report], number: int) -> Head:
    """Assign another Bundle a little later each time, so that it comes at every point of a pass."""
    saved = await rig.assign([config_map("a", f"text {number}")], spec=replace(SPEC, wait=True))
    for _ in range(number * 7):
        await asyncio.sleep(0)
    return saved


@in_virtual_time
async def test_a_prune_of_everything_is_held_until_it_is_approved() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("b")])
        await asyncio.sleep(1)
        held = await rig.assign([])
        await asyncio.sleep(1)
        assert rig.names() == {"a", "b"}
        assert rig.report().prune_held == ("apps_a__ConfigMap", "apps_b__ConfigMap")
        await rig.assign([], tokens={"approve-prune": held.assignment.bundle.digest})
        await asyncio.sleep(1)
        assert rig.names() == set()
        assert rig.report().prune_held == ()


@in_virtual_time
async def test_a_prune_above_the_limit_is_held_and_what_is_new_is_applied() -> None:
    rig = Rig()
    many = [config_map(f"a{number}") for number in range(12)]
    async with rig.running():
        await rig.assign(many)
        await asyncio.sleep(1)
        await rig.assign([many[0], config_map("new")], prune_limit=PruneLimit(percent=50.0, at_least=10))
        await asyncio.sleep(1)
        assert rig.names() == {"new", *(one.ref.name for one in many)}
        assert len(rig.report().prune_held) == 11


@in_virtual_time
async def test_a_tombstone_deletes_what_is_owned_and_says_gone() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("kept", annotations=_KEEP)])
        await asyncio.sleep(1)
        await rig.desk.save(replace(rig.now(), leaving="delete"))
        rig.reconciler.wake(WEB)
        await asyncio.sleep(1)
        assert rig.names() == {"kept"}
        assert (rig.report().stage, rig.report().uid) == (Stage.GONE, "uid-1")
        assert rig.desk.get(WEB) is None


@in_virtual_time
async def test_a_delivery_made_anew_while_the_old_one_is_being_removed_is_not_lost() -> None:
    rig = Rig()
    manifests = [config_map(f"a{number}") for number in range(5)]
    async with rig.running():
        await rig.assign(manifests)
        await asyncio.sleep(1)
        deleted = len(manifests)
        slow = _Slow()
        rig.cluster.interference = slow
        await rig.desk.save(replace(rig.now(), leaving="delete"))
        rig.reconciler.wake(WEB)
        while len(rig.names()) == deleted:
            await asyncio.sleep(0.1)
        await rig.assign(manifests, uid="uid-2")
        left = rig.names()
        await asyncio.sleep(20)
        assert slow.deleted <= {one.ref.name for one in manifests} - left
        assert rig.names() == {one.ref.name for one in manifests}
        assert (rig.report().stage, rig.report().uid) == (Stage.READY, "uid-2")


class _Slow:
    """Each request takes 0.3 s; notes what is deleted by it."""

    def __init__(self) -> None:
        self.deleted: set[str] = set()

    async def before(self, call: Call) -> None:
        if call.verb != "watch":
            await asyncio.sleep(0.1)

    async def after(self, call: Call, answer: Answer) -> Answer:
        if call.verb == "delete" and call.resource == "configmaps":
            self.deleted.add(call.name)
        if call.verb != "watch":
            await asyncio.sleep(0.2)
        return answer


@in_virtual_time
async def test_an_object_that_moves_is_taken_over_and_never_deleted() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("moves")])
        await asyncio.sleep(1)
        uid = rig.cluster.get(CONFIG_MAPS, "apps", "moves")["metadata"]["uid"]
        await rig.assign([config_map("moves", owner=OTHER)], home=OTHER)
        await rig.assign([config_map("a")])
        await asyncio.sleep(5)
        assert rig.cluster.get(CONFIG_MAPS, "apps", "moves")["metadata"]["uid"] == uid
        head_ = rig.desk.get(OTHER)
        assert head_ is not None
        assert list(head_.inventory) == ["apps_moves__ConfigMap"]


@in_virtual_time
async def test_suspended_and_released_deliveries_are_not_guarded() -> None:
    for named in ({"spec": replace(SPEC, suspend=True)}, {}):
        rig = Rig()
        async with rig.running():
            await rig.assign([config_map("a")])
            await asyncio.sleep(1)
            await rig.assign([config_map("a")], **named)
            if not named:
                await asyncio.sleep(1)
                await rig.desk.save(replace(rig.now(), released=True))
                rig.reconciler.wake(WEB)
            await asyncio.sleep(1)
            rig.edit("a", "by hand")
            await asyncio.sleep(SPEC.interval_s * 2)
            assert rig.text("a") == "by hand"


@in_virtual_time
async def test_what_was_put_back_is_waited_for_anew() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([_DEPLOYMENT], spec=replace(SPEC, wait=True, timeout_s=60.0))
        await asyncio.sleep(1)
        assert rig.report().stage is Stage.CHECKING
        become_ready(rig)
        await asyncio.sleep(6)
        assert (rig.report().stage, rig.report().healthy) == (Stage.READY, True)
        await asyncio.sleep(300)
        rig.cluster.delete(rig.resource(_DEPLOYMENT.ref), "apps", "web")
        await asyncio.sleep(2)
        assert rig.report().stage is Stage.CHECKING
        await asyncio.sleep(61)
        assert (rig.report().stage, rig.report().reason) == (Stage.FAILED, "HealthCheckFailed")
        become_ready(rig)
        await asyncio.sleep(2)
        assert rig.report().stage is Stage.READY


@in_virtual_time
async def test_the_timeout_survives_a_restart() -> None:
    rig = Rig()
    spec = replace(SPEC, wait=True, timeout_s=60.0)
    async with rig.running():
        await rig.assign([_DEPLOYMENT], spec=spec)
        await asyncio.sleep(40)
        assert rig.report().stage is Stage.CHECKING
    rig.begin()
    async with rig.running():
        await asyncio.sleep(10)
        assert rig.report().stage is Stage.CHECKING
        await asyncio.sleep(12)
        assert rig.report().stage is Stage.FAILED


_KEEP: Mapping[str, str] = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}


def deployment(replicas: int) -> Manifest:
    selector = {"matchLabels": {"app": "web"}}
    return workload("Deployment", replicas=replicas, selector=selector, template=pods())


_DEPLOYMENT = deployment(replicas=1)


def become_ready(rig: Rig) -> None:
    rig.put_status(
        _DEPLOYMENT.ref,
        replicas=1,
        updatedReplicas=1,
        readyReplicas=1,
        availableReplicas=1,
        conditions=[
            {"type": "Available", "status": "True"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    )
