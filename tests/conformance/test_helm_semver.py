"""Versions and constraints; charts and Git references both follow them."""

from typing import Any

import pytest

from hub.sources import semver
from tests.conformance import support


@pytest.mark.parametrize("row", support.cases("helm/semver_check.json"))
def test_a_version_satisfies_a_constraint(row: dict[str, Any]) -> None:
    constraint = semver.parse_constraint(row["constraint"])
    version = semver.parse_version(row["version"])
    accepted = constraint.accepts(version, include_prereleases=row["include_prerelease"])
    assert accepted is row["expected"]


def parse(row: dict[str, Any]) -> object:
    match row["op"]:
        case "parse-constraint":
            return semver.parse_constraint(row["input"])
        case "parse-version-loose":
            return semver.parse_version(row["input"])
        case "parse-version-flux":
            return semver.parse_full_version(row["input"])
        case "compare":
            a, b = semver.parse_version(row["a"]), semver.parse_version(row["b"])
            return (a > b) - (a < b)
    raise AssertionError(f"unknown op {row['op']}")


@pytest.mark.parametrize("row", support.cases("helm/semver_parse.json"))
def test_a_text_is_read_and_ordered(row: dict[str, Any]) -> None:
    if row.get("error"):
        with pytest.raises((semver.InvalidVersion, semver.InvalidConstraint)):
            parse(row)
        return
    result = parse(row)
    if row["op"] == "compare":
        assert result == row["expected"]
    if isinstance(result, semver.Constraint) and "alternatives" in row:
        assert len(result.groups) == row["alternatives"]
        assert len(result.groups[0]) == row["terms_in_first"]
