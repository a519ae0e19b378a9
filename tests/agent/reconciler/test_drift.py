"""What others change is put back at once, however early they do it, and from the interval on when they never cease."""

import asyncio

import pytest

from agent.kube.api import PatchType
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import Rig
from tests.agent.wishes import config_map
from tests.fakes.clock import in_virtual_time
from tests.fakes.door import Call


class _Hasty:
    """Changes an object, or deletes it, in the moment in which it is made."""

    def __init__(self, rig: Rig, *, deletes: bool) -> None:
        self._rig = rig
        self._deletes = deletes
        self._is_done = False

    async def before(self, call: Call) -> None:
        return

    async def after(self, call: Call) -> None:
        if call.verb != "apply" or call.is_dry_run or call.name != "b" or self._is_done:
            return
        self._is_done = True
        if self._deletes:
            self._rig.cluster.delete(CONFIG_MAPS, "apps", "b")
        else:
            patch = {"data": {"text": "theirs"}}
            self._rig.cluster.patch(
                CONFIG_MAPS,
                "apps",
                "b",
                patch,
                kind=PatchType.MERGE,
                manager="operator",
                subresource="",
            )


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("is_watched", [False, True])
def test_what_is_changed_in_the_moment_it_is_made_is_put_back(deletes: bool, is_watched: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        async with rig.running():
            if is_watched:
                await rig.assign([config_map("a")])
                await asyncio.sleep(10)
            rig.cluster.interference = _Hasty(rig, deletes=deletes)
            await rig.assign([config_map("a"), config_map("b")])
            await asyncio.sleep(2)
            assert rig.text("b") == "one"

    run()
