"""Label and field selectors, and the words for what is none; the words are a real server's."""

import pytest

from agent.kube.api import Object
from hub.sandbox.refusals import Refused
from hub.sandbox.selectors import by_fields, by_labels


def labelled(**labels: str) -> Object:
    return {"metadata": {"name": "a", "namespace": "apps", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {"b": ""}, False),
        ("!a", {"b": ""}, True),
        ("!a", {"a": ""}, False),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "2"}, False),
        ("a!=1", {}, True),
        ("a=", {"a": ""}, True),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in (1, 2)", {}, False),
        ("a notin (1,2)", {}, True),
        ("a in (,1)", {"a": ""}, True),
        ("a>3", {"a": "10"}, True),
        ("a>3", {"a": "x"}, False),
        ("a<3", {"a": "2"}, True),
        ("a=1,b", {"a": "1", "b": "x"}, True),
        ("a=1,b", {"a": "1"}, False),
        ("example.com/a=1", {"example.com/a": "1"}, True),
    ],
)
def test_a_label_selector_chooses(selector: str, labels: dict[str, str], expected: bool) -> None:
    assert by_labels(selector)(labelled(**labels)) is expected


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a==b==c", "found '==', expected: ',' or 'end of string'"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
    ],
)
def test_what_is_no_label_selector_is_refused(selector: str, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        by_labels(selector)
    assert (refusal.value.code, refusal.value.message) == (400, message)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("metadata.name==a,metadata.namespace=apps", True),
        ("status.phase=Running", True),
        ("spec.hostNetwork=false", False),
    ],
)
def test_a_field_selector_chooses(selector: str, expected: bool) -> None:
    pod = labelled() | {"status": {"phase": "Running"}, "spec": {"hostNetwork": True}}
    assert by_fields(selector, "", "Pod")(pod) is expected


def test_a_field_that_no_selector_knows_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        by_fields("data.x=a", "", "ConfigMap")
    assert refusal.value.message == (
        '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
