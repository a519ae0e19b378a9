"""An agent that starts again asks for what there is, kind by kind, and tries again only what may have changed."""

import asyncio
from dataclasses import replace
from typing import Any

from agent.model.content import Manifest
from agent.model.report import NoticeKind, Stage
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import Rig, pods, workload
from tests.agent.wishes import SPEC, config_map
from tests.fakes.clock import in_virtual_time

NAMES = [f"a{number}" for number in range(20)]


def wished(**texts: str) -> list[Manifest]:
    return [*(config_map(name, texts.get(name, "one")) for name in NAMES), web()]


def web(**spec: Any) -> Manifest:
    selector = {"matchLabels": {"app": "web"}}
    return workload("Deployment", replicas=1, selector=selector, template=pods(), **spec)


async def settled(rig: Rig) -> None:
    """Have the delivery applied, and its Deployment written to by its controller."""
    async with rig.running():
        await rig.assign(wished())
        await asyncio.sleep(1)
        rig.put_status(web().ref, replicas=1, readyReplicas=1)
        live = rig.cluster.get(rig.resource(web().ref), "apps", "web")
        live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
        rig.cluster.replace(rig.resource(web().ref), "apps", live, manager="controller")
        await asyncio.sleep(60)
        assert rig.report().stage is Stage.READY


def requests(rig: Rig) -> list[str]:
    """Return what was asked for single objects that deliveries own, and forget it."""
    calls = [one for one in rig.cluster.calls if one.resource in ("configmaps", "deployments")]
    rig.cluster.calls.clear()
    return [
        f"{'try' if one.is_dry_run else one.verb} {one.name}"
        for one in calls
        if one.verb not in ("list", "watch")
    ]


@in_virtual_time
async def test_a_start_over_what_is_unchanged_lists_each_kind_and_asks_for_no_object() -> None:
    rig = Rig()
    await settled(rig)
    rig.begin()
    requests(rig)
    async with rig.running():
        await asyncio.sleep(60)
        assert rig.report().stage is Stage.READY
        lists = [
            one.resource for one in rig.cluster.calls if one.verb == "list" and one.resource != "secrets"
        ]
        assert sorted(lists) == ["configmaps", "deployments"]
        assert requests(rig) == []
        assert [one for one in rig.cluster.writes if one.resource == "secrets"] == []


@in_virtual_time
async def test_a_start_puts_back_what_was_changed_meanwhile_and_asks_for_nothing_else() -> None:
    rig = Rig()
    await settled(rig)
    rig.edit("a3", "by hand")
    rig.begin()
    requests(rig)
    async with rig.running():
        await asyncio.sleep(60)
        assert requests(rig) == ["get a3", "try a3", "apply a3"]
        assert await rig.told() == [NoticeKind.DRIFT_CORRECTED]


@in_virtual_time
async def test_a_change_after_a_start_is_tried_and_written_alone() -> None:
    rig = Rig()
    await settled(rig)
    rig.begin()
    async with rig.running():
        await asyncio.sleep(60)
        requests(rig)
        await rig.assign(wished(a3="two"))
        await asyncio.sleep(60)
        assert requests(rig) == ["try a3", "apply a3"]


@in_virtual_time
async def test_where_kinds_cannot_be_listed_each_object_is_read_and_none_is_tried() -> None:
    rig = Rig()
    await settled(rig)
    rig.begin()
    requests(rig)
    rig.network.cuts = lambda call: call.verb == "list" and call.resource == "configmaps"
    async with rig.running():
        await asyncio.sleep(60)
        assert rig.report().stage is Stage.READY
        assert sorted(requests(rig)) == sorted(f"get {name}" for name in NAMES)


@in_virtual_time
async def test_a_start_in_the_middle_of_an_apply_tries_what_is_not_known_to_be_applied() -> None:
    rig = Rig()
    await settled(rig)
    rig.network.cuts = lambda call: call.is_write and call.name == "a9"
    async with rig.running():
        await rig.assign(wished(**dict.fromkeys(NAMES, "two")))
        await asyncio.sleep(10)
    rig.network.cuts = lambda call: False
    rig.begin()
    async with rig.running():
        await asyncio.sleep(60)
        assert rig.report().stage is Stage.READY
        assert {rig.text(name) for name in NAMES} == {"two"}


@in_virtual_time
async def test_an_object_that_is_being_deleted_is_tried_though_it_is_as_it_was_applied() -> None:
    rig = Rig()
    kept = config_map("kept")
    async with rig.running():
        await rig.assign([kept], spec=replace(SPEC, wait=True))
        await asyncio.sleep(10)
    live = rig.cluster.get(rig.resource(kept.ref), "apps", "kept")
    live["metadata"]["finalizers"] = ["x/y"]
    rig.cluster.replace(rig.resource(kept.ref), "apps", live)
    rig.cluster.delete(rig.resource(kept.ref), "apps", "kept")
    rig.begin()
    requests(rig)
    async with rig.running():
        await asyncio.sleep(10)
        assert "try kept" in requests(rig)


@in_virtual_time
async def test_what_is_deleted_between_the_first_look_and_the_first_list_is_put_back() -> None:
    rig = Rig()
    await settled(rig)
    rig.begin()
    # The kind cannot be discovered for the watch, but was known to the look: nobody waits for the list.
    rig.network.cuts = lambda call: call.verb == "list" and call.resource == "configmaps"
    async with rig.running():
        await asyncio.sleep(1)
        assert rig.report().stage is Stage.READY
        rig.cluster.delete(CONFIG_MAPS, "apps", "a3")
        rig.network.cuts = lambda call: False
        await asyncio.sleep(10)
        assert "a3" in rig.names()
