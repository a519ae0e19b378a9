"""What vanishes while the agent looks elsewhere: it is seen in time, not at the next interval."""

import asyncio
import json

from agent.kube.resources import NAMESPACES
from agent.model.content import Manifest
from agent.model.names import ObjectRef
from agent.model.report import Stage
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import LABELS, Rig
from tests.agent.wishes import config_map
from tests.fakes.clock import in_virtual_time


def namespace(name: str, **metadata: object) -> Manifest:
    value = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": LABELS, **metadata},
    }
    return Manifest.of(value, ObjectRef("", "Namespace", "", name))


def in_namespace(name: str) -> Manifest:
    value = json.loads(config_map("a").body)
    value["metadata"]["namespace"] = name
    return Manifest.of(value, ObjectRef("", "ConfigMap", name, "a"))


@in_virtual_time
async def test_a_namespace_that_was_about_to_go_is_made_anew_when_it_has_gone() -> None:
    rig = Rig()
    held = json.loads(namespace("shop", finalizers=["harness.test/hold"]).body)
    rig.cluster.create(NAMESPACES, "", held)
    rig.cluster.delete(NAMESPACES, "", "shop")
    async with rig.running():
        await rig.assign([namespace("shop"), in_namespace("shop")])
        await asyncio.sleep(5)
        letting_go = {"metadata": {"finalizers": None}}
        rig.cluster.patch(NAMESPACES, "", "shop", letting_go)
        await asyncio.sleep(20)
        assert rig.report().stage is Stage.READY
        assert rig.cluster.get(CONFIG_MAPS, "shop", "a")
