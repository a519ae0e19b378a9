"""Jobs that are removed some time after they finished: that is their end, and no drift."""

import asyncio
from dataclasses import replace
from typing import Any

from agent.kube.errors import NotFound
from agent.model.content import Manifest
from agent.model.report import NoticeKind, Stage
from tests.agent.rig import Rig, pods, workload
from tests.agent.wishes import SPEC, config_map
from tests.fakes.clock import in_virtual_time

AWAITED = replace(SPEC, wait=True, timeout_s=60.0)


def job(image: str = "one", **spec: Any) -> Manifest:
    return workload("Job", "batch/v1", "migrate", template=pods(image, restartPolicy="Never"), **spec)


def is_there(rig: Rig) -> bool:
    try:
        rig.cluster.get(rig.resource(job().ref), "apps", "migrate")
    except NotFound:
        return False
    return True


def finish(rig: Rig, end: str = "Complete") -> None:
    rig.put_status(job().ref, startTime="2026-01-01T00:00:00Z", conditions=[{"type": end, "status": "True"}])


def remove(rig: Rig) -> None:
    rig.cluster.delete(rig.resource(job().ref), "apps", "migrate")


def created(rig: Rig) -> int:
    return len([call for call in rig.cluster.writes if (call.verb, call.resource) == ("apply", "jobs")])


@in_virtual_time
async def test_a_job_that_ended_and_was_removed_in_time_is_current_and_not_made_anew() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=30)], spec=AWAITED)
        await asyncio.sleep(10)
        assert rig.report().stage is Stage.CHECKING
        finish(rig)
        await asyncio.sleep(10)
        assert rig.report().stage is Stage.READY
        remove(rig)
        await asyncio.sleep(SPEC.interval_s * 3)
        assert (is_there(rig), created(rig), rig.report().stage) == (False, 1, Stage.READY)
        assert await rig.told() == [NoticeKind.APPLIED, NoticeKind.HEALTH_PASSED]


@in_virtual_time
async def test_a_job_that_is_removed_as_soon_as_it_ended_is_waited_for_no_longer() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0)], spec=AWAITED)
        await asyncio.sleep(10)
        finish(rig)
        remove(rig)
        await asyncio.sleep(2)
        assert (is_there(rig), rig.report().stage, rig.report().healthy) == (False, Stage.READY, True)


@in_virtual_time
async def test_a_job_that_ended_costs_no_request_at_an_interval() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0)], spec=AWAITED)
        await asyncio.sleep(10)
        finish(rig)
        remove(rig)
        await asyncio.sleep(10)
        rig.cluster.calls.clear()
        await asyncio.sleep(SPEC.interval_s * 3)
        assert [call for call in rig.cluster.calls if call.verb != "watch"] == []


@in_virtual_time
async def test_a_job_that_ended_stays_ended_across_a_restart_and_a_change_of_something_else() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0)], spec=AWAITED)
        await asyncio.sleep(10)
        finish(rig)
        remove(rig)
        await asyncio.sleep(10)
    rig.begin()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0), config_map("a")], spec=AWAITED)
        await asyncio.sleep(SPEC.interval_s * 2)
        assert (rig.names(), is_there(rig), rig.report().stage) == ({"a"}, False, Stage.READY)


@in_virtual_time
async def test_a_job_that_ended_while_the_agent_was_away_is_not_made_anew() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0)])
        await asyncio.sleep(10)
    finish(rig)
    remove(rig)
    rig.begin()
    async with rig.running():
        await asyncio.sleep(SPEC.interval_s * 2)
        assert (is_there(rig), rig.report().stage) == (False, Stage.READY)


@in_virtual_time
async def test_a_job_that_ended_while_the_network_was_cut_is_not_made_anew() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0)])
        await asyncio.sleep(10)
        rig.network.cuts = lambda call: True
        rig.cluster.end_watches()
        finish(rig)
        remove(rig)
        rig.cluster.compact()
        await asyncio.sleep(60)
        rig.network.cuts = lambda call: False
        await asyncio.sleep(SPEC.interval_s * 2)
        assert (is_there(rig), rig.report().stage) == (False, Stage.READY)


@in_virtual_time
async def test_a_job_is_made_anew_when_it_was_deleted_before_its_end_or_changed_or_does_not_go_by_itself() -> (
    None
):
    rig = Rig()
    async with rig.running():
        await rig.assign([job(ttlSecondsAfterFinished=0)])
        await asyncio.sleep(10)
        remove(rig)
        await asyncio.sleep(2)
        assert is_there(rig), "it was running"
        finish(rig)
        remove(rig)
        await asyncio.sleep(2)
        assert not is_there(rig)
        await rig.assign([job("two", ttlSecondsAfterFinished=0)])
        await asyncio.sleep(2)
        assert is_there(rig), "it is another one"
        await rig.assign([job("two")])
        await asyncio.sleep(2)
        finish(rig)
        remove(rig)
        await asyncio.sleep(2)
        assert is_there(rig), "nothing but a person deletes it"
