from typing import Any

import pytest

from agent.apply.drift import MAX_FIELDS, changed_fields, changers, holds


@pytest.mark.parametrize(
    ("live", "wished", "expected"),
    [
        ({"data": {"a": "1"}}, {"data": {"a": "1"}}, ()),
        ({"data": {"a": "1"}}, {"data": {"a": "2", "b": "3"}}, ("data.a", "data.b")),
        ({"metadata": {"labels": None}}, {"metadata": {"labels": {}}}, ()),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {}}, ("metadata.labels.a",)),
        (
            {"metadata": {"annotations": {}}},
            {"metadata": {"annotations": {"x": "y"}}},
            ("metadata.annotations.x",),
        ),
        ({"metadata": {"generation": 1}}, {"metadata": {"generation": 2}}, ()),
        ({"status": {"phase": "A"}}, {"status": {"phase": "B"}}, ()),
        ({"rules": [{"verbs": ["get"]}]}, {"rules": [{"verbs": ["list"]}]}, ("rules[0].verbs[0]",)),
        ({"rules": [1]}, {"rules": [1, 2]}, ("rules",)),
    ],
)
def test_fields_that_an_apply_would_change(
    live: dict[str, Any], wished: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert changed_fields(live, wished) == expected


def test_a_list_of_fields_ends_somewhere() -> None:
    many = {"data": {f"k{n}": "1" for n in range(100)}}
    assert len(changed_fields({"data": {}}, many)) == MAX_FIELDS


def entry(manager: str, fields: dict[str, Any], time: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, "time": time}


def test_who_holds_a_field_changed_it() -> None:
    held: dict[str, Any] = {"f:data": {"f:a": {}}}
    entries = [
        entry("editor", held, "2026-01-01T00:00:00Z"),
        entry("last", {"f:data": {"f:z": {}}}, "2026-01-02T00:00:00Z"),
        entry("ours", held, "2026-01-03T00:00:00Z"),
    ]
    live = {"metadata": {"managedFields": entries}}
    assert changers(live, ["data.a"], "ours") == ("editor",)
    assert changers(live, ["data.other"], "ours") == ("last",)
    assert changers({}, ["data.a"], "ours") == ()


@pytest.mark.parametrize(
    ("live", "wished", "expected"),
    [
        ({"data": {"a": "1", "b": "theirs"}}, {"data": {"a": "1"}}, True),
        ({"data": {"a": "2"}}, {"data": {"a": "1"}}, False),
        ({"data": {}}, {"data": {"a": "1"}}, False),
        ({"data": {"a": None}}, {"data": {"a": None}}, True),
        ({"data": {}}, {"data": {"a": None}}, False),
        ({"spec": [{"name": "a", "more": 1}]}, {"spec": [{"name": "a"}]}, True),
        ({"spec": [{"name": "a"}, {"name": "b"}]}, {"spec": [{"name": "a"}]}, False),
        ({"spec": [{"name": "b"}, {"name": "a"}]}, {"spec": [{"name": "a"}, {"name": "b"}]}, False),
        ({"spec": {"ready": 1}}, {"spec": {"ready": True}}, False),
        ({"spec": {"size": 1}}, {"spec": {"size": "1"}}, False),
        ({"spec": {"size": 1}}, {"spec": {"size": 1.0}}, True),
        ({"spec": "x"}, {"spec": {}}, False),
        ({"metadata": {}}, {"metadata": {"creationTimestamp": None}}, True),
        ({"metadata": {"creationTimestamp": "x"}}, {"metadata": {"creationTimestamp": None}}, False),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, {"limits": {"cpu": "1000m", "memory": "1024Mi"}}, True),
        ({"requests": {"cpu": "500m"}}, {"requests": {"cpu": 0.5}}, True),
        ({"requests": {"cpu": "2"}}, {"requests": {"cpu": 1}}, False),
        ({"requests": {}}, {"requests": {"cpu": 1}}, False),
        ({"requests": None}, {"requests": {"cpu": 1}}, False),
        ({"data": {"limit": "1"}}, {"data": {"limit": "1000m"}}, False),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "1"}}}, True),
    ],
)
def test_what_a_live_object_holds_of_a_manifest(
    live: dict[str, Any], wished: dict[str, Any], expected: bool
) -> None:
    assert holds(live, wished) is expected
