"""What is warned of, and what of a body nobody knows."""

import pytest

from hub.sandbox.crds import strict, warnings


def _definition(name: str, kind: str = "string") -> dict:
    schema = {"type": "object", "properties": {"spec": {"type": kind, "format": name}}}
    return {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("date-time", "string", []),
        ("int32", "integer", []),
        ("int32", "string", ['unrecognized format "int32"']),
        ("frob", "string", ['unrecognized format "frob"']),
        ("ipv4", "integer", ['unrecognized format "ipv4"']),
    ],
)
def test_a_format_that_nobody_enforces_is_warned_of(name: str, kind: str, told: list[str]) -> None:
    assert warnings.of_definition(_definition(name, kind)) == told


def test_a_format_that_was_there_before_is_not_warned_of() -> None:
    assert warnings.of_definition(_definition("frob"), _definition("frob")) == []


def test_finalizers_that_may_be_another_writers_are_warned_of() -> None:
    more = "to avoid accidental conflicts with other finalizer writers"
    item = {"metadata": {"finalizers": ["foo", "a.b", "a.b/c", "orphan"]}}
    assert warnings.of_item(item) == [
        f'metadata.finalizers: "a.b": prefer a domain-qualified finalizer name including a path (/) {more}',
        f'metadata.finalizers: "foo": prefer a domain-qualified finalizer name {more}',
    ]
    assert warnings.of_item(item, item) == []


def test_fields_that_are_twice_are_found_in_the_order_of_the_body() -> None:
    body = b'{"metadata":{"labels":{"a":"b","a":"c"}},"spec":{"i":2},"spec":{"l":[{"a":1,"a":2}]}}'
    assert strict.duplicate_fields(body) == ["metadata.labels.a", "spec", "spec.l[0].a"]


def test_a_patch_is_refused_with_what_it_came_to() -> None:
    refused = strict.patch_refusal({"spec": {"b": 1, "a": "x"}}, ['unknown field "spec.b"'])
    text = 'Invalid value: "{\\"spec\\":{\\"a\\":\\"x\\",\\"b\\":1}}": strict decoding error: unknown field "spec.b"'
    assert refused.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f' "" is invalid: patch: {text}',
        "reason": "Invalid",
        "details": {"causes": [{"reason": "FieldValueInvalid", "message": text, "field": "patch"}]},
        "code": 422,
    }
