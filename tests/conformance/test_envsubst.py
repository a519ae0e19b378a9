"""Post-build substitution against the data of the substitution language and of whole resources."""

from collections.abc import Mapping
from typing import Any

import pytest

from hub.build import envsubst, kubeyaml
from hub.build.errors import BuildFailed
from hub.build.render import Rendered
from hub.build.substitute import Substitution, merge_variables, read_references, substitute
from tests.conformance import support

OPERATORS = {
    "length": "#",
    "lower-first": ",",
    "lower-all": ",,",
    "upper-first": "^",
    "upper-all": "^^",
    "default": ":=",
    "substring": ":",
    "trim-shortest-prefix": "#",
    "trim-longest-prefix": "##",
    "trim-shortest-suffix": "%",
    "trim-longest-suffix": "%%",
    "replace-first": "/",
    "replace-all": "//",
    "replace-prefix": "/#",
    "replace-suffix": "/%",
}
EXPRESSIONS = [*support.cases("envsubst/eval.json"), *support.cases("envsubst/extra.json")]


@pytest.mark.parametrize("row", EXPRESSIONS)
def test_an_expression_gives_its_text(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(envsubst.ExpressionError):
            envsubst.expand(row["input"], row["vars"], strict=row["strict"])
    else:
        assert envsubst.expand(row["input"], row["vars"], strict=row["strict"]) == row["expected"]


@pytest.mark.parametrize("row", support.cases("envsubst/funcs.json"))
def test_an_operator_gives_its_text(row: dict[str, Any]) -> None:
    assert envsubst.apply(OPERATORS[row["op"]], row["value"], row["args"]) == row["expected"]


@pytest.mark.parametrize("row", support.cases("envsubst/parse.json"))
def test_a_template_parses_or_is_refused(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(envsubst.ExpressionError):
            envsubst.parse(row["input"])
    else:
        envsubst.parse(row["input"])


@pytest.mark.parametrize("row", support.cases("envsubst/varsub.json"))
def test_a_resource_gets_its_variables(row: dict[str, Any]) -> None:
    data = {(found["kind"], found["name"]): found["data"] for found in row.get("resources", [])}
    post_build = row["postBuild"]

    def data_of(kind: str, name: str) -> Mapping[str, str] | None:
        return data.get((kind, name))

    def run() -> dict[str, Any]:
        layers = read_references(post_build.get("substituteFrom", []), data_of)
        substitution = Substitution(
            variables=merge_variables([*layers, post_build.get("substitute", {})]),
            strict=row["strict"],
            always=post_build.get("substituteStrategy") == "Always",
        )
        return substitute(Rendered(object=kubeyaml.load(row["before"]), text=row["before"]), substitution)

    if "error" in row:
        with pytest.raises(BuildFailed):
            run()
    else:
        assert run() == row["expected"]
