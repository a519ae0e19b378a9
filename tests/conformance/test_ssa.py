"""Rules around server-side apply that need no API server."""

from typing import Any

import pytest

from agent.apply.order import order_key
from agent.model.inventory import format_id
from agent.model.names import ObjectRef, group_of
from tests.conformance import support


def ref_of(value: dict[str, Any]) -> ObjectRef:
    metadata = value["metadata"]
    return ObjectRef(
        group=group_of(value["apiVersion"]),
        kind=value["kind"],
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
    )


@pytest.mark.parametrize("row", support.cases("ssa/sort.json"))
def test_objects_are_applied_in_this_order(row: dict[str, Any]) -> None:
    refs = sorted(map(ref_of, row["objects"]), key=order_key)
    assert [format_id(ref) for ref in refs] == row["expected"]
