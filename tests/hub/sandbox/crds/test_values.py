"""What rules see of a custom resource."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from hub.sandbox.crds.cel import values

_NUMBER = {"type": "number"}
_WHOLE = {"type": "integer"}


@pytest.mark.parametrize(
    ("value", "schema", "seen"),
    [
        (2, _NUMBER, 2.0),
        (2.0, _WHOLE, 2),
        ("YWI=", {"type": "string", "format": "byte"}, b"ab"),
        ("1m30s", {"type": "string", "format": "duration"}, Duration(seconds=90)),
        ("no time", {"type": "string", "format": "duration"}, "no time"),
        ([1, 2], {"type": "array", "items": _NUMBER}, [1.0, 2.0]),
    ],
)
def test_a_value_has_the_type_of_its_schema(value: Any, schema: dict[str, Any], seen: Any) -> None:
    assert (values.visible(value, schema), type(values.visible(value, schema))) == (seen, type(seen))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("namespace", "__namespace__"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("plain_1", "plain_1"),
        ("1st", None),
        ("a b", None),
    ],
)
def test_a_name_is_written_as_rules_can(name: str, written: str | None) -> None:
    assert values.escaped(name) == written


def test_of_an_object_rules_see_what_is_declared() -> None:
    schema = values.rooted(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a-b": _WHOLE}}}}
    )
    item = {"kind": "X", "metadata": {"name": "n", "labels": {"a": "b"}}, "spec": {"a-b": 1, "other": 2}}
    assert values.visible(item, schema) == {"kind": "X", "metadata": {"name": "n"}, "spec": {"a__dash__b": 1}}
