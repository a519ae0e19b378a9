"""Records steps with OpenTelemetry and sends them to a collector. Loaded only by a program that is to do so.

State: the provider that was handed in or made here; nothing global, so that programs in one process do not meet.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from agent.kit.clock import Clock
from agent.kit.tasks import Tasks
from agent.kit.tracing import PassedOn, Span, Step, Traceparent

SCOPE = "cartwheel"
FLUSH_S = 5.0


class OtelTracer:
    """Records to one provider."""

    def __init__(self, provider: TracerProvider, *, clock: Clock) -> None:
        self._tracer = provider.get_tracer(SCOPE)
        self._clock = clock

    def span(
        self, step: Step, parent: Traceparent, *, began: datetime | None = None, **facts: str | int
    ) -> Span:
        if not parent and step is not Step.FETCH:
            return PassedOn(parent)
        span = self._tracer.start_span(
            step,
            # Never the running task's context: a step belongs where its input came from.
            context=_context(parent) if parent else Context(),
            attributes=_attributes(facts),
            start_time=_nanoseconds(began or self._clock.now()),
        )
        return _Recorded(span, self._clock)


class _Recorded:
    def __init__(self, span: OtelSpan, clock: Clock) -> None:
        self._span = span
        self._clock = clock

    @property
    def traceparent(self) -> Traceparent:
        found = self._span.get_span_context()
        return Traceparent(f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags & 1:02x}")

    def end(self, *, problem: str = "", **facts: str | int) -> None:
        self._span.set_attributes(_attributes(facts))
        if problem:
            self._span.set_status(Status(StatusCode.ERROR, problem))
        self._span.end(_nanoseconds(self._clock.now()))


@asynccontextmanager
async def exporting(*, service: str, instance: str, version: str, clock: Clock) -> AsyncIterator[OtelTracer]:
    """Give a tracer that sends to the collector which the standard OTEL_* variables name, until the block ends."""
    ours = {"service.name": service, "service.instance.id": instance, "service.version": version}
    provider = TracerProvider(
        resource=Resource.create(ours).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield OtelTracer(provider, clock=clock)
    finally:
        await _close(provider, exporter)


async def _close(provider: TracerProvider, exporter: OTLPSpanExporter) -> None:
    """Send what is left. A collector that does not answer must not keep a program from ending."""
    async with Tasks() as tasks:
        closing = tasks.start(asyncio.to_thread(provider.shutdown), name="send-last-spans")
        await asyncio.wait((closing,), timeout=FLUSH_S)
        if not closing.done():
            exporter.shutdown()
            await closing


def _context(parent: Traceparent) -> Context:
    _, trace, span, flags = parent.split("-")
    remote = SpanContext(
        int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _attributes(facts: dict[str, str | int]) -> dict[str, str | int]:
    return {f"{SCOPE}.{name}": value for name, value in facts.items()}


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
