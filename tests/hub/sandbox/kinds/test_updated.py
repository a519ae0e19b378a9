"""What an update or a write of a subresource makes of an object, or why not, held to what a real server stored and said."""

from collections.abc import Iterator
from typing import Any

import pytest

from hub.sandbox.kinds.addresses import allocated
from hub.sandbox.kinds.rules import rules_of
from hub.sandbox.kinds.services import shown
from hub.sandbox.kinds.values import copied
from tests.hub.sandbox.kinds.recorded import cases, merged, told, with_recorded_lots


def _cases() -> Iterator[Any]:
    """Yield the cases, each with the object before, which the recording names where it is a new one."""
    before: Any = None
    for case in cases("updated.jsonl"):
        before = case.get("before", before)
        yield {**case, "before": before}


@pytest.mark.parametrize("case", list(_cases()), ids=lambda case: case["case"])
def test_an_object_is_changed_as_by_a_real_server(case: Any) -> None:
    before, subresource = case["before"], case["at"]
    sent = case.get("sent") or merged(before, case["patch"])
    untouched = copied((before, sent))
    rules = rules_of(before["apiVersion"].rpartition("/")[0], before["kind"])

    value = rules.with_defaults(sent)
    for key in ("resourceVersion", "namespace"):
        if key in before["metadata"] and not (key == "resourceVersion" and rules.needs_version):
            value["metadata"].setdefault(key, before["metadata"][key])
    if subresource:
        value = rules.for_subresource(subresource, before, value)
    else:
        value = rules.for_update(before, value)
    faults = rules.faults_of_update(before, value, subresource)
    if before["kind"] == "Service" and not subresource and not faults:
        stored = {**before, **case.get("changed", {})}
        value, faults = allocated(before, value, [before])
        value = shown(with_recorded_lots(value, stored))

    # Where the real server shows the difference of two Go values, only what it says before is compared.
    assert told(faults) == [tuple(one) for one in case.get("causes", ())]
    if "causes" not in case:
        expected = {**before, **case["changed"]}
        assert value == {key: one for key, one in expected.items() if key not in case.get("gone", ())}
    assert (before, sent) == tuple(untouched)
