"""What of an update is tolerated because it is as it was; a real server answered the same."""

from typing import Any

import pytest

from hub.sandbox.crds import validation
from hub.sandbox.crds.correlation import Correlated

_LIMITED = {"properties": {"x": {"maxLength": 1}}}
_OTHER = {"properties": {"y": {"enum": ["z"]}}}


def _schema(**logical: Any) -> dict[str, Any]:
    inner = {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}}, **logical}
    return {"type": "object", "properties": {"a": inner, "b": {"type": "string"}}}


def _wrong(schema: dict[str, Any], new: Any, old: Any) -> list[str]:
    return sorted(one.path for one in validation.validate(new, schema, Correlated(new, old, schema)))


@pytest.mark.parametrize(
    "logical", [{"allOf": [_LIMITED]}, {"anyOf": [_LIMITED, _OTHER]}, {"oneOf": [_LIMITED, _OTHER]}]
)
def test_logical_parts_judge_all_of_what_changed_and_nothing_that_did_not(logical: dict[str, Any]) -> None:
    old = {"a": {"x": "long", "y": "1"}, "b": "1"}
    assert _wrong(_schema(**logical), {**old, "b": "2"}, old) == []
    assert _wrong(_schema(**logical), {**old, "a": {"x": "long", "y": "2"}}, old) == ["", "a.x"]


def test_a_field_that_was_wrong_is_tolerated_beside_one_that_changed() -> None:
    schema = _schema()
    schema["properties"]["a"]["properties"]["x"]["maxLength"] = 1
    old = {"a": {"x": "long", "y": "1"}}
    assert _wrong(schema, {"a": {"x": "long", "y": "2"}}, old) == []
    assert _wrong(schema, {"a": {"x": "longer", "y": "1"}}, old) == ["a.x"]
