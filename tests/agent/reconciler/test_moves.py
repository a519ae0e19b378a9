"""An object that a commit moves from one delivery to another is not deleted, whichever of the two comes to the desk first."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.model.content import Manifest
from agent.model.names import HomeName
from agent.model.report import NoticeKind, Stage
from agent.reconciler.settings import ReconcilerSettings
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import QUICK, Rig
from tests.agent.wishes import OTHER, SPEC, WEB, config_map
from tests.fakes.clock import in_virtual_time

ONE, TWO = "main@sha1:1", "main@sha1:2"
WAIT_S = ReconcilerSettings(backoff=QUICK).move_wait_s
THIRD = HomeName("Kustomization", "apps", "third")


def theirs(*names: str) -> list[Manifest]:
    return [config_map(name, owner=OTHER) for name in names]


async def begin(rig: Rig, *names: str, **named: Any) -> None:
    """Have WEB hold some objects and another delivery of the same source one."""
    await rig.assign([config_map(name) for name in names], revision=ONE)
    await rig.assign(theirs("b"), home=OTHER, revision=ONE, **named)
    await asyncio.sleep(1)


def uid(rig: Rig, name: str) -> str:
    return str(rig.cluster.get(CONFIG_MAPS, "apps", name)["metadata"]["uid"])


@in_virtual_time
async def test_what_leaves_first_and_comes_to_another_later_keeps_its_uid() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "moves")
        before = uid(rig, "moves")
        await rig.assign([config_map("a"), config_map("new")], revision=TWO)
        await asyncio.sleep(5)
        assert rig.names() == {"a", "moves", "new", "b"}, "what is new does not wait"
        assert (rig.report().stage, rig.report().reason) == (Stage.APPLYING, "Progressing")
        assert rig.report().message == (
            f"waiting for {OTHER} to come to revision {TWO} before deleting 1 objects, which may have moved there"
        )
        await rig.assign(theirs("b", "moves"), home=OTHER, revision=TWO)
        await asyncio.sleep(1)
        assert uid(rig, "moves") == before
        assert (rig.report().stage, rig.report(OTHER).stage) == (Stage.READY, Stage.READY)
        assert NoticeKind.PRUNED not in await rig.told()


@in_virtual_time
async def test_what_moved_nowhere_is_deleted_as_soon_as_the_others_have_come_along() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "goes")
        await rig.assign([config_map("a")], revision=TWO)
        await asyncio.sleep(5)
        rig.reconciler.moved(OTHER, TWO)
        await asyncio.sleep(0.5)
        assert rig.names() == {"a", "b"}
        assert rig.report().stage is Stage.READY
        assert "apps_goes__ConfigMap" not in rig.now().held
        told = await rig.told()
        assert NoticeKind.PRUNED in told
        assert NoticeKind.DRIFT_CORRECTED not in told


@in_virtual_time
async def test_one_that_stays_behind_is_waited_for_only_so_long() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "goes")
        await rig.assign([config_map("a")], revision=TWO)
        await asyncio.sleep(WAIT_S - 2)
        # Whatever happens meanwhile, the time is counted from its beginning.
        rig.edit("a", "by hand")
        await asyncio.sleep(1)
        assert (rig.names(), rig.text("a")) == ({"a", "goes", "b"}, "one")
        await asyncio.sleep(2)
        assert rig.names() == {"a", "b"}
        assert rig.report().stage is Stage.READY


@in_virtual_time
async def test_what_a_newer_bundle_deletes_waits_as_long_as_if_nothing_had_been_before() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "first", "second")
        await rig.assign([config_map("a"), config_map("second")], revision=TWO)
        await asyncio.sleep(WAIT_S - 5)
        await rig.assign([config_map("a")], revision="main@sha1:3")
        await asyncio.sleep(WAIT_S - 5)
        assert rig.names() == {"a", "b", "first", "second"}
        await asyncio.sleep(6)
        assert rig.names() == {"a", "b"}


@in_virtual_time
async def test_an_agent_that_begins_anew_waits_too() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "moves")
        await rig.assign([config_map("a")], revision=TWO)
        await asyncio.sleep(5)
    rig.begin()
    async with rig.running():
        await asyncio.sleep(5)
        assert "moves" in rig.names()
        assert rig.report().stage is Stage.APPLYING
        await rig.assign(theirs("b", "moves"), home=OTHER, revision=TWO)
        await asyncio.sleep(1)
        assert "moves" in rig.names()
        assert rig.report().stage is Stage.READY


@pytest.mark.parametrize(
    "named",
    [{"source": "GitRepository/apps/another"}, {"spec": replace(SPEC, suspend=True)}],
    ids=["another source", "suspended"],
)
def test_who_does_not_come_along_is_not_waited_for(named: dict[str, Any]) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        async with rig.running():
            await begin(rig, "a", "goes", **named)
            await rig.assign([config_map("a")], revision=TWO)
            await asyncio.sleep(1)
            assert "goes" not in rig.names()

    run()


@pytest.mark.parametrize("state", [{"leaving": "keep"}, {"released": True}], ids=["leaving", "released"])
def test_who_leaves_meanwhile_is_not_waited_for_any_longer(state: dict[str, Any]) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        async with rig.running():
            await begin(rig, "a", "goes")
            await rig.assign([config_map("a")], revision=TWO)
            await asyncio.sleep(5)
            assert "goes" in rig.names()
            await rig.desk.save(replace(rig.now(OTHER), **state))
            rig.reconciler.wake(OTHER)
            await asyncio.sleep(1)
            assert "goes" not in rig.names()

    run()


@in_virtual_time
async def test_who_deletes_nothing_waits_for_nobody_and_writes_nothing_more() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a")
        rig.cluster.calls.clear()
        await rig.assign([config_map("a", "two")], revision=TWO)
        await asyncio.sleep(1)
        assert rig.report().stage is Stage.READY
        assert len([call for call in rig.cluster.writes if call.resource == "secrets"]) == 2


@in_virtual_time
async def test_what_is_held_waits_for_the_word_first_and_then_for_the_others() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "moves")
        held = await rig.assign([], revision=TWO)
        await asyncio.sleep(WAIT_S * 2)
        assert rig.report().prune_held == ("apps_a__ConfigMap", "apps_moves__ConfigMap")
        assert rig.report().stage is Stage.READY
        await rig.assign([], tokens={"approve-prune": held.assignment.bundle.digest}, revision=TWO)
        await asyncio.sleep(1)
        assert rig.names() == {"a", "moves", "b"}
        await rig.assign(theirs("b", "moves"), home=OTHER, revision=TWO)
        await asyncio.sleep(1)
        assert rig.names() == {"moves", "b"}


@in_virtual_time
async def test_of_several_that_are_behind_one_is_named_and_the_others_are_counted() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "moves")
        await rig.assign([config_map("c", owner=THIRD)], home=THIRD, revision=ONE)
        await rig.assign([config_map("a")], revision=TWO)
        await asyncio.sleep(1)
        assert f"waiting for {OTHER} and 1 more to come" in rig.report().message
        rig.reconciler.moved(OTHER, TWO)
        await asyncio.sleep(1)
        assert f"waiting for {THIRD} to come" in rig.report().message
        assert "moves" in rig.names()
        assert rig.report(WEB).stage is Stage.APPLYING


@in_virtual_time
async def test_what_was_kept_for_another_is_deleted_when_that_one_does_not_list_it_any_more() -> None:
    rig = Rig()
    async with rig.running():
        await begin(rig, "a", "moves")
        rig.network.cuts = lambda call: call.verb == "apply" and call.name == "moves"
        await rig.assign(theirs("b", "moves"), home=OTHER, revision=TWO)
        await rig.assign([config_map("a")], revision=TWO)
        await asyncio.sleep(1)
        assert rig.report().stage is Stage.READY
        assert "moves" in rig.names()
        rig.network.cuts = lambda call: False
        await rig.assign(theirs("b"), home=OTHER, revision="main@sha1:3")
        rig.reconciler.moved(WEB, "main@sha1:3")
        await asyncio.sleep(1)
        assert "moves" not in rig.names()
