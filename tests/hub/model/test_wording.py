"""Names and reasons of several clusters, in few words."""

import pytest

from hub.model.wording import alike, first_of


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (1, "c0"), (5, "c0, c1, c2, c3, c4"), (7, "c0, c1, c2, c3, c4 and 2 more")]
)
def test_the_first_are_named_and_the_others_counted(count: int, text: str) -> None:
    assert first_of([f"c{number}" for number in range(count)]) == text


def test_those_of_one_reason_share_a_line() -> None:
    reasons = {"east": "no answer", "north": "forbidden", "west": "no answer"}
    assert alike(reasons) == ["east, west: no answer", "north: forbidden"]
