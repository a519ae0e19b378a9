"""A newer assignment does not wait for what the older one waits for, and loses nothing of what that one did."""

import asyncio
from dataclasses import replace

import pytest

from agent.model.content import Manifest
from agent.model.names import ObjectRef
from agent.model.report import NoticeKind, Stage
from hub.sandbox.calls import Call
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import LABELS, Rig, pods, workload
from tests.agent.wishes import SPEC, WEB, config_map
from tests.fakes.clock import in_virtual_time
from tests.fakes.cluster import Undisturbed


def namespace(name: str) -> Manifest:
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS}}
    return Manifest.of(value, ObjectRef("", "Namespace", "", name))


def keep_terminating(rig: Rig, name: str) -> None:
    """Have a namespace that is being deleted and does not go."""
    rig.cluster.add_namespace(name)
    stuck = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stuck", "finalizers": ["x/y"]}}
    rig.cluster.create(CONFIG_MAPS, name, stuck)
    rig.cluster.delete(rig.resource(namespace(name).ref), "", name)


@in_virtual_time
async def test_a_wait_for_a_stage_ends_when_a_newer_assignment_comes() -> None:
    rig = Rig()
    keep_terminating(rig, "old")
    async with rig.running():
        await rig.assign([namespace("old"), namespace("new"), config_map("a")])
        await asyncio.sleep(10)
        assert rig.report().stage is Stage.APPLYING
        await rig.assign([config_map("b")])
        await asyncio.sleep(3)
        assert (rig.report().stage, rig.names()) == (Stage.READY, {"b"})
        # What the older one had made is known, and left with it.
        assert list(rig.now().held) == ["apps_b__ConfigMap"]
        assert "new" not in _namespaces(rig)


@in_virtual_time
async def test_a_wait_for_health_ends_when_a_newer_assignment_comes() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign(
            [workload("StatefulSet", selector={"matchLabels": {"app": "web"}}, template=pods())],
            spec=replace(SPEC, wait=True),
        )
        await asyncio.sleep(10)
        assert rig.report().stage is Stage.CHECKING
        await rig.assign([config_map("b")], spec=replace(SPEC, wait=True))
        await asyncio.sleep(0.5)
        assert (rig.report().stage, rig.names()) == (Stage.READY, {"b"})


@in_virtual_time
async def test_a_tombstone_ends_the_wait_for_a_stage() -> None:
    rig = Rig()
    keep_terminating(rig, "old")
    async with rig.running():
        await rig.assign([namespace("old"), namespace("new"), config_map("a")])
        await asyncio.sleep(10)
        await rig.desk.save(replace(rig.now(), leaving="delete"))
        rig.reconciler.wake(WEB)
        await asyncio.sleep(3)
        assert rig.report().stage is Stage.GONE
        assert "new" not in _namespaces(rig)


class _Assigns(Undisturbed):
    """Makes a newer assignment come right before the n-th write of a workload, and notes what is written of the older one from then on."""

    def __init__(self, rig: Rig, number: int, newer: list[Manifest]) -> None:
        self._rig = rig
        self._left = number
        self._newer = newer
        self.late: set[str] = set()

    async def before(self, call: Call) -> None:
        if not call.is_write or call.resource != "configmaps":
            return
        self._left -= 1
        if self._left == 0:
            await self._rig.assign(self._newer)
        elif self._left < 0 and call.verb == "apply":
            self.late.add(call.name)


@pytest.mark.parametrize("number", range(1, 12))
def test_what_is_written_is_of_the_newest_assignment_from_the_moment_it_comes(number: int) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}}
        rig.cluster.create(CONFIG_MAPS, "apps", theirs)
        newer = [config_map("new"), config_map("old2", "two")]
        interference = _Assigns(rig, number, newer)
        rig.cluster.interference = interference
        async with rig.running():
            await rig.assign([config_map(f"old{one}") for one in range(10)])
            await asyncio.sleep(30)
            if number > 10:
                assert rig.names() == {"theirs", *(f"old{one}" for one in range(10))}
                return
            assert rig.names() == {"theirs", "new", "old2"}
            assert rig.text("old2") == "two"
            assert rig.report().stage is Stage.READY
            assert interference.late <= {"new", "old2"}

    run()


@pytest.mark.parametrize("is_leaving", [False, True], ids=["a newer assignment", "a tombstone"])
def test_a_pass_that_was_overtaken_has_no_word_on_what_overtook_it(is_leaving: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        rig.cluster.interference = _Leaves(rig) if is_leaving else _Assigns(rig, 1, [config_map("new")])
        async with rig.running():
            await rig.assign([config_map("old1"), config_map("old2")])
            await asyncio.sleep(30)
            assert rig.report().stage is (Stage.GONE if is_leaving else Stage.READY)
            # What was cut short did not fail, and nobody is told so.
            assert NoticeKind.FAILED not in await rig.told()

    run()


def _namespaces(rig: Rig) -> set[str]:
    listing = rig.cluster.list(rig.resource(namespace("x").ref), "")
    return {one["metadata"]["name"] for one in listing.items}


@in_virtual_time
async def test_what_an_interrupted_apply_left_is_deleted_by_a_tombstone_that_interrupts_the_next_one() -> (
    None
):
    rig = Rig()
    names = [f"old{one}" for one in range(4)]
    async with rig.running():
        rig.network.loses_answers = lambda call: call.is_write and call.name == "old3"
        await rig.assign([config_map(name) for name in names])
        await asyncio.sleep(0.2)
        assert rig.now().inventory == {}
    rig.network.loses_answers = lambda call: False
    rig.begin()
    rig.cluster.interference = _Leaves(rig)
    async with rig.running():
        await rig.assign([config_map(name, "two") for name in names])
        await asyncio.sleep(5)
        assert (rig.report().stage, rig.names()) == (Stage.GONE, set())


class _Leaves(Undisturbed):
    """Has the delivery leave right before the first write of a workload."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._is_done = False

    async def before(self, call: Call) -> None:
        if call.is_write and call.resource == "configmaps" and not self._is_done:
            self._is_done = True
            await self._rig.desk.save(replace(self._rig.now(), leaving="delete"))
            self._rig.reconciler.wake(WEB)
