"""What one hub or one agent tells of its own working. It is handed to whoever has something to tell; several live in one process.

State: the registry of metrics, which nobody else has, and the tracer, which records nothing unless a collector is named.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from prometheus_client import CollectorRegistry

from agent.kit.clock import Clock
from agent.kit.tracing import NoTracer, Tracer


class Telemetry:
    """The metrics and traces of one program."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.tracer: Tracer = tracer or NoTracer()
        self.registry = CollectorRegistry()

    @classmethod
    @asynccontextmanager
    async def of_program(
        cls, *, traces: bool, service: str, instance: str, version: str, clock: Clock
    ) -> AsyncIterator[Self]:
        """Give a program's telemetry until the block ends; with `traces` its steps are sent to a collector."""
        if not traces:
            yield cls()
            return
        # Costs memory and a thread, which only whoever asked for traces is to pay.
        from agent.kit.otlp import exporting

        async with exporting(service=service, instance=instance, version=version, clock=clock) as tracer:
            yield cls(tracer)
