from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.build.errors import BuildFailed
from hub.build.kubeyaml import load
from hub.build.render import Rendered
from hub.build.substitute import Substitution, merge_variables, read_references, referenced, substitute


def rendered(data: str, **metadata: Any) -> Rendered:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "demo", **metadata}}
    text = f"apiVersion: v1\ndata:\n  a: {data}\nkind: ConfigMap\nmetadata:\n  name: demo\n"
    return Rendered(text=text, object={**head, "data": {"a": load(data)}})


def substituted(data: str, **variables: str) -> Any:
    return substitute(rendered(data), Substitution(variables=variables))["data"]["a"]


def test_a_value_gets_the_type_that_the_text_says() -> None:
    assert substituted("${P}", P="8080") == 8080
    assert substituted("${q}${P}${q}", P="8080", q='"') == "8080"


def test_a_value_that_is_no_text_is_refused_where_it_is_used_and_not_shown() -> None:
    binary = b"\xffcanary".decode("utf-8", "surrogateescape")
    assert substituted("${P}", P="1", KEY=binary) == 1
    with pytest.raises(BuildFailed, match='value of "KEY" is binary, not UTF-8 text') as refused:
        substituted("${KEY}", KEY=binary)
    assert "canary" not in str(refused.value)


def test_without_variables_nothing_is_touched() -> None:
    value = rendered("$$ ${HOME} ${not-a-name}")
    assert substitute(value, Substitution(variables={})) is value.object


def test_always_runs_without_variables() -> None:
    assert substitute(rendered("$$ ${x:=1}"), Substitution(variables={}, always=True))["data"]["a"] == "$ 1"


def test_a_resource_opts_out_by_label_or_annotation() -> None:
    mark = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    for where in ("labels", "annotations"):
        value = rendered("${x}", **{where: mark})
        assert substitute(value, Substitution(variables={"x": "1"})) is value.object
        assert referenced(value) == frozenset()


def test_later_layers_win_and_line_breaks_go() -> None:
    assert merge_variables([{"a": "1", "b": "x\ny\n"}, {"a": "2"}]) == {"a": "2", "b": "xy"}


def test_references_are_read_in_order_and_optional_ones_may_be_absent() -> None:
    stored = {("ConfigMap", "one"): {"a": "1"}, ("Secret", "two"): {"a": "2"}}
    references: list[dict[str, Any]] = [
        {"kind": "Secret", "name": "two"},
        {"kind": "ConfigMap", "name": "gone", "optional": True},
        {"kind": "ConfigMap", "name": "one"},
    ]
    assert read_references(references, lambda kind, name: stored.get((kind, name))) == [
        {"a": "2"},
        {"a": "1"},
    ]


def test_a_required_reference_that_is_absent_is_named() -> None:
    with pytest.raises(
        BuildFailed, match="substitute from 'ConfigMap/gone' error: configmaps \"gone\" not found"
    ):
        read_references([{"kind": "ConfigMap", "name": "gone"}], lambda kind, name: None)


@pytest.mark.parametrize(
    ("data", "variables", "message"),
    [
        ("${y}", {"x": "1"}, 'variable substitution failed: variable not set (strict mode): "y"'),
        ("${a.b}", {"x": "1"}, "variable substitution failed: missing closing brace"),
        (
            "plain",
            {"a.b": "1"},
            "'a.b' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'",
        ),
        ("plain", {"a\n": "1"}, "'a\n' var name is invalid"),
    ],
)
def test_failures_are_worded_as_flux_words_them(data: str, variables: dict[str, str], message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        substitute(rendered(data), Substitution(variables=variables))
    assert str(caught.value).startswith(
        f"post build failed for 'ConfigMap.v1.[noGrp]/demo': envsubst error: {message}"
    )


@pytest.mark.parametrize(
    "value", ["s3cret: [", '"s3cret', "@s3cret", "*s3cret", "&s3cret &s3cret", "!!int s3cret", "s3cret: a: b"]
)
def test_a_value_that_breaks_the_yaml_is_in_no_message(value: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        substitute(rendered("${x}"), Substitution(variables={"x": value}))
    assert "s3cret" not in str(caught.value)


def test_half_a_character_is_no_yaml() -> None:
    with pytest.raises(BuildFailed, match="UTF-8"):
        substituted("${x:1}", x="é")


def test_referenced_variables_decide_the_result() -> None:
    value = rendered("${a:=${b}} $$c ${d#x}")
    assert referenced(value) == {"a", "b", "d"}


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.from_regex(r"[a-z]{0,3}", fullmatch=True)
    )
)
def test_other_variables_do_not_matter(variables: dict[str, str]) -> None:
    value = rendered("x-${a:=1}-${b:=2}")
    used = {name: text for name, text in variables.items() if name in referenced(value)}
    one = substitute(value, Substitution(variables={"zz": "", **variables}))
    assert one == substitute(value, Substitution(variables={"zz": "", **used}))
