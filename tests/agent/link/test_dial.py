"""When a certificate is renewed, whatever the clock says."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.link.dial import until_renewal_s

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = (ISSUED, ISSUED + timedelta(hours=10))
HOUR = 3600.0


@pytest.mark.parametrize(
    ("hours", "is_new", "waits_h"),
    [
        (0, True, 6),
        (0, False, 6),
        (4, False, 2),
        (6, False, 0),
        (9, False, 0),
        (48, False, 0),
        (48, True, 3),
        (-48, False, 6),
        (-48, True, 6),
    ],
    ids=[
        "just issued",
        "just loaded",
        "loaded later",
        "due",
        "nearly ended",
        "a clock that is fast, or away for long",
        "a clock that is fast must not renew again and again",
        "a clock that is slow must not let it end",
        "a clock that is slow, and just issued",
    ],
)
def test_a_certificate_is_renewed_in_time_and_not_in_a_loop(
    hours: float, is_new: bool, waits_h: float
) -> None:
    now = ISSUED + timedelta(hours=hours)
    assert until_renewal_s(LIFETIME, now, 0.6, is_new=is_new) == pytest.approx(waits_h * HOUR)
