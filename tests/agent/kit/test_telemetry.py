"""What a program tells of itself: steps go to the collector that is named, and to none when none is."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.kit.clock import SystemClock
from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE, Step, Traceparent
from e2e.servers.otlp import Collector, collecting
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.spans import Spans

PARENT = Traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
UNSAMPLED = Traceparent(PARENT[:-2] + "00")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{found.address}")
        yield found


def told(collector: Collector) -> list[tuple[str, str]]:
    """Return service and step of every span."""
    return [(span.service, span.step) for span in collector.spans]


async def tell(service: str, *, traces: bool = True) -> None:
    """Be a program that takes one step."""
    program = Telemetry.of_program(
        traces=traces,
        service=service,
        instance="pod",
        version="0.1.0",
        stuck_after_s=1.0,
        clock=SystemClock(),
    )
    async with program as telemetry:
        telemetry.tracer.span(Step.FETCH, NO_TRACE).end()


async def test_what_is_left_is_sent_when_a_program_ends(collector: Collector) -> None:
    await tell("cartwheel-hub")
    assert told(collector) == [("cartwheel-hub", "fetch")]


async def test_two_programs_in_one_process_tell_each_its_own(collector: Collector) -> None:
    await asyncio.gather(tell("one"), tell("two"))
    assert sorted(told(collector)) == [("one", "fetch"), ("two", "fetch")]


async def test_the_name_that_a_person_gives_counts(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    await tell("cartwheel-hub")
    assert told(collector) == [("theirs", "fetch")]


async def test_without_traces_nothing_is_sent(collector: Collector) -> None:
    await tell("cartwheel-hub", traces=False)
    assert told(collector) == []


async def test_a_collector_that_does_not_answer_keeps_no_program_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.kit.otlp.FLUSH_S", 0.2)
    callers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: callers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    async with asyncio.timeout(5.0):
        await tell("cartwheel-hub")
    silent.close()
    for one in callers:
        one.close()
        await one.wait_closed()


def test_an_agent_without_traces_does_not_load_what_records_them() -> None:
    code = "import sys, agent.main; print([one for one in sys.modules if one.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@in_virtual_time
async def test_a_step_follows_from_its_parent_and_lasts_as_long_as_it_did() -> None:
    spans, clock = Spans(), FakeClock()
    began = clock.now()
    await clock.sleep(5)
    span = spans.tracer(clock).span(Step.APPLY, PARENT, began=began, cluster="c")
    await clock.sleep(2)
    span.end(problem="Forbidden", objects=3)
    (one,) = spans.told
    assert (one.step, one.trace, one.parent) == ("apply", PARENT.split("-")[1], PARENT.split("-")[2])
    assert (one.problem, one.facts) == ("Forbidden", {"cartwheel.cluster": "c", "cartwheel.objects": 3})
    assert (one.traceparent, one.lasted_s) == (span.traceparent, 7.0)


def test_only_a_fetch_begins_a_trace() -> None:
    spans = Spans()
    tracer = spans.tracer(SystemClock())
    for step in Step:
        tracer.span(step, NO_TRACE).end()
    assert [(one.step, one.parent) for one in spans.told] == [("fetch", "")]


def test_what_the_caller_chose_not_to_record_is_not_recorded_and_still_passed_on() -> None:
    spans = Spans()
    span = spans.tracer(SystemClock()).span(Step.APPLY, UNSAMPLED)
    span.end()
    assert spans.told == []
    assert (span.traceparent[:35], span.traceparent[-3:]) == (UNSAMPLED[:35], "-00")
