import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.build.kubeyaml import YAMLInvalid, documents, load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000), ("1.0", 1), ("1.5", 1.5), ("0x1F", 31), ("0o17", 15), ("017", 15), ("0b11", 3), ("08", 8),
        ("1_000", 1000), ("1:30", "1:30"), ("2020-01-01", "2020-01-01"), (".5", 0.5), ("1e400", "1e400"), ("=", "="),
        ("on", True), ("n", False), ("~", None), ("", None), ("'on'", "on"), ("! 12", "12"), ("!foo 12", "12"),
        ("!!str 12", "12"), ("!!int '12'", 12), ("!!binary aGk=", "hi"), ("9223372036854775808", 9223372036854775808),
        ("+18446744073709551615", 18446744073709552000), ("on: y", {"true": True}),
        ("1.50: a", {"1.5": "a"}), ("1e20: a", {"1e+20": "a"}), ("0x10: a", {"16": "a"}), ("a: 1\na: 2", {"a": 2}),
        ("'<<': 1", {"<<": 1}), ("a: \t1", {"a": 1}),
    ],
)  # fmt: skip
def test_scalars_are_what_kubernetes_tools_read(text: str, value: object) -> None:
    assert json.dumps(load(text)) == json.dumps(value)


def test_merges_take_place_where_they_stand() -> None:
    text = "x: &x {a: 1}\nz: &z {a: 2, b: 2}\np: {a: 0, <<: *x}\nq: {<<: *x, a: 0}\nr: {<<: [*x, *z]}\n"
    assert load(text) | {"x": None, "z": None} == {
        "x": None,
        "z": None,
        "p": {"a": 1},
        "q": {"a": 0},
        "r": {"a": 1, "b": 2},
    }


def test_what_an_alias_gives_is_a_copy() -> None:
    value = load("a: &x {k: {}}\nb: *x\n")
    value["a"]["k"]["changed"] = True
    assert value["b"] == {"k": {}}


@pytest.mark.parametrize(
    "text",
    [
        ".inf", "a: .nan", "~: 1", "[1]: 2", "{a: b}: c", "*x", "a: [", "a: &x [*x]", "<<: 1", "<<: [1]", "!!int x", "\udcff",
        "a: \x01",
    ],
)  # fmt: skip
def test_what_cannot_be_json_is_refused(text: str) -> None:
    with pytest.raises(YAMLInvalid):
        load(text)


def test_an_error_names_the_line() -> None:
    with pytest.raises(YAMLInvalid, match="line 3: "):
        load("a: 1\nb: [\n")


def test_an_alias_bomb_costs_nothing() -> None:
    levels = "".join(f"x{i + 1}: &x{i + 1} [{', '.join([f'*x{i}'] * 9)}]\n" for i in range(9))
    started = time.process_time()
    with pytest.raises(YAMLInvalid, match="nodes"):
        load("x0: &x0 [1, 2, 3]\n" + levels)
    assert time.process_time() - started < 5


def test_depth_is_bounded() -> None:
    with pytest.raises(YAMLInvalid, match="deeper"):
        load("[" * 500 + "]" * 500)


def test_documents_are_split_before_they_are_read() -> None:
    assert documents("---\na: 1\n---\n# nothing\n--- # two\nb: 2\n---") == [{"a": 1}, {"b": 2}]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
)


@given(VALUES)
def test_json_is_read_as_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=True)
    if "\\ud" not in text:  # YAML has no surrogate pairs
        assert load(text) == value
