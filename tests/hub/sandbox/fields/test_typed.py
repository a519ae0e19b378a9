"""Values against their type: what is owned, how values differ, how they merge, and the words for what is no such value."""

from typing import Any

import pytest

from hub.sandbox.fields import TypedError, fields_of, to_v1
from hub.sandbox.fields.collect import in_step, with_structs
from hub.sandbox.fields.compare import compare
from hub.sandbox.fields.merge import merge, remove
from hub.sandbox.fields.typed import check
from hub.sandbox.schema import of_custom_resource
from tests.hub.sandbox.fields.samples import CONFIG_MAP, DEPLOYMENT, WIDGET


def spec(**members: Any) -> dict[str, Any]:
    return {"spec": members}


@pytest.mark.parametrize(
    ("value", "owned"),
    [
        pytest.param(spec(replicas=1), {"f:spec": {"f:replicas": {}}}, id="a scalar"),
        pytest.param(spec(text=None), {"f:spec": {"f:text": {}}}, id="null"),
        pytest.param(spec(nested={}), {"f:spec": {"f:nested": {}}}, id="an empty struct"),
        pytest.param(
            spec(nested={"x": "1"}), {"f:spec": {"f:nested": {"f:x": {}}}}, id="a struct is its members"
        ),
        pytest.param(spec(whole={"a": "1"}), {"f:spec": {"f:whole": {}}}, id="an atomic map"),
        pytest.param(spec(args=["a", "b"]), {"f:spec": {"f:args": {}}}, id="an atomic list"),
        pytest.param(spec(tags=["b", "a"]), {"f:spec": {"f:tags": {'v:"a"': {}, 'v:"b"': {}}}}, id="a set"),
        pytest.param(spec(tags=[]), {}, id="an empty set"),
        pytest.param(
            spec(tags=["a", "a"]), {"f:spec": {"f:tags": {'v:"a"': {}}}}, id="a set with a value twice"
        ),
        pytest.param(
            spec(plain=[{"name": "a", "v": 1}]),
            {"f:spec": {"f:plain": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:v": {}}}}},
            id="a list with keys",
        ),
        pytest.param(
            spec(items=[{"name": "a"}]),
            {"f:spec": {"f:items": {'k:{"name":"a","proto":"TCP"}': {".": {}, "f:name": {}}}}},
            id="a key's default",
        ),
        pytest.param(
            spec(plain=[{"name": "a", "v": 1}, {"name": "a", "v": 2}]),
            {"f:spec": {"f:plain": {'k:{"name":"a"}': {}}}},
            id="an item twice is owned as one",
        ),
        pytest.param(
            spec(free={"a": {"b": 1}, "l": [1]}),
            {"f:spec": {"f:free": {"f:a": {".": {}, "f:b": {}}, "f:l": {}}}},
            id="what is not declared",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1"}}},
            {"f:metadata": {"f:labels": {"f:a": {}}}},
            id="a map in metadata",
        ),
    ],
)
def test_the_fields_of_a_value(value: Any, owned: Any) -> None:
    assert to_v1(fields_of(value, WIDGET)) == owned


@pytest.mark.parametrize(
    ("before", "after", "removed", "modified", "added"),
    [
        pytest.param(spec(replicas=1), spec(replicas=1), {}, {}, {}, id="nothing"),
        pytest.param(
            spec(replicas=1), spec(replicas=2), {}, {"f:spec": {"f:replicas": {}}}, {}, id="a scalar changes"
        ),
        pytest.param(spec(flag=True), spec(flag=1), {}, {"f:spec": {"f:flag": {}}}, {}, id="true is not 1"),
        pytest.param(spec(replicas=1), spec(replicas=1.0), {}, {}, {}, id="1 is 1.0"),
        pytest.param(
            spec(),
            spec(nested={"x": "1"}),
            {},
            {},
            {"f:spec": {"f:nested": {".": {}, "f:x": {}}}},
            id="a struct comes",
        ),
        pytest.param(
            spec(nested={"x": "1"}),
            spec(),
            {"f:spec": {"f:nested": {".": {}, "f:x": {}}}},
            {},
            {},
            id="a struct goes",
        ),
        pytest.param(
            spec(nested={}),
            spec(nested={"x": "1"}),
            {},
            {},
            {"f:spec": {"f:nested": {"f:x": {}}}},
            id="a struct fills",
        ),
        pytest.param(
            spec(args=["a"]),
            spec(args=["b"]),
            {},
            {"f:spec": {"f:args": {}}},
            {},
            id="an atomic list changes",
        ),
        pytest.param(
            spec(tags=["a", "b"]),
            spec(tags=["b", "c"]),
            {"f:spec": {"f:tags": {'v:"a"': {}}}},
            {},
            {"f:spec": {"f:tags": {'v:"c"': {}}}},
            id="a set changes",
        ),
        pytest.param(
            spec(tags=["a", "b"]), spec(tags=["b", "a"]), {}, {}, {}, id="the order of a set is nothing"
        ),
        pytest.param(
            spec(plain=[{"name": "a", "v": 1}]),
            spec(plain=[{"name": "a", "v": 1}, {"name": "a", "v": 2}]),
            {"f:spec": {"f:plain": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:v": {}}}}},
            {},
            {"f:spec": {"f:plain": {'k:{"name":"a"}': {}}}},
            id="an item becomes two",
        ),
        pytest.param(
            spec(plain=[{"name": "a", "v": 1}, {"name": "a", "v": 2}]),
            spec(plain=[{"name": "a", "v": 2}, {"name": "a", "v": 1}]),
            {},
            {"f:spec": {"f:plain": {'k:{"name":"a"}': {}}}},
            {},
            id="items of one name are compared as one",
        ),
        pytest.param(
            spec(free={"a": 1}),
            spec(free={"a": {"b": 1}}),
            {},
            {"f:spec": {"f:free": {"f:a": {}}}},
            {"f:spec": {"f:free": {"f:a": {"f:b": {}}}}},
            id="a scalar becomes a map",
        ),
    ],
)
def test_how_values_differ(before: Any, after: Any, removed: Any, modified: Any, added: Any) -> None:
    found = compare(before, after, WIDGET)

    assert (to_v1(found.removed), to_v1(found.modified), to_v1(found.added)) == (removed, modified, added)


def items(*names: str) -> dict[str, Any]:
    return spec(plain=[{"name": name} for name in names])


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        pytest.param(spec(replicas=1), spec(text="a"), spec(replicas=1, text="a"), id="side by side"),
        pytest.param(spec(replicas=1), spec(replicas=2), spec(replicas=2), id="the configuration wins"),
        pytest.param(
            spec(whole={"a": "1"}),
            spec(whole={"b": "2"}),
            spec(whole={"b": "2"}),
            id="atomic maps are replaced",
        ),
        pytest.param(spec(args=["a"]), spec(args=["b"]), spec(args=["b"]), id="atomic lists are replaced"),
        pytest.param(
            spec(tags=["a", "b"]), spec(tags=["c"]), spec(tags=["a", "b", "c"]), id="sets are united"
        ),
        pytest.param(spec(tags=["a"]), spec(tags=[]), spec(tags=["a"]), id="an empty set takes nothing"),
        pytest.param(items("a", "b"), items("b", "a"), items("b", "a"), id="the configuration's order"),
        pytest.param(
            items("a", "b", "c"), items("c", "a"), items("b", "c", "a"), id="others keep their place"
        ),
        pytest.param(
            items("a", "b", "c", "d"),
            items("a", "x", "d"),
            items("a", "b", "c", "x", "d"),
            id="new ones after them",
        ),
        pytest.param(items("a"), items("x", "y"), items("a", "x", "y"), id="nothing in common"),
        pytest.param(
            spec(items=[{"name": "a", "proto": "TCP", "size": 1}]),
            spec(items=[{"name": "a", "size": 2}]),
            spec(items=[{"name": "a", "proto": "TCP", "size": 2}]),
            id="a key left out is its default",
        ),
        pytest.param(
            spec(free={"a": {"b": 1}}),
            spec(free={"a": {"c": 2}}),
            spec(free={"a": {"b": 1, "c": 2}}),
            id="free maps",
        ),
        pytest.param(
            spec(free={"a": 1}),
            spec(free={"a": {"c": 2}}),
            spec(free={"a": {"c": 2}}),
            id="a map over a scalar",
        ),
    ],
)
def test_a_configuration_is_laid_over_a_value(live: Any, applied: Any, merged: Any) -> None:
    assert merge(live, applied, WIDGET) == merged


def test_removing_fields_leaves_the_rest() -> None:
    value = spec(replicas=1, tags=["a", "b"], plain=[{"name": "x", "v": 1}, {"name": "y"}], nested={"x": "1"})
    gone = fields_of(spec(replicas=1, tags=["a"], plain=[{"name": "y"}], nested={"x": "1"}), WIDGET)

    assert remove(value, gone, WIDGET) == spec(tags=["b"], plain=[{"name": "x", "v": 1}], nested=None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(spec(bogus=1), ".spec.bogus: field not declared in schema", id="an unknown field"),
        pytest.param(
            spec(replicas="x"),
            ".spec.replicas: expected numeric (int or float), got string",
            id="a text for a number",
        ),
        pytest.param(
            spec(text=1),
            ".spec.text: expected string, got &value.valueUnstructured{Value:1}",
            id="a number for a text",
        ),
        pytest.param(
            spec(text={"a": "b"}),
            '.spec.text: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":"b"}}',
            id="a map for a text",
        ),
        pytest.param(spec(flag="yes"), ".spec.flag: expected boolean, got &{yes}", id="a text for a boolean"),
        pytest.param(spec(nested="x"), ".spec.nested: expected map, got &{x}", id="a text for a struct"),
        pytest.param(
            spec(args={"a": 1}), ".spec.args: expected list, got &{map[a:1]}", id="a map for a list"
        ),
        pytest.param(
            spec(tags=["a", "a"]), '.spec.tags: duplicate entries for key [="a"]', id="a value of a set twice"
        ),
        pytest.param(
            spec(plain=[{"name": "a"}, {"name": "a"}]),
            '.spec.plain: duplicate entries for key [name="a"]',
            id="an item of a list twice",
        ),
        pytest.param(
            spec(plain=[{"v": 1}]),
            '.spec.plain: element 0: associative list with keys has an element that omits all key fields ["name"]'
            " (and doesn't have default values for any key fields)",
            id="an item without keys",
        ),
        pytest.param(
            spec(plain=[None]),
            ".spec.plain: element 0: associative list with keys may not have a null element",
            id="a null item",
        ),
        pytest.param(
            spec(plain=["a"]),
            ".spec.plain: element 0: associative list with keys may not have non-map elements",
            id="a text item",
        ),
        pytest.param(
            spec(tags=[None]),
            ".spec.tags: element 0: associative list without keys has an element that's an explicit null",
            id="null in a set",
        ),
        pytest.param(
            spec(tags=[{}]),
            ".spec.tags: element 0: associative list without keys has an element that's a map type",
            id="a map in a set",
        ),
        pytest.param(
            spec(plain=[{"name": "a", "v": "x"}]),
            '.spec.plain[name="a"].v: expected numeric (int or float), got string',
            id="deep in an item",
        ),
        pytest.param(
            spec(replicas="x", flag=1),
            "errors:\n  .spec.replicas: expected numeric (int or float), got string\n  .spec.flag: expected boolean, got &{1}",
            id="two problems",
        ),
    ],
)
def test_what_is_not_of_the_type_is_told_in_the_servers_words(value: Any, text: str) -> None:
    with pytest.raises(TypedError) as refused:
        check(value, WIDGET)

    assert str(refused.value) == text


def test_nulls_and_what_exists_twice_already_are_no_problem() -> None:
    check(spec(replicas=None, text=None, nested=None, tags=None), WIDGET)
    check(spec(tags=["a", "a"]), WIDGET, duplicates=True)
    check({"data": {"a": "b"}}, CONFIG_MAP)


def test_declared_members_above_a_path_are_part_of_a_value() -> None:
    container = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"a"}')

    found = with_structs(frozenset({(*container, "f:image")}), DEPLOYMENT)

    assert found == {container[:1], container[:2], container[:3], container[:4], (*container, "f:image")}


def test_what_became_atomic_is_owned_as_one() -> None:
    of = of_custom_resource(
        "example.dev",
        "v1",
        "Widget",
        {"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "nested": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": {"type": "string"}}},
            "tags": {"type": "array", "items": {"type": "string"}},
        }}}},
    )  # fmt: skip
    owned = fields_of(spec(nested={"x": "1"}, tags=["a", "b"]), WIDGET)

    assert to_v1(in_step(owned, of)) == {"f:spec": {"f:nested": {}, "f:tags": {}}}
    assert in_step(owned, WIDGET) == owned
