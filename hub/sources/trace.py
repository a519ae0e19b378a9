"""The beginning of a commit's trace: the span of the fetch that brought it, and its context as text for those who go on."""

from datetime import datetime

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACER = "cartwheel"
FETCH = "fetch"
TRACEPARENT = "traceparent"


def fetch_span(*, source: str, revision: str, began: datetime, ended: datetime) -> str:
    """Record a fetch that brought something new; return the W3C traceparent, empty when nobody records.

    Recorded afterwards, because a poll without news is no span.
    """
    span = trace.get_tracer(TRACER).start_span(
        FETCH,
        context=trace.set_span_in_context(trace.INVALID_SPAN),
        attributes={"cartwheel.source": source, "cartwheel.revision": revision},
        start_time=_nanoseconds(began),
    )
    span.end(_nanoseconds(ended))
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
    return carrier.get(TRACEPARENT, "")


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
