"""What new objects become, and which are refused, held to what a real server stored and said."""

from typing import Any

import pytest

from agent.kube.api import Object
from hub.sandbox.kinds.addresses import allocated
from hub.sandbox.kinds.admission import admitted
from hub.sandbox.kinds.rules import Rules, rules_of
from hub.sandbox.kinds.services import shown
from hub.sandbox.kinds.values import at, copied
from hub.sandbox.refusals import Cause
from tests.hub.sandbox.kinds.recorded import cases, told, with_recorded_lots

_GIVEN_BY_SERVER = ("uid", "creationTimestamp", "namespace")
_UNSTORED: Object = {"metadata": {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}}


def _token_suffix(stored: Any) -> str:
    volumes = at(stored, "spec", "volumes") or ()
    return next((one["name"][-5:] for one in volumes if one["name"].startswith("kube-api-access-")), "abcde")


def _created(rules: Rules, sent: Object, stored: Object) -> tuple[Object, tuple[Cause, ...]]:
    """Return what is made of an object, when a server gives it the name, times and addresses of a stored one."""
    group, kind = sent["apiVersion"].rpartition("/")[0], sent["kind"]
    value = rules.with_defaults(sent)
    value["metadata"] |= {
        key: stored["metadata"][key] for key in _GIVEN_BY_SERVER if key in stored["metadata"]
    }
    value = admitted(group, kind, value, _token_suffix(stored))
    if kind == "Service":
        value, refused = allocated(None, value, ())
        if refused:
            return value, refused
        value = shown(with_recorded_lots(value, stored) if "spec" in stored else value)
    value = rules.for_create(value)
    return value, rules.faults_of(value)


@pytest.mark.parametrize("case", cases("created.jsonl"), ids=lambda case: case["case"])
def test_a_new_object_is_stored_as_by_a_real_server(case: Any) -> None:
    sent, stored = case["sent"], case["stored"]
    before = copied(sent)
    rules = rules_of(sent["apiVersion"].rpartition("/")[0], sent["kind"])

    value, faults = _created(rules, sent, stored)

    assert value == stored
    assert faults == ()
    assert rules.with_defaults(value) == value
    assert sent == before


@pytest.mark.parametrize("case", cases("refused.jsonl"), ids=lambda case: case["case"])
def test_a_new_object_is_refused_in_a_real_servers_words(case: Any) -> None:
    sent = case["sent"]
    rules = rules_of(sent["apiVersion"].rpartition("/")[0], sent["kind"])

    _, faults = _created(rules, sent, _UNSTORED)

    assert told(faults) == [tuple(one) for one in case["causes"]]
