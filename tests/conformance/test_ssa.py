"""Rules around server-side apply that need no API server."""

from typing import Any

import pytest

from agent.apply.drift import changed_fields, without_repeated_metrics
from agent.apply.order import order_key
from agent.apply.policy import IF_NOT_PRESENT, is_skipped, says
from agent.apply.refusal import is_immutable
from agent.apply.stages import parse_kinds
from agent.kube.errors import ServerFailed
from agent.model.inventory import format_id, parse_id
from agent.model.jobs import has_time_to_live, is_job
from agent.model.names import ObjectRef, group_of
from hub.build.kubeyaml import documents
from hub.build.normalize import normalize, without_broken_bundle
from hub.build.objects import Marks, finish
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


@pytest.mark.parametrize("row", support.cases("ssa/skip_rules.json"))
def test_marks_decide_who_is_skipped(row: dict[str, Any]) -> None:
    rules = tuple(row["selector"].items())
    desired = {"metadata": row["desired"]}
    live = None if row["live"] is None else {"metadata": row["live"]}
    if row["kind"] == "exclude":
        assert (says(desired, rules) or says(live, rules)) is row["expected"]
    else:
        assert rules == IF_NOT_PRESENT
        assert is_skipped(desired, live) is row["expected"]


@pytest.mark.parametrize("row", support.cases("ssa/normalize.json"))
def test_objects_are_written_as_they_are_applied(row: dict[str, Any]) -> None:
    change = {"normalize": normalize, "dry-run": without_repeated_metrics}[row["op"]]
    assert without_zero_values(change(row["object"])) == without_zero_values(row["expected"])


def without_zero_values(value: Any) -> Any:
    """Drop what a typed round trip adds; rows say so themselves."""
    if isinstance(value, dict):
        parts = {key: without_zero_values(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part not in (None, "", {}, 0)}
    return [without_zero_values(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("row", support.cases("ssa/objmetadata.json"))
def test_inventory_ids_are_read_written_and_compared(row: dict[str, Any]) -> None:
    if row.get("error"):
        with pytest.raises(ValueError):
            parse_id(row["input"])
        return
    match row["op"]:
        case "parse":
            assert parse_id(row["input"]) == ObjectRef(**row["expected"])
        case "format":
            assert format_id(ObjectRef(**row["input"])) == row["expected"]
        case op:
            a, b = ({parse_id(id_) for id_ in row[side]} for side in ("a", "b"))
            got = {"equal": a == b, "union": a | b, "difference": a - b}[op]
            assert got == row["expected"] if op == "equal" else ids(got) == sorted(row["expected"])


def ids(refs: Any) -> list[str]:
    return sorted(map(format_id, refs))


@pytest.mark.parametrize("row", support.cases("ssa/utils.json"))
def test_small_rules_of_the_apply(row: dict[str, Any]) -> None:
    match row["op"]:
        case "read-objects":
            got: Any = len(finish(documents(row["input"]), Marks(name="a", namespace="b")))
        case "remove-invalid-ca-bundle":
            got = without_broken_bundle(row["object"])
        case "metadata-drift":
            got = bool(changed_fields({"metadata": row["live"]}, {"metadata": row["dry_run"]}))
        case "is-immutable-error":
            got = is_immutable(ServerFailed(row["message"], status=500, reason="InternalError"))
        case "parse-group-kinds":
            got = [{"group": group, "kind": kind} for group, kind in parse_kinds(row["input"])]
        case "is-job":
            got = is_job(row["object"])
        case "jobs-with-ttl":
            metadata = [one["metadata"] for one in row["objects"] if has_time_to_live(one)]
            got = [f"{one['namespace']}/{one['name']}" for one in metadata]
        case op:
            raise AssertionError(f"no rule for {op}")
    assert got == row["expected"]
