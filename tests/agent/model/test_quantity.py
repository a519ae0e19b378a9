"""Amounts that are written differently and are the same."""

import pytest

from agent.model.quantity import are_same


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1000m", "1", True),
        ("0.5", "500m", True),
        (".5", "500m", True),
        ("1.", 1, True),
        ("1Gi", "1024Mi", True),
        ("1G", "1000M", True),
        ("1G", "1Gi", False),
        ("1e3", "1k", True),
        ("1E3", 1000, True),
        ("1E", "1000P", True),
        ("2500000n", "2500u", True),
        ("1", "2", False),
        ("-1", "-1000m", True),
        ("one", "one", False),
        ("", "", False),
        (True, 1, False),
        (None, None, False),
        ("1 Gi", "1Gi", False),
    ],
)
def test_amounts(one: object, other: object, expected: bool) -> None:
    assert are_same(one, other) is expected
