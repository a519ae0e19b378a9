"""An agent killed at any of its requests, the desk's among them, and then a commit that removes all files: no orphan, nobody else's object gone."""

import asyncio

import pytest

from agent.kit.tasks import Tasks
from agent.model.content import Manifest
from agent.model.names import ObjectRef
from agent.model.report import Stage
from hub.sandbox.calls import Call
from hub.sandbox.wire import Answer
from tests.agent.apply.cluster import CONFIG_MAPS, definition
from tests.agent.rig import LABELS, Rig, workload
from tests.agent.wishes import bundle, config_map
from tests.fakes.clock import in_virtual_time

NOTHING = bundle([]).ref.digest


class KillAt:
    """Ends the agent at its n-th request, before or after that took effect; from then on none of its requests goes on."""

    def __init__(self, number: int, *, is_done: bool) -> None:
        self._left = number
        self._is_done = is_done
        self.came = asyncio.Event()

    async def before(self, call: Call) -> None:
        await self._count(here=not self._is_done)

    async def after(self, call: Call, answer: Answer) -> Answer:
        await self._count(here=self._is_done)
        return answer

    async def _count(self, *, here: bool) -> None:
        self._left -= here
        if self._left <= 0:
            self.came.set()
            await asyncio.Event().wait()


def wished() -> list[Manifest]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "more", "labels": LABELS}}
    return [
        definition(),
        Manifest.of(namespace, ObjectRef("", "Namespace", "", "more")),
        workload("Gadget", "example.org/v1", "gadget"),
        config_map("a"),
        config_map("b"),
    ]


def owned(rig: Rig) -> set[str]:
    """Return the names of all that is the delivery's."""
    found: set[str] = set()
    for resource in rig.cluster.resources:
        for value in rig.cluster.list(resource).items:
            if LABELS.items() <= (value["metadata"].get("labels") or {}).items():
                found.add(value["metadata"]["name"])
    return found


async def killed_then_emptied(number: int, *, is_done: bool) -> tuple[Rig, bool]:
    """Have an agent killed in the middle of its first delivery, another one begin, and all files removed. Tell whether it was killed."""
    rig = Rig()
    for name in ("theirs", "theirs-too"):
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "x"}}}
        rig.cluster.create(CONFIG_MAPS, "apps", value)
    async with rig.running(), Tasks() as tasks:
        kill = rig.cluster.interference = KillAt(number, is_done=is_done)
        tasks.start(rig.assign(wished()), name="assign")
        try:
            async with asyncio.timeout(30):
                await kill.came.wait()
        except TimeoutError:
            pass
    rig.cluster.interference = None
    rig.begin()
    async with rig.running():
        await asyncio.sleep(number % 3)
        await rig.assign([], tokens={"approve-prune": NOTHING})
        await asyncio.sleep(30)
        assert rig.report().stage is Stage.READY, number
    return rig, kill.came.is_set()


@pytest.mark.parametrize("is_done", [False, True], ids=["before-it-took-effect", "after-it-took-effect"])
def test_a_kill_at_any_request_leaves_no_orphan_when_all_files_go(is_done: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        number, was_killed = 0, True
        while was_killed:
            number += 1
            rig, was_killed = await killed_then_emptied(number, is_done=is_done)
            assert owned(rig) == set(), number
            assert rig.names() == {"theirs", "theirs-too"}, number
            assert rig.now().held == {}, number
        assert number > 20

    run()
