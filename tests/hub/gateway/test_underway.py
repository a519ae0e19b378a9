"""A delivery is a step from the sending to the answer, whatever the answer is."""

from dataclasses import replace

from agent.kit.clock import SystemClock
from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE, Step, Traceparent
from agent.model.link import Assign
from hub.gateway.underway import Underway
from hub.model.wish import Assigned
from tests.agent.wishes import CLUSTER, WEB, assignment, bundle, config_map
from tests.fakes.clock import in_virtual_time
from tests.fakes.spans import Spans
from tests.hub.gateway.link import Link

TRACE = Traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def wish(traceparent: Traceparent = TRACE) -> Assigned:
    manifests = [config_map("a")]
    return Assigned(
        assignment=assignment(manifests),
        bundle=bundle(manifests),
        revision="main@sha1:1",
        traceparent=traceparent,
    )


def begin() -> tuple[Underway, Spans]:
    spans = Spans()
    return Underway(Telemetry(spans.tracer(SystemClock())), CLUSTER), spans


def test_what_is_sent_along_is_the_step_that_ends_with_the_answer() -> None:
    underway, spans = begin()
    sent = underway.send(wish())
    assert spans.told == []
    underway.answered(WEB)
    underway.answered(WEB)
    (told,) = spans.told
    assert (told.step, told.parent, told.problem) == (Step.DELIVER, TRACE.split("-")[2], "")
    assert told.traceparent == sent


def test_what_is_sent_anew_refused_or_never_answered_is_told_as_that() -> None:
    underway, spans = begin()
    underway.send(wish())
    underway.send(wish())
    underway.answered(WEB, problem="OtherCluster")
    underway.send(wish())
    underway.close()
    assert [one.problem for one in spans.told] == ["Superseded", "OtherCluster", "Disconnected"]


def test_what_is_refused_again_and_again_is_one_step_that_failed_and_its_success_another() -> None:
    underway, spans = begin()
    for problem in ("OtherCluster", "OtherCluster", "Malformed", ""):
        underway.send(wish())
        underway.answered(WEB, problem=problem)
    assert [one.problem for one in spans.told] == ["OtherCluster", "Malformed", ""]


def test_a_wish_of_no_trace_is_sent_without_one() -> None:
    underway, spans = begin()
    assert underway.send(wish(NO_TRACE)) == NO_TRACE
    underway.close()
    assert spans.told == []


@in_virtual_time
async def test_a_trace_alone_sends_nothing_again() -> None:
    async with Link() as link:
        line = link.connect()
        first = link.wish([config_map("a")])
        await link.settle()
        link.wishes.drop(WEB)
        link.wishes.put(WEB, replace(first, traceparent=TRACE))
        await link.settle()
        assert len([one for one in line.down.said if isinstance(one, Assign)]) == 1
        assert link.holds(first)
