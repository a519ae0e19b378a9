"""A trace context from outside is read strictly, and passed on untouched by whoever records nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kit.tracing import NO_TRACE, NoTracer, Step, Traceparent, read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param(GOOD, GOOD, id="sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00", id="not-sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-ff", GOOD, id="unknown-flags"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01", GOOD, id="later-version"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-what-comes-then", GOOD, id="later-version-with-more"),
        pytest.param(f"{GOOD}-more", "", id="more-than-this-version-has"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01more", "", id="later-version-without-a-dash"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", "", id="version-ff"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", "", id="no-trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", "", id="no-span"),
        pytest.param(GOOD.upper(), "", id="upper-case"),
        pytest.param(f" {GOOD}", "", id="space-before"),
        pytest.param(f"{GOOD}\n", "", id="line-end"),
        pytest.param(f"00-{TRACE}-{SPAN}", "", id="no-flags"),
        pytest.param(f"00-{TRACE[:-1]}-{SPAN}-01", "", id="short-trace"),
        pytest.param("cc" + GOOD[2:] + "-" + "x" * 1000, "", id="endless"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="absent"),
        pytest.param(7, "", id="no-text"),
    ],
)
def test_a_context_is_read_as_the_standard_says(text: object, read: str) -> None:
    assert read_traceparent(text) == read


@given(st.text())
def test_whatever_is_read_is_read_the_same_again(text: str) -> None:
    once = read_traceparent(text)
    assert read_traceparent(once) == once


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_every_context_of_this_version_stays_as_it_is(trace: int, span: int, is_sampled: bool) -> None:
    text = f"00-{trace:032x}-{span:016x}-{is_sampled:02x}"
    assert read_traceparent(text) == text


@pytest.mark.parametrize("parent", [NO_TRACE, Traceparent(GOOD)])
def test_who_records_nothing_passes_the_context_on(parent: Traceparent) -> None:
    span = NoTracer().span(Step.APPLY, parent)
    span.end(problem="Broken")
    assert span.traceparent == parent
