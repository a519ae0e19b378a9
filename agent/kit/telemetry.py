"""What one hub or one agent tells of its own working: metrics, traces, and whether its loops move. It is handed to whoever has something to tell; several live in one process.

State: the registry of metrics, which nobody else has, the tracer, which records nothing unless a collector is named, and the loops that run.
"""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from agent.kit.clock import Clock
from agent.kit.loops import STUCK_AFTER_S, Loops
from agent.kit.tracing import NoTracer, Tracer

M = TypeVar("M", Counter, Gauge, Histogram)


class Telemetry:
    """The metrics and traces of one program.

    A metric is declared where it is counted; who declares it again gets the same. Its labels are given with all their values, which are
    told from the beginning, or with none when they come from elsewhere: a status code, a kind. Never the name of an object.
    """

    def __init__(self, tracer: Tracer | None = None, *, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self.loops = Loops(stuck_after_s=stuck_after_s)
        self.tracer: Tracer = tracer or NoTracer()
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {}

    @classmethod
    @asynccontextmanager
    async def of_program(
        cls, *, traces: bool, service: str, instance: str, version: str, stuck_after_s: float, clock: Clock
    ) -> AsyncIterator[Self]:
        """Give a program's telemetry until the block ends; with `traces` its steps are sent to a collector."""
        if traces:
            # Costs memory and a thread, which only whoever asked for traces is to pay.
            from agent.kit.otlp import exporting

            async with exporting(service=service, instance=instance, version=version, clock=clock) as tracer:
                yield cls(tracer, stuck_after_s=stuck_after_s)._with_process()
        else:
            yield cls(stuck_after_s=stuck_after_s)._with_process()

    def _with_process(self) -> Self:
        ProcessCollector(registry=self.registry)
        return self

    def counter(self, name: str, text: str, /, **labels: Sequence[str]) -> Counter:
        """Return what only grows; `_total` is added to its name."""
        return self._metric(Counter, name, text, labels)

    def gauge(self, name: str, text: str, /, **labels: Sequence[str]) -> Gauge:
        """Return what goes up and down."""
        return self._metric(Gauge, name, text, labels)

    def histogram(
        self, name: str, text: str, /, *, buckets: Sequence[float], **labels: Sequence[str]
    ) -> Histogram:
        """Return what is measured, in seconds."""
        return self._metric(Histogram, name, text, labels, buckets=buckets)

    def _metric(
        self, kind: type[M], name: str, text: str, labels: dict[str, Sequence[str]], **more: Any
    ) -> M:
        found: M | None = self._metrics.get(name)
        if found is None:
            found = kind(name, text, tuple(labels), registry=self.registry, **more)
            if labels and all(labels.values()):
                for values in itertools.product(*labels.values()):
                    found.labels(*values)
            self._metrics[name] = found
        return found
