"""The expressions and the step of post-build substitution."""

from typing import Any

import pytest

from hub.build import envsubst
from hub.build.errors import BuildFailed
from hub.build.kubeyaml import load
from hub.build.render import Rendered
from hub.build.substitute import Substitution, merge_variables, read_references, substitute
from tests.conformance import support

_OPS = {
    "length": "#", "lower-first": ",", "lower-all": ",,", "upper-first": "^", "upper-all": "^^", "default": ":=",
    "substring": ":", "replace-first": "/", "replace-all": "//", "replace-prefix": "/#", "replace-suffix": "/%",
    "trim-shortest-prefix": "#", "trim-longest-prefix": "##", "trim-shortest-suffix": "%", "trim-longest-suffix": "%%",
}  # fmt: skip


@pytest.mark.parametrize("row", [*support.cases("envsubst/eval.json"), *support.cases("envsubst/extra.json")])
def test_expand(row: dict[str, Any]) -> None:
    if row.get("error"):
        with pytest.raises(
            envsubst.VariableNotSet if row["error"] == "variable-not-set" else envsubst.ExpressionError
        ):
            envsubst.expand(row["input"], row["vars"], strict=row["strict"])
    else:
        assert envsubst.expand(row["input"], row["vars"], strict=row["strict"]) == row["expected"]


@pytest.mark.parametrize("row", support.cases("envsubst/funcs.json"))
def test_operator(row: dict[str, Any]) -> None:
    assert envsubst.apply(_OPS[row["op"]], row["value"], row["args"]) == row["expected"]


@pytest.mark.parametrize("row", support.cases("envsubst/parse.json"))
def test_parse(row: dict[str, Any]) -> None:
    if row.get("error"):
        with pytest.raises(envsubst.ExpressionError):
            envsubst.parse(row["input"])
    else:
        pieces = [_plain(piece) for piece in envsubst.parse(row["input"])]
        assert pieces == row.get("pieces", pieces)


def _plain(piece: envsubst.Piece) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"text": piece}
    return {"var": piece.name, "op": piece.op, "args": [_plain(arg) for arg in piece.args]}


_WORDS = {
    "variable-not-set": "variable not set",
    "invalid-variable-name": "var name is invalid",
    "reference-not-found": "substitute from",
    "bad-expression": "variable substitution failed",
    "invalid-yaml-after-substitution": "YAMLToJSON",
}


@pytest.mark.parametrize("row", support.cases("envsubst/varsub.json"))
def test_substitution(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(BuildFailed) as caught:
            _substituted(row)
        assert _WORDS[row["error"]] in str(caught.value)
    else:
        assert _substituted(row) == row["expected"]


def _substituted(row: dict[str, Any]) -> dict[str, Any]:
    post_build = row["postBuild"]
    stored = {(entry["kind"], entry["name"]): entry["data"] for entry in row["resources"]}
    layers = read_references(
        post_build.get("substituteFrom") or (), lambda kind, name: stored.get((kind, name))
    )
    substitution = Substitution(
        variables=merge_variables([*layers, post_build.get("substitute") or {}]),
        strict=row["strict"],
        always=post_build.get("substituteStrategy") == "Always",
    )
    return substitute(Rendered(text=row["before"], object=load(row["before"])), substitution)
