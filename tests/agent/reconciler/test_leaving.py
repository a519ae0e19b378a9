"""What leaves: counted before it goes, never for want of knowledge, and never so that an object is nobody's."""

import asyncio
import json
from dataclasses import replace

from agent.desk import head_name
from agent.kube.resources import NAMESPACES, SECRETS
from agent.model.content import Manifest
from agent.model.names import HomeName, ObjectRef
from agent.model.report import NoticeKind, Stage
from tests.agent.reconciler.test_reconciler import become_ready, deployment
from tests.agent.rig import LABELS, NAMESPACE, Rig
from tests.agent.wishes import OTHER, SPEC, WEB, config_map
from tests.fakes.clock import in_virtual_time

MANY = [config_map(f"a{number}") for number in range(12)]


@in_virtual_time
async def test_what_an_interrupted_apply_left_behind_counts_for_the_prune_limit() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign(MANY)
        await asyncio.sleep(1)
        # As if it had been killed before it could save what it had done.
        there = rig.now().inventory
        await rig.desk.save(replace(rig.now(), inventory={}, ahead=there, applied=""))
        await rig.assign([])
        await asyncio.sleep(1)
        assert len(rig.names()) == len(MANY)
        assert len(rig.report().prune_held) == len(MANY)


@in_virtual_time
async def test_an_approval_of_another_build_approves_nothing() -> None:
    rig = Rig()
    async with rig.running():
        first = await rig.assign(MANY)
        await asyncio.sleep(1)
        await rig.assign([], tokens={"approve-prune": first.assignment.bundle.digest})
        await asyncio.sleep(1)
        assert len(rig.names()) == len(MANY)
        assert len(rig.report().prune_held) == len(MANY)


@in_virtual_time
async def test_what_was_only_wished_for_does_not_count_for_the_prune_limit() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([MANY[0]])
        await asyncio.sleep(1)
        rig.network.cuts = lambda call: call.resource == "configmaps"
        await rig.assign(MANY)
        await asyncio.sleep(1)
        rig.network.cuts = lambda call: False
        await rig.assign([MANY[0]])
        await asyncio.sleep(10)
        assert rig.names() == {"a0"}
        assert (rig.report().stage, rig.report().prune_held) == (Stage.READY, ())


@in_virtual_time
async def test_a_delivery_stays_until_what_moved_out_of_it_is_taken_over() -> None:
    rig = Rig()
    moved = config_map("moved", owner=OTHER)
    async with rig.running():
        await rig.assign([config_map("moved")])
        await asyncio.sleep(1)
        # The other waits for what is not there, so that it takes nothing over.
        waiting = replace(SPEC, depends_on=(replace(WEB, name="absent"),))
        await rig.assign([moved], home=OTHER, spec=waiting)
        await asyncio.sleep(1)
        await rig.desk.save(replace(rig.now(), leaving="delete"))
        rig.reconciler.wake(WEB)
        await asyncio.sleep(60)
        assert rig.names() == {"moved"}
        await rig.desk.save(replace(rig.now(OTHER), leaving="delete"))
        rig.reconciler.wake(OTHER)
        await asyncio.sleep(60)
        assert rig.names() == set(), "nobody would ever delete it"
        assert (rig.report().stage, rig.report(OTHER).stage) == (Stage.GONE, Stage.GONE)


@in_virtual_time
async def test_a_delivery_does_not_wait_for_one_that_is_suspended() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("moved")])
        await asyncio.sleep(1)
        suspended = replace(SPEC, suspend=True)
        await rig.assign([config_map("moved", owner=OTHER)], home=OTHER, spec=suspended)
        await rig.desk.save(replace(rig.now(), leaving="delete"))
        rig.reconciler.wake(WEB)
        await asyncio.sleep(60)
        assert (rig.names(), rig.report().stage) == ({"moved"}, Stage.GONE)


async def _leave(rig: Rig, home: HomeName) -> None:
    await rig.desk.save(replace(rig.now(home), leaving="delete"))
    rig.reconciler.wake(home)


def _namespaces(rig: Rig) -> set[str]:
    return {one["metadata"]["name"] for one in rig.cluster.list(NAMESPACES, "").items}


SHOP = Manifest.of(
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": LABELS}},
    ObjectRef("", "Namespace", "", "shop"),
)


def _in_shop() -> Manifest:
    value = json.loads(config_map("a", owner=OTHER).body)
    value["metadata"]["namespace"] = "shop"
    return Manifest.of(value, ObjectRef("", "ConfigMap", "shop", "a"))


@in_virtual_time
async def test_a_namespace_is_deleted_when_the_last_who_needs_it_has_left() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP])
        await asyncio.sleep(10)
        await rig.assign([_in_shop()], home=OTHER)
        await asyncio.sleep(10)
        await _leave(rig, WEB)
        await asyncio.sleep(10)
        assert "shop" in _namespaces(rig)
        assert "Namespace/shop" in rig.report().message
        await _leave(rig, OTHER)
        await asyncio.sleep(10)
        assert "shop" not in _namespaces(rig)
        assert (rig.report().stage, rig.report(OTHER).stage) == (Stage.GONE, Stage.GONE)


@in_virtual_time
async def test_a_namespace_that_others_go_on_needing_is_left_to_them_and_told() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP])
        await asyncio.sleep(10)
        await rig.assign([_in_shop()], home=OTHER)
        await asyncio.sleep(10)
        await _leave(rig, WEB)
        await asyncio.sleep(90)
        assert "shop" in _namespaces(rig)
        assert rig.report().stage is Stage.GONE
        assert NoticeKind.FAILED in await rig.told()


@in_virtual_time
async def test_nothing_is_deleted_while_it_is_not_known_what_the_desk_names() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([config_map("a"), config_map("moved")])
        await asyncio.sleep(1)
        await rig.assign([config_map("moved", owner=OTHER)], home=OTHER, spec=replace(SPEC, suspend=True))
    damaged = rig.cluster.get(SECRETS, NAMESPACE, head_name(OTHER))
    damaged["data"]["head"] = "bm90aGluZw=="
    rig.cluster.replace(SECRETS, NAMESPACE, damaged)
    rig.begin()
    async with rig.running():
        await rig.assign([config_map("a")])
        await asyncio.sleep(60)
        assert rig.names() == {"a", "moved"}
        await rig.desk.save(replace(rig.now(), leaving="delete"))
        rig.reconciler.wake(WEB)
        await asyncio.sleep(60)
        assert rig.names() == {"a", "moved"}
        rig.cluster.delete(SECRETS, NAMESPACE, head_name(OTHER))
        await asyncio.sleep(60)
        assert rig.names() == set()
        assert rig.report().stage is Stage.GONE


@in_virtual_time
async def test_health_is_judged_by_what_was_written_and_not_by_what_a_watch_last_saw() -> None:
    rig = Rig()
    spec = replace(SPEC, wait=True)
    async with rig.running():
        await rig.assign([deployment(replicas=1)], spec=spec)
        await asyncio.sleep(1)
        become_ready(rig)
        await asyncio.sleep(6)
        assert rig.report().stage is Stage.READY
        rig.network.cuts = lambda call: call.verb in ("list", "watch")
        rig.cluster.end_watches()
        await rig.assign([deployment(replicas=2)], spec=spec)
        await asyncio.sleep(1)
        assert rig.report().stage is Stage.CHECKING
