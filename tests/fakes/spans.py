"""Steps as they are told: a tracer that records in memory."""

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent.kit.clock import Clock
from agent.kit.otlp import OtelTracer
from agent.kit.tracing import Traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One span; `parent` is empty for the first of a trace."""

    step: str
    trace: str
    id: str
    parent: str
    problem: str
    lasted_s: float
    facts: dict[str, Any] = field(compare=False)

    @property
    def traceparent(self) -> Traceparent:
        return Traceparent(f"00-{self.trace}-{self.id}-01")


class Spans:
    """What was told to one tracer or several, oldest first."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()

    def tracer(self, clock: Clock) -> OtelTracer:
        """Return a tracer of its own provider, as another program has."""
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        return OtelTracer(provider, clock=clock)

    @property
    def told(self) -> list[Told]:
        return [_told(span) for span in self._exporter.get_finished_spans()]

    def of(self, step: str) -> list[Told]:
        return [one for one in self.told if one.step == step]


def _told(span: ReadableSpan) -> Told:
    assert span.context is not None
    return Told(
        step=span.name,
        trace=f"{span.context.trace_id:032x}",
        id=f"{span.context.span_id:016x}",
        parent=f"{span.parent.span_id:016x}" if span.parent else "",
        problem=span.status.description or "",
        lasted_s=((span.end_time or 0) - (span.start_time or 0)) / 1e9,
        facts=dict(span.attributes or {}),
    )
