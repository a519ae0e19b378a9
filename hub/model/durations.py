"""Go's text for durations (`1h30m`, `10m0s`) and Kubernetes' text for instants (RFC 3339 in seconds, UTC)."""

import re
from datetime import UTC, datetime, timedelta

UNITS_US = {
    "ns": 0.001,
    "us": 1,
    "µs": 1,
    "μs": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
}
PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
WHOLE = re.compile(rf"[+-]?(?:{PART.pattern})+")


class MalformedDuration(ValueError):
    """A text is not a Go duration."""


class Duration(timedelta):
    """A length of time that reads and prints as Go's; exact to the microsecond."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read `300ms`, `1.5h`, `1h30m`, `-2s`, `0`. Raises MalformedDuration."""
        if text == "0":
            return cls()
        if not WHOLE.fullmatch(text):
            raise MalformedDuration(f"{text!r} is not a duration; write it like 30s, 10m or 1h30m")
        microseconds = sum(float(number) * UNITS_US[unit] for number, unit in PART.findall(text))
        try:
            return cls(microseconds=-microseconds if text.startswith("-") else microseconds)
        except OverflowError as problem:
            raise MalformedDuration(f"{text!r} is too long a duration") from problem

    @classmethod
    def of(cls, delta: timedelta) -> "Duration":
        """Return any timedelta as a Duration, since arithmetic gives plain ones."""
        return cls(days=delta.days, seconds=delta.seconds, microseconds=delta.microseconds)

    def __str__(self) -> str:
        """`1h0m0s`, `10m0s`, `1.5s`, `300ms`, `0s`: what Go prints."""
        microseconds = abs(self // timedelta(microseconds=1))
        sign = "-" if self < timedelta() else ""
        if microseconds < 1_000_000:
            return sign + _below_a_second(microseconds)
        minutes, rest = divmod(microseconds, 60_000_000)
        hours, minutes = divmod(minutes, 60)
        text = f"{_decimal(rest, 1_000_000)}s"
        if hours or minutes:
            text = f"{minutes}m{text}"
        return f"{sign}{hours}h{text}" if hours else sign + text

    def __repr__(self) -> str:
        return f"Duration({self})"


def _below_a_second(microseconds: int) -> str:
    if microseconds >= 1_000:
        return f"{_decimal(microseconds, 1_000)}ms"
    return f"{microseconds}µs" if microseconds else "0s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)


def instant(text: str) -> datetime:
    """Read a timestamp of the API server. Raises ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)
