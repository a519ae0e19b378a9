"""Ignore patterns, the files that hold them, and the default lists."""

from typing import Any

import pytest

from hub.sources import ignore
from tests.conformance import support


@pytest.mark.parametrize("row", support.cases("sourceignore/pattern.json"))
def test_a_pattern_decides_for_a_path(row: dict[str, Any]) -> None:
    pattern = ignore.Pattern(text=row["pattern"], domain=tuple(row["domain"]))
    assert pattern.match(row["path"], is_dir=row["is_dir"]).value == row["expected"]


def build_matcher(row: dict[str, Any]) -> ignore.Matcher:
    domain = tuple(row["domain"])
    if row["defaults"]:
        return ignore.default_matcher(ignore.read_patterns(row["ignore"]), domain)
    return ignore.Matcher(patterns=ignore.read_patterns(row["ignore"], domain))


@pytest.mark.parametrize("row", support.cases("sourceignore/sourceignore.json"))
def test_an_ignore_text_decides_for_a_tree(row: dict[str, Any]) -> None:
    if row["op"] == "match":
        matcher = build_matcher(row)
        assert {path: matcher.ignores(path.split("/")) for path in row["expected"]} == row["expected"]
    else:
        assert row["op"] == "load"
        loaded = ignore.tree_patterns(row["files"], tuple(row["domain"]))
        assert [{"pattern": one.text, "domain": list(one.domain)} for one in loaded] == row["expected"]
