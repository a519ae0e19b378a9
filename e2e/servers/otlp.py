"""A collector of traces over OTLP, which keeps what it gets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span; `parent` is empty for the first of a trace. `facts` are its attributes without our prefix."""

    service: str
    step: str
    trace: str
    id: str
    parent: str
    problem: str
    facts: dict[str, str]


@dataclass
class Collector(TraceServiceServicer):
    """What was sent, oldest first. `address` is `host:port`."""

    address: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    def Export(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Take spans."""
        self.requests.append(request)
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Span]:
        return [span for request in tuple(self.requests) for span in _spans(request)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen on loopback until the block ends."""
    found, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(found, server)  # type: ignore[no-untyped-call]
    found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield found
    finally:
        server.stop(0)


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for group in request.resource_spans:
        resource = {one.key: one.value.string_value for one in group.resource.attributes}
        for scope in group.scope_spans:
            for span in scope.spans:
                facts = {
                    one.key.removeprefix("cartwheel."): one.value.string_value for one in span.attributes
                }
                yield Span(
                    service=resource.get("service.name", ""),
                    step=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    problem=span.status.message,
                    facts=facts,
                )
