"""A commit's way through hub and agents as one trace: its steps, and the W3C trace context that travels with what they hand on.

No state, and nothing is loaded that could record. Whoever records is handed in; without one a context is passed on as it came.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol

Traceparent = NewType("Traceparent", str)
"""A trace context as W3C Trace Context writes it in version 00, or empty: part of no trace."""

NO_TRACE = Traceparent("")

_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_LENGTH = 512


class Step(StrEnum):
    """What becomes of a commit. Only a fetch may begin a trace; the others happen for many reasons that are none."""

    FETCH = "fetch"
    BUILD = "build"
    DELIVER = "deliver"
    APPLY = "apply"
    REPORT = "report"


class Span(Protocol):
    """One step that goes on. `traceparent` is for what follows from it; a span that is never ended is never told."""

    @property
    def traceparent(self) -> Traceparent: ...

    def end(self, *, problem: str = "", **facts: str | int) -> None:
        """Tell of the step; `problem` is the reason of its failure in one word, never a message."""
        ...


class Tracer(Protocol):
    """Who records steps."""

    def span(
        self, step: Step, parent: Traceparent, *, began: datetime | None = None, **facts: str | int
    ) -> Span:
        """Begin a step that follows from its parent: now, or when it truly began. Facts are names and counts, never content."""
        ...


@dataclass(frozen=True, slots=True)
class PassedOn:
    """A step that nobody records: what follows from it follows from its parent."""

    traceparent: Traceparent

    def end(self, *, problem: str = "", **facts: str | int) -> None:
        """Nobody is told."""


class NoTracer:
    """Records nothing."""

    def span(
        self, step: Step, parent: Traceparent, *, began: datetime | None = None, **facts: str | int
    ) -> Span:
        return PassedOn(parent)


def read_traceparent(text: object) -> Traceparent:
    """Read a trace context that came from outside; what is none is NO_TRACE. See W3C Trace Context, section 3.2."""
    found = _FORM.fullmatch(text) if isinstance(text, str) and len(text) <= _MAX_LENGTH else None
    if found is None:
        return NO_TRACE
    version, trace, span, flags, rest = found.groups()
    if version == "00" and rest is not None:
        return NO_TRACE
    # A later version is understood as far as this one goes; of the flags only "sampled" has a meaning here.
    return Traceparent(f"00-{trace}-{span}-{int(flags, 16) & 1:02x}")
