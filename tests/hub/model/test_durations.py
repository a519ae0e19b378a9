from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.names import timestamp
from hub.model.durations import Duration, MalformedDuration, instant


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("30s", 30),
        ("1h30m", 5400),
        ("10m0s", 600),
        ("1.5h", 5400),
        ("300ms", 0.3),
        ("2us", 0.000002),
        ("2µs", 0.000002),
        ("1m.5s", 60.5),
        ("-1m30s", -90),
        ("0.1s", 0.1),
    ],
)
def test_goes_text_is_read(text: str, seconds: float) -> None:
    assert Duration.parse(text).total_seconds() == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["", "10", "1d", "1h 30m", "m", "--1s", "1s-", "9" * 40 + "h"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedDuration):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(minutes=10), "10m0s"),
        (timedelta(hours=1), "1h0m0s"),
        (timedelta(hours=25, minutes=1, seconds=2), "25h1m2s"),
        (timedelta(seconds=1, milliseconds=500), "1.5s"),
        (timedelta(seconds=9, microseconds=1234), "9.001234s"),
        (timedelta(milliseconds=300), "300ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(microseconds=7), "7µs"),
        (timedelta(seconds=-90), "-1m30s"),
    ],
)
def test_durations_print_as_go_prints_them(delta: timedelta, text: str) -> None:
    assert str(Duration.of(delta)) == text


@given(st.integers(min_value=-(10**13), max_value=10**13))
def test_what_is_printed_reads_back_the_same(microseconds: int) -> None:
    duration = Duration(microseconds=microseconds)
    assert Duration.parse(str(duration)) == duration


def test_timestamps_are_utc_and_cut_to_the_second() -> None:
    now = datetime(2026, 1, 31, 9, 0, 5, 999_999, tzinfo=UTC)
    assert timestamp(now) == "2026-01-31T09:00:05Z"
    assert instant("2026-01-31T09:00:05Z") == now.replace(microsecond=0)
