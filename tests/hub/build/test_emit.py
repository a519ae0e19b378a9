"""An object's text is what the renderer writes of it, and reads as the object."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.build import kubeyaml
from hub.build.emit import text_of
from hub.build.kustomize import build
from tests.hub.build.adapter import renderers

texts = st.text(st.characters(codec="utf-8"), max_size=10)
fractions = st.floats(allow_nan=False, allow_infinity=False).filter(lambda one: not one.is_integer())
leaves = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none() | fractions
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=5))
def test_the_text_reads_as_the_object(value: dict[str, Any]) -> None:
    assert kubeyaml.load(text_of(value)) == value


async def test_the_text_is_the_renderers() -> None:
    spec = {
        "text": "plain", "empty": "", "number": "1", "flag": "yes", "colon": "a: b", "hash": "a #b", "quote": "it's", "dash": "- a",
        "tab": "a\tb", "lines": "one\n  two\n\nthree\n", "open": "one\ntwo", "blank": " one\ntwo\n", "unicode": "größe", "date": "2026-01-02",
        "int": 5, "float": 1.5, "bool": True, "null": None, "none": {}, "nothing": [], "list": ["a", 1, "two\nlines\n"],
        "deep": [{"b": 1, "a": {"c": ["x"]}}, [1, [2]], [{"k": "v"}]], "percent": "%a", "star": "*a", "octal": "0o7", "exp": "1e3",
    }  # fmt: skip
    value = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}
    async with renderers() as pool:
        (one,) = await build(pool, {"a.yaml": json.dumps(value).encode()}, {})
    assert text_of(one.object) == one.text
