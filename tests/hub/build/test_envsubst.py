import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.build import envsubst
from hub.build.envsubst import ExpressionError, TooCostly, VariableNotSet, expand, names, parse

VARIABLES = {
    "a": "hello", "E": "", "n": "42", "neg": "-3", "s": "a.b.c", "sl": "foo/bar", "P": "/usr/lib/file.tar.gz",
    "U": "ABC", "uml": "äöü", "szlig": "ß", "star": "a*b",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$a $$a $$$${a} 5$", "$a $a $${a} 5$"),
        ("${missing:=a$$b}", "a$$b"),
        ("${a:={x}}", "hello}"),
        ("${a#*}", "ello"),
        ("${a##*}", ""),
        ("${a#h*l}", "lo"),
        ("${a##h*l}", "o"),
        ("${a%l*}", "hel"),
        ("${a%%l*}", "he"),
        ("${P##*/f*.}", "gz"),
        ("${a#[^x]}", "ello"),
        ("${a#[}", "hello"),
        ("${a#[h-}", "hello"),
        ("${a#[z-a]}", "hello"),
        ("${a#[^z-a]}", "ello"),
        ("${star#a\\*}", "b"),
        ("${a#hel\\}", "hello"),
        ("${#uml}", "6"),
        ("${uml:2:2}", "ö"),
        ("${uml^}", "Äöü"),
        ("${szlig^^}", "ß"),
        ("${a,^}", "hello"),
        ("${a/l//x}", "hexlo"),
        ("${a/l/$$}", "he$lo"),
        ("${a//${E}/-}", "-h-e-l-l-o-"),
        ("${a:99999999999999999999}", "hello"),
        ("${a:1:${n}}", "ello"),
    ],
)
def test_expressions_have_the_value_of_the_reference(text: str, result: str) -> None:
    assert expand(text, VARIABLES, strict=True) == result


@pytest.mark.parametrize(
    "text", ["${a:1:-1}", "${a:é}", "${a##}", "${a:${n}x}", "${a/x${n}/y}", "${a//}", "${"]
)
def test_what_the_reference_cannot_read_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        expand(text, VARIABLES, strict=False)


def test_a_missing_variable_in_an_unneeded_default_is_an_error() -> None:
    with pytest.raises(VariableNotSet, match='"missing"'):
        expand("${a:=${missing}}", VARIABLES, strict=True)


def test_names_include_nested_ones() -> None:
    assert set(names(parse("x ${a:=${b}-${c#${d}}} $$e ${#f}"))) == {"a", "b", "c", "d", "f"}


@given(st.text(alphabet=st.characters(exclude_characters="$")), st.booleans())
def test_text_without_a_dollar_stays(text: str, strict: bool) -> None:
    assert expand(text, VARIABLES, strict=strict) == text


@given(st.text())
def test_doubling_every_dollar_protects_any_text(text: str) -> None:
    assert expand(text.replace("$", "$$"), VARIABLES, strict=True) == text


@given(st.text(alphabet="a${}:=-/#%\\*?[]^,1 "))
def test_any_text_gives_a_result_or_an_expression_error(text: str) -> None:
    try:
        result = expand(text, VARIABLES, strict=False)
    except ExpressionError:
        return
    assert isinstance(result, str)


@given(st.text(), st.text())
def test_values_are_not_read_as_expressions(before: str, value: str) -> None:
    text = before.replace("$", "")
    assert expand(text + "${v}", {"v": value}, strict=True) == text + value


@given(st.text(min_size=1), st.text(alphabet="ab*?"))
def test_the_shortest_match_is_never_longer_than_the_longest(value: str, pattern: str) -> None:
    short, long = (expand(f"${{v{op}${{p}}}}", {"v": value, "p": pattern}, strict=True) for op in ("#", "##"))
    assert value.endswith(short)
    assert short.endswith(long)


@pytest.mark.parametrize(
    "text",
    [
        "${a:=" * 50_000 + "}" * 50_000,
        "${v//a/${v}}",
        "${v//a/${v//a/${v}}}",
        "${v##" + "*a?b" * 20_000 + "}",
        "${v}" * 100_000,
        ("${v##*" + "a" * 200 + "b*}") * 10_000,
    ],
    ids=["nesting", "replacement", "nested replacement", "pattern", "repetition", "many patterns"],
)
def test_hostile_texts_are_refused_quickly(text: str) -> None:
    started = time.process_time()
    with pytest.raises(TooCostly):
        expand(text, {"v": "a" * 20_000}, strict=False)
    assert time.process_time() - started < 5


def test_large_texts_are_read_in_linear_time() -> None:
    text = "plain $ text ${a} $$ ${missing:=$x$y$z} \n" * 20_000
    started = time.process_time()
    assert len(expand(text, VARIABLES, strict=True)) == 20_000 * len("plain $ text hello $ $x$y$z \n")
    assert len(envsubst.parse("${a:=" + "$" * 1_000_000 + "}")) == 1
    assert time.process_time() - started < 5
