"""Which broken rules of an update count, and which were broken before."""

from typing import Any

from hub.sandbox.crds import rules
from hub.sandbox.crds.correlation import Correlated

_LIMIT = {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 5"}]}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "y": _LIMIT,
        "x": {"type": "object", "properties": {"y": _LIMIT}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"y": _LIMIT}}},
    },
}


def _broken(new: Any, old: Any) -> list[str]:
    return [one.path for one in rules.broken(new, old, _SCHEMA, before=Correlated(new, old, _SCHEMA))]


def test_what_is_new_is_judged_whatever_has_its_name_elsewhere() -> None:
    assert _broken({"x": {"y": 9}}, {"y": 1}) == ["x.y"]
    assert _broken({"y": 1, "x": {"y": 9}}, {"y": 1}) == ["x.y"]


def test_what_was_broken_and_is_unchanged_is_tolerated() -> None:
    assert _broken({"y": 1, "x": {"y": 9}}, {"y": 2, "x": {"y": 9}}) == []


def test_an_item_of_a_list_without_keys_is_tolerated_while_the_whole_list_is_as_it_was() -> None:
    assert _broken({"y": 1, "l": [{"y": 9}]}, {"y": 2, "l": [{"y": 9}]}) == []
    assert _broken({"l": [{"y": 9}, {"y": 1}]}, {"l": [{"y": 9}]}) == ["l[0].y"]
