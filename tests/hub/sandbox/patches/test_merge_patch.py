"""JSON merge patches as API servers take them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sandbox.patches import PatchError, merge_patch

LEAVES = st.one_of(st.integers(0, 3), st.sampled_from("xyz"), st.booleans())
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES),
    lambda inner: st.dictionaries(
        st.sampled_from("abc"), st.one_of(LEAVES, inner, st.lists(LEAVES, max_size=2))
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "patch", "expected"),
    [
        pytest.param({"a": "b"}, {"a": "c"}, {"a": "c"}, id="replace"),
        pytest.param({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}, id="add"),
        pytest.param({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}, id="remove"),
        pytest.param({"a": ["b"]}, {"a": "c"}, {"a": "c"}, id="a list by a text"),
        pytest.param({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}, id="a text by a list"),
        pytest.param({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}, id="nested"),
        pytest.param({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}, id="lists are not merged"),
        pytest.param({"e": None}, {"a": 1}, {"e": None, "a": 1}, id="nulls that are there stay"),
        pytest.param({}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}, id="nulls of what is new go"),
        pytest.param({"a": 1}, {"a": {"b": None}}, {"a": {}}, id="an object over a number"),
        pytest.param(
            {"a": [1]}, {"a": [{"b": None}, None]}, {"a": [{}, None]}, id="nulls in objects of lists go"
        ),
        pytest.param(
            {"a": {"x": 1}},
            {"a": [{"b": None}]},
            {"a": [{"b": None}]},
            id="but not where a list replaces an object",
        ),
    ],
)
def test_a_patch_is_laid_over_the_value(value: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy((value, patch))

    assert merge_patch(value, patch) == expected
    assert (value, patch) == before


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (
            [],
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            "a",
            "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (
            True,
            "error decoding patch: json: cannot unmarshal bool into Go value of type map[string]interface {}",
        ),
        (
            1,
            "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}",
        ),
        (None, "Invalid JSON Patch"),
    ],
    ids=["a list", "a text", "a boolean", "a number", "null"],
)
def test_what_is_no_object_is_no_patch(patch: Any, text: str) -> None:
    with pytest.raises(PatchError) as refused:
        merge_patch({}, patch)

    assert (refused.value.code, str(refused.value)) == (400, text)


@given(value=OBJECTS, patch=OBJECTS)
def test_a_second_time_changes_nothing(value: Any, patch: Any) -> None:
    once = merge_patch(value, patch)

    assert merge_patch(once, patch) == once


@given(value=OBJECTS)
def test_an_object_over_nothing_is_itself(value: Any) -> None:
    assert merge_patch({}, value) == value
