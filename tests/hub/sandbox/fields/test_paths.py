"""Sets of fields as managedFields has them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sandbox.fields import BadManagedFields, from_v1, path, shown, to_v1
from hub.sandbox.fields.paths import field, key, ordered, value

ELEMENTS = st.one_of(
    st.sampled_from("abc").map(field),
    st.dictionaries(
        st.sampled_from("xy"), st.one_of(st.integers(0, 2), st.sampled_from(["s", "<&>"])), min_size=1
    ).map(key),
    st.one_of(st.integers(0, 2), st.booleans(), st.sampled_from(["s", "é"])).map(value),
    st.integers(0, 2).map(lambda n: f"i:{n}"),
)
SETS = st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8)


@pytest.mark.parametrize(
    ("paths", "tree"),
    [
        pytest.param([("f:a",)], {"f:a": {}}, id="a leaf"),
        pytest.param([("f:a", "f:b")], {"f:a": {"f:b": {}}}, id="a leaf below what is no member"),
        pytest.param([("f:a",), ("f:a", "f:b")], {"f:a": {".": {}, "f:b": {}}}, id="a leaf below a member"),
        pytest.param(
            [("f:a", 'k:{"name":"x"}', "f:name")],
            {"f:a": {'k:{"name":"x"}': {"f:name": {}}}},
            id="an item with a key",
        ),
        pytest.param([("f:a", 'v:"x"')], {"f:a": {'v:"x"': {}}}, id="an item of a set"),
        pytest.param([("f:a", "i:0")], {"f:a": {"i:0": {}}}, id="an item by its position"),
    ],
)
def test_a_set_and_its_tree_are_the_same(paths: list[Any], tree: Any) -> None:
    assert to_v1(frozenset(paths)) == tree
    assert from_v1(tree) == frozenset(paths)


def test_names_stand_in_canonical_order() -> None:
    paths = [
        ("v:10",),
        ("v:9",),
        ('k:{"a":1}',),
        ("f:z",),
        ("f:a",),
        ("i:1",),
        ('v:"a"',),
        ('k:{"a":1,"b":2}',),
    ]

    assert list(to_v1(frozenset(paths))) == [
        "f:a",
        "f:z",
        'k:{"a":1}',
        'k:{"a":1,"b":2}',
        "v:9",
        "v:10",
        'v:"a"',
        "i:1",
    ]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ('k:{"b": 1, "a": "x"}', 'k:{"a":"x","b":1}'),
        ("v:80.0", "v:80"),
        ('v:"a<b&c>"', 'v:"a\\u003cb\\u0026c\\u003e"'),
        ('k:{"port":80.0}', 'k:{"port":80}'),
    ],
)
def test_equal_names_are_equal_texts(written: str, canonical: str) -> None:
    assert from_v1({"f:a": {written: {}}}) == {("f:a", canonical)}


def test_unknown_kinds_of_names_are_dropped() -> None:
    assert from_v1({"f:a": {"x:new": {}}, "f:b": {}}) == {("f:a",), ("f:b",)}


@pytest.mark.parametrize(
    "tree", [{"f": {}}, {"fa": {}}, {"k:{": {}}, {"i:x": {}}, {"v:": {}}, {"f:a": 1}, []]
)
def test_what_is_no_set_is_refused(tree: Any) -> None:
    with pytest.raises(BadManagedFields):
        from_v1(tree)


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (path("spec.replicas"), ".spec.replicas"),
        (("f:spec", "f:containers", 'k:{"name":"web"}', "f:image"), '.spec.containers[name="web"].image'),
        (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
        (("f:a", "v:true"), ".a[=true]"),
        (("f:a", "i:3"), ".a[3]"),
    ],
)
def test_paths_are_shown_as_people_read_them(of: tuple[str, ...], text: str) -> None:
    assert shown(of) == text


def test_members_of_a_place_come_before_what_is_below_it() -> None:
    paths = [("f:b",), ("f:a", "f:x"), ("f:a",), ("f:a", "f:x", "f:y")]

    assert ordered(paths) == [("f:a",), ("f:b",), ("f:a", "f:x"), ("f:a", "f:x", "f:y")]


@given(SETS)
def test_writing_and_reading_a_set_gives_it_back(paths: frozenset[tuple[str, ...]]) -> None:
    assert from_v1(to_v1(paths)) == paths
    assert set(ordered(paths)) == paths
