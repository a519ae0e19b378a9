"""What others change is put back at once, however early they do it, and from the interval on when they never cease."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from agent.model.assignment import HealthCheck
from agent.model.names import ObjectRef
from agent.model.report import NoticeKind, Stage
from hub.sandbox.calls import Call
from hub.sandbox.wire import Answer
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import Rig
from tests.agent.wishes import SPEC, config_map
from tests.fakes.clock import in_virtual_time
from tests.fakes.cluster import Undisturbed


class _Hasty(Undisturbed):
    """Changes an object, or deletes it, in the moment in which it is made."""

    def __init__(self, rig: Rig, *, deletes: bool) -> None:
        self._rig = rig
        self._deletes = deletes
        self._is_done = False

    async def after(self, call: Call, answer: Answer) -> Answer:
        if call.verb != "apply" or call.is_dry_run or call.name != "b" or self._is_done:
            return answer
        self._is_done = True
        if self._deletes:
            self._rig.cluster.delete(CONFIG_MAPS, "apps", "b")
        else:
            patch = {"data": {"text": "theirs"}}
            self._rig.cluster.patch(CONFIG_MAPS, "apps", "b", patch, manager="operator")
        return answer


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


class _Operator(Undisturbed):
    """Somebody who takes an object back whenever it was put right: changes its text, or deletes it. Notes when it was put right."""

    def __init__(self, rig: Rig, name: str, *, deletes: bool = False) -> None:
        self._rig = rig
        self._name = name
        self._deletes = deletes
        self.is_active = True
        self.corrected_s: list[float] = []

    def take(self) -> None:
        cluster = self._rig.cluster
        if self._deletes:
            cluster.delete(CONFIG_MAPS, "apps", self._name)
            return
        patch = {"data": {"text": "theirs"}}
        cluster.patch(CONFIG_MAPS, "apps", self._name, patch, manager="operator")

    async def after(self, call: Call, answer: Answer) -> Answer:
        if call.verb == "apply" and not call.is_dry_run and call.name == self._name:
            self.corrected_s.append(self._rig.clock.monotonic_s())
            if self.is_active:
                asyncio.get_running_loop().call_later(0.2, self.take)
        return answer


async def fighting(rig: Rig, operator: _Operator, **spec: Any) -> None:
    """Have the delivery applied and the fight begun; the times of its corrections are kept."""
    await rig.assign([config_map("a"), config_map("b")], spec=replace(SPEC, **spec))
    await asyncio.sleep(10)
    rig.cluster.interference = operator
    operator.take()
    await asyncio.sleep(20)


@pytest.mark.parametrize("deletes", [False, True])
def test_a_fight_is_named_and_goes_on_at_the_interval_until_the_other_ceases(deletes: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        operator = _Operator(rig, "a", deletes=deletes)
        words = "somebody keeps deleting" if deletes else "operator keeps changing data.text of"
        async with rig.running():
            await fighting(rig, operator)
            assert len(operator.corrected_s) == 3
            assert operator.corrected_s[-1] - operator.corrected_s[0] < 2
            assert [one.message for one in rig.report().fights] == [f"{words} ConfigMap/apps/a"]
            kinds = await rig.told()
            assert kinds.count(NoticeKind.DRIFT_CORRECTED) == 3
            assert kinds.count(NoticeKind.DRIFT_DETECTED) == 1

            # Others are guarded as ever, and their corrections are none of this one.
            rig.edit("b", "by hand")
            await asyncio.sleep(2)
            assert (rig.text("b"), len(operator.corrected_s)) == ("one", 3)

            await asyncio.sleep(SPEC.interval_s * 3)
            gaps = [after - before for before, after in pairwise(operator.corrected_s[2:])]
            assert len(gaps) in (2, 3)
            assert all(SPEC.interval_s * 0.9 <= gap <= SPEC.interval_s * 1.2 for gap in gaps)
            assert len(rig.report().fights) == 1

            operator.is_active = False
            await asyncio.sleep(SPEC.interval_s * 2.5)
            assert (rig.text("a"), rig.report().fights) == ("one", ())
            rig.edit("a", "by hand")
            await asyncio.sleep(2)
            assert rig.text("a") == "one"

    run()


@in_virtual_time
async def test_what_is_fought_over_rests_also_while_health_is_awaited() -> None:
    rig = Rig()
    operator = _Operator(rig, "a")
    never = HealthCheck(ref=ObjectRef("", "ConfigMap", "apps", "absent"), version="v1")
    async with rig.running():
        await fighting(rig, operator, health_checks=(never,), timeout_s=500.0)
        await asyncio.sleep(300)
        assert rig.report().stage is Stage.CHECKING
        assert len(operator.corrected_s) == 3


@in_virtual_time
async def test_a_change_of_what_is_wished_does_not_wait_for_the_interval() -> None:
    rig = Rig()
    operator = _Operator(rig, "a")
    async with rig.running():
        await fighting(rig, operator)
        operator.is_active = False
        await rig.assign([config_map("a", "two"), config_map("b")])
        await asyncio.sleep(1)
        assert rig.text("a") == "two"
