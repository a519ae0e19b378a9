"""An apply is a step of the commit that it is for; what follows from no commit is a step of none."""

from dataclasses import replace

from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE, Step, Traceparent
from agent.model.report import Stage
from tests.agent.rig import Rig
from tests.agent.wishes import config_map
from tests.fakes.clock import in_virtual_time
from tests.fakes.spans import Spans

TRACE = Traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
OTHER_TRACE = Traceparent("00-1bf7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01")


class Traced(Rig):
    """An agent whose steps are told."""

    def begin(self) -> None:
        self.spans = Spans()
        self.telemetry = Telemetry(self.spans.tracer(self.clock))
        super().begin()


@in_virtual_time
async def test_an_apply_is_a_step_and_its_report_follows_from_it() -> None:
    rig = Traced()
    async with rig.running():
        await rig.assign([config_map("a")], traceparent=TRACE)
        await rig.clock.sleep(1)
        (told,) = rig.spans.told
        assert (told.step, told.parent, told.problem) == (Step.APPLY, TRACE.split("-")[2], "")
        assert told.facts["cartwheel.objects"] == 1
        assert (rig.report().stage, rig.report().traceparent) == (Stage.READY, told.traceparent)


@in_virtual_time
async def test_drift_later_on_is_no_step_of_the_commit() -> None:
    rig = Traced()
    async with rig.running():
        await rig.assign([config_map("a")], traceparent=TRACE)
        await rig.clock.sleep(1)
        rig.edit("a", "by hand")
        await rig.clock.sleep(5)
        assert rig.text("a") == "one"
        rig.network.cuts = lambda call: call.resource == "configmaps" and call.user == "agent"
        rig.edit("a", "by hand again")
        await rig.clock.sleep(5)
        assert (rig.report().stage, rig.report().traceparent) == (Stage.FAILED, NO_TRACE)
        assert len(rig.spans.told) == 1


@in_virtual_time
async def test_what_fails_again_and_again_is_one_step_that_failed_and_success_another() -> None:
    rig = Traced()
    async with rig.running():
        rig.network.cuts = lambda call: call.resource == "configmaps"
        await rig.assign([config_map("a")], traceparent=TRACE)
        await rig.clock.sleep(30)
        assert [one.problem for one in rig.spans.of(Step.APPLY)] == ["Unreachable"]
        assert rig.report().traceparent == rig.spans.told[0].traceparent
        rig.network.cuts = lambda call: False
        await rig.clock.sleep(30)
        assert [one.problem for one in rig.spans.of(Step.APPLY)] == ["Unreachable", ""]
        assert {one.parent for one in rig.spans.told} == {TRACE.split("-")[2]}
        assert rig.report().traceparent == rig.spans.told[1].traceparent


@in_virtual_time
async def test_a_restart_over_what_is_applied_is_no_step() -> None:
    rig = Traced()
    async with rig.running():
        await rig.assign([config_map("a")], traceparent=TRACE)
        await rig.clock.sleep(1)
    rig.begin()
    async with rig.running():
        await rig.clock.sleep(1)
        assert rig.spans.told == []
        assert (rig.report().stage, rig.report().traceparent) == (Stage.READY, NO_TRACE)


@in_virtual_time
async def test_an_apply_that_a_restart_interrupted_goes_on_in_its_trace() -> None:
    rig = Traced()
    async with rig.running():
        rig.network.cuts = lambda call: call.resource == "configmaps"
        await rig.assign([config_map("a")], traceparent=TRACE)
    rig.network.cuts = lambda call: False
    rig.begin()
    async with rig.running():
        await rig.clock.sleep(1)
        assert [one.parent for one in rig.spans.of(Step.APPLY)] == [TRACE.split("-")[2]]


@in_virtual_time
async def test_a_trace_alone_is_not_saved() -> None:
    rig = Traced()
    async with rig.running():
        head = await rig.assign([config_map("a")], traceparent=TRACE)
        await rig.clock.sleep(1)
        writes = len(rig.cluster.writes)
        current = rig.desk.get(head.home)
        assert current is not None
        await rig.desk.save(replace(current, traceparent=OTHER_TRACE))
        await rig.clock.sleep(1)
        assert len(rig.cluster.writes) == writes


@in_virtual_time
async def test_a_wish_without_a_trace_is_not_told_as_a_step_of_the_one_before() -> None:
    rig = Traced()
    async with rig.running():
        rig.network.cuts = lambda call: call.resource == "configmaps"
        await rig.assign([config_map("a")], traceparent=TRACE)
        await rig.clock.sleep(1)
        rig.network.cuts = lambda call: False
        await rig.assign([config_map("a", "two")])
        await rig.clock.sleep(1)
        assert (rig.report().stage, rig.report().traceparent) == (Stage.READY, NO_TRACE)
