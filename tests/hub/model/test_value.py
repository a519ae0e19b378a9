"""What differs between two values, as it is written."""

from hub.model.value import merge_patch


def test_a_merge_patch_names_what_differs_and_what_is_gone() -> None:
    before = {"same": 1, "gone": 2, "deep": {"a": 1, "b": 2}, "list": [1]}
    after = {"same": 1, "deep": {"a": 1, "b": 3}, "list": [1, 2]}
    assert merge_patch(before, after) == {"gone": None, "deep": {"b": 3}, "list": [1, 2]}
