"""What another server serves that is away is neither forgotten nor does it hinder the rest, and it goes on when that one is back."""

import asyncio

from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from agent.model.report import Stage
from tests.agent.rig import Rig, workload
from tests.agent.wishes import config_map
from tests.fakes.clock import in_virtual_time
from tests.fakes.contract import API_SERVICES, NOWHERE, WIDGET_DEFINITION

AWAY = {
    **NOWHERE,
    "metadata": {"name": "v1.contract.test"},
    "spec": {**NOWHERE["spec"], "group": "contract.test", "version": "v1"},
}
WIDGET = workload("Widget", "contract.test/v1", "one")


@in_virtual_time
async def test_a_prune_that_an_absent_server_hinders_is_told_and_done_when_it_is_back() -> None:
    rig = Rig()
    rig.cluster.create(CUSTOM_RESOURCE_DEFINITIONS, "", WIDGET_DEFINITION)
    async with rig.running():
        await rig.assign([WIDGET, config_map("a")])
        await asyncio.sleep(1)
        rig.cluster.create(API_SERVICES, "", AWAY)
        await rig.assign([config_map("a", "two")])
        await asyncio.sleep(300)
        assert (rig.report().stage, rig.report().reason) == (Stage.FAILED, "PruneFailed")
        assert rig.report().message.startswith("delete failed, errors: Widget/apps/one delete failed: ")
        assert list(rig.report().inventory_extra) == ["apps_one_contract.test_Widget"]
        assert rig.text("a") == "two"
        rig.cluster.delete(API_SERVICES, "", "v1.contract.test")
        await asyncio.sleep(31)
        assert (rig.report().stage, rig.report().inventory_extra) == (Stage.READY, {})
        assert rig.cluster.list(rig.resource(WIDGET.ref), "apps").items == []


@in_virtual_time
async def test_what_runs_is_guarded_while_a_server_is_away() -> None:
    rig = Rig()
    rig.cluster.create(CUSTOM_RESOURCE_DEFINITIONS, "", WIDGET_DEFINITION)
    async with rig.running():
        await rig.assign([WIDGET, config_map("a")])
        await asyncio.sleep(1)
        rig.cluster.create(API_SERVICES, "", AWAY)
        await asyncio.sleep(1)
        rig.edit("a", "by hand")
        await asyncio.sleep(2)
        assert rig.text("a") == "one"
