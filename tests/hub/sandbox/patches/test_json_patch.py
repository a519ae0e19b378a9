"""JSON patches as API servers take them."""

import copy
from typing import Any

import pytest

from hub.sandbox.patches import PatchError, json_patch

DOCUMENT = {"a": {"b": [1, 2, 3], "c/d": "x", "m~n": "y"}, "n": None, "t": True}


@pytest.mark.parametrize(
    ("operations", "at", "expected"),
    [
        pytest.param(
            [{"op": "add", "path": "/a/new", "value": {"k": 1}}], ("a", "new"), {"k": 1}, id="add a member"
        ),
        pytest.param(
            [{"op": "add", "path": "/a/b/1", "value": 9}], ("a", "b"), [1, 9, 2, 3], id="add into a list"
        ),
        pytest.param(
            [{"op": "add", "path": "/a/b/-", "value": 9}], ("a", "b"), [1, 2, 3, 9], id="add to a list's end"
        ),
        pytest.param(
            [{"op": "add", "path": "/a/b/3", "value": 9}], ("a", "b"), [1, 2, 3, 9], id="add after the last"
        ),
        pytest.param(
            [{"op": "add", "path": "/a/b/-1", "value": 9}],
            ("a", "b"),
            [1, 2, 3, 9],
            id="add counted from the end",
        ),
        pytest.param([{"op": "add", "path": "/a/x"}], ("a", "x"), None, id="add without a value is null"),
        pytest.param([{"op": "remove", "path": "/a/b/0"}], ("a", "b"), [2, 3], id="remove from a list"),
        pytest.param(
            [{"op": "remove", "path": "/a/b/-1"}], ("a", "b"), [1, 2], id="remove counted from the end"
        ),
        pytest.param(
            [{"op": "replace", "path": "/a/c~1d", "value": "z"}], ("a", "c/d"), "z", id="a slash in a name"
        ),
        pytest.param(
            [{"op": "replace", "path": "/a/m~0n", "value": "z"}], ("a", "m~n"), "z", id="a tilde in a name"
        ),
        pytest.param(
            [{"op": "replace", "path": "/a/z", "value": 1}], ("a", "z"), 1, id="replace where nothing is"
        ),
        pytest.param([{"op": "move", "from": "/a/b/0", "path": "/a/first"}], ("a", "first"), 1, id="move"),
        pytest.param([{"op": "copy", "from": "/a/b", "path": "/b"}], ("b",), [1, 2, 3], id="copy"),
        pytest.param(
            [{"op": "copy", "from": "/a/none", "path": "/b"}], ("b",), None, id="copy of nothing is null"
        ),
        pytest.param([{"op": "test", "path": "/n", "value": None}], ("n",), None, id="test of null"),
        pytest.param(
            [{"op": "test", "path": "/none", "value": None}],
            ("t",),
            True,
            id="test of what is not there for null",
        ),
        pytest.param([{"op": "test", "path": "", "value": DOCUMENT}], ("t",), True, id="test of the whole"),
        pytest.param(None, ("t",), True, id="a patch that is null"),
    ],
)
def test_a_patch_does_what_its_operations_say(operations: Any, at: tuple[str, ...], expected: Any) -> None:
    before = copy.deepcopy(DOCUMENT)

    found: Any = json_patch(DOCUMENT, operations)

    assert before == DOCUMENT
    for name in at:
        found = found[name]
    assert found == expected


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param({"op": "add", "path": "/none/deeper", "value": 1}, id="add below nothing"),
        pytest.param({"op": "add", "path": "/n/deeper", "value": 1}, id="add below null"),
        pytest.param({"op": "add", "path": "/t/deeper", "value": 1}, id="add below a boolean"),
        pytest.param({"op": "add", "path": "/a/b/9", "value": 1}, id="add beyond a list's end"),
        pytest.param({"op": "add", "path": "/a/b/-9", "value": 1}, id="add before a list's start"),
        pytest.param({"op": "add", "path": "/a/b/x", "value": 1}, id="add at no position"),
        pytest.param({"op": "add", "path": "x", "value": 1}, id="no pointer"),
        pytest.param({"op": "add", "path": "", "value": {}}, id="add over the whole"),
        pytest.param({"op": "add", "value": 1}, id="no path"),
        pytest.param({"op": "remove", "path": "/none"}, id="remove what is not there"),
        pytest.param({"op": "remove", "path": "/a/b/9"}, id="remove beyond a list's end"),
        pytest.param({"op": "replace", "path": "/a/b/9", "value": 1}, id="replace beyond a list's end"),
        pytest.param({"op": "replace", "path": "", "value": "text"}, id="replace the whole by a text"),
        pytest.param({"op": "move", "from": "/none", "path": "/b"}, id="move what is not there"),
        pytest.param({"op": "move", "path": "/b"}, id="move from nowhere"),
        pytest.param({"op": "test", "path": "/t", "value": 1}, id="true is not 1"),
        pytest.param({"op": "test", "path": "/a/b/0", "value": 1.0}, id="1 is not 1.0"),
        pytest.param({"op": "bogus", "path": "/a"}, id="no such operation"),
    ],
)
def test_a_patch_that_does_not_fit_is_unprocessable(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchError) as refused:
        json_patch(DOCUMENT, [operation])

    assert (refused.value.code, str(refused.value)) == (
        422,
        "the server rejected our request due to an error in our request",
    )


@pytest.mark.parametrize(
    ("patch", "code", "text"),
    [
        (
            {"op": "add"},
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            ["x"],
            400,
            "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp",
        ),
        (
            [{"op": "test", "path": "/none"}] * 10_001,
            413,
            "The allowed maximum operations in a JSON patch is 10000, got 10001",
        ),
    ],
    ids=["an object", "a list of texts", "too many operations"],
)
def test_what_is_no_patch_is_refused(patch: Any, code: int, text: str) -> None:
    with pytest.raises(PatchError) as refused:
        json_patch(DOCUMENT, patch)

    assert (refused.value.code, str(refused.value)) == (code, text)


def test_operations_see_what_those_before_them_did() -> None:
    patch = [
        {"op": "add", "path": "/x", "value": {}},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "test", "path": "/x/y", "value": 1},
        {"op": "replace", "path": "", "value": {"whole": True}},
        {"op": "add", "path": "/more", "value": 1},
    ]

    assert json_patch({}, patch) == {"whole": True, "more": 1}
