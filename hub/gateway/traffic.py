"""Counts what goes over the link: sessions, and bytes that are sent to agents."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent.kit.telemetry import Telemetry


class Traffic:
    """The counts of one gateway."""

    def __init__(self, telemetry: Telemetry) -> None:
        bytes_ = telemetry.counter(
            "cartwheel_link_sent_bytes", "What was sent to agents.", call=("session", "fetch")
        )
        self._said, self._fetched = bytes_.labels("session"), bytes_.labels("fetch")
        self._begun = telemetry.counter("cartwheel_sessions_begun", "Sessions that agents began.")
        self._open = telemetry.gauge("cartwheel_sessions", "Sessions that go on.")

    @contextmanager
    def session(self) -> Iterator[None]:
        """Count a session while it lasts."""
        self._begun.inc()
        with self._open.track_inprogress():
            yield

    def said(self, size_bytes: int) -> None:
        """Count a message of a session."""
        self._said.inc(size_bytes)

    def fetched(self, size_bytes: int) -> None:
        """Count content that an agent fetched."""
        self._fetched.inc(size_bytes)
