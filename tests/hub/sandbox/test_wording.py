"""Values in the words of the API server's errors."""

from typing import Any

import pytest

from hub.sandbox.wording import plain, quoted, same, source, type_name


@pytest.mark.parametrize(
    ("value", "as_plain", "as_source", "type_"),
    [
        (None, "<nil>", "interface {}(nil)", "<nil>"),
        (True, "true", "true", "bool"),
        (80, "80", "80", "int64"),
        (1.5, "1.5", "1.5", "float64"),
        (2.0, "2", "2", "float64"),
        (12345678.0, "1.2345678e+07", "1.2345678e+07", "float64"),
        (0.00001, "1e-05", "1e-05", "float64"),
        ("a b", "a b", '"a b"', "string"),
        (["a", 1], "[a 1]", '[]interface {}{"a", 1}', "[]interface {}"),
        ({"b": 1, "a": [None]}, "map[a:[<nil>] b:1]", None, "map[string]interface {}"),
        ({"a": "x"}, "map[a:x]", 'map[string]interface {}{"a":"x"}', "map[string]interface {}"),
    ],
    ids=str,
)
def test_a_value_is_shown_as_the_server_shows_it(
    value: Any, as_plain: str, as_source: str | None, type_: str
) -> None:
    assert (plain(value), type_name(value)) == (as_plain, type_)
    assert as_source in (source(value), None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", '"a"'),
        ('"', '"\\""'),
        ("é", '"é"'),
        ("\n\x01\x7f", '"\\n\\x01\\x7f"'),
        ("\\u00ab", '"\\\\u00ab"'),
    ],
)
def test_a_text_is_quoted(text: str, shown: str) -> None:
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        ([True], [1], False),
        ({"a": 0}, {"a": False}, False),
        ({"a": None}, {}, False),
    ],
)
def test_truth_is_no_number(left: Any, right: Any, equal: bool) -> None:
    assert same(left, right) is equal
