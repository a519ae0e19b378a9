"""Flux's condition bookkeeping: merging conditions into one, and what a reconcile leaves behind."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.model import outcome, summary
from hub.model.conditions import Condition, Conditions, ConditionStatus
from hub.model.durations import Duration
from hub.model.outcome import Requeue, SummaryRule
from hub.model.summary import MergeOptions, Origin
from tests.conformance import support

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


def condition(row: dict[str, Any]) -> Condition:
    return Condition(
        type=row["type"],
        status=ConditionStatus(row["status"]),
        reason=row["reason"],
        message=row["message"],
        observed_generation=row.get("observedGeneration", 0),
    )


def conditions(rows: list[dict[str, Any]], generation: int = 0) -> Conditions:
    return Conditions(generation=generation, items=tuple(condition(row) for row in rows))


def shown(found: Condition | None) -> dict[str, str] | None:
    if found is None:
        return None
    return {
        "type": found.type,
        "status": str(found.status),
        "reason": found.reason,
        "message": found.message,
    }


def by_type(found: Conditions) -> dict[str, Any]:
    return {item.type: shown(item) for item in found.items}


def merge_options(row: dict[str, Any]) -> MergeOptions:
    options = row.get("options", {})
    only = options.get("only")
    only_if = options.get("step_counter_only_if")
    return MergeOptions(
        only=None if only is None else tuple(only),
        negative=frozenset(row.get("negative_polarity", options.get("negative_polarity", []))),
        latest_generation=row.get("latest_generation", False),
        step_counter=options.get("step_counter", False),
        step_counter_only_if=None if only_if is None else tuple(only_if),
        source_ref_if=tuple(options.get("source_ref_if", [])),
    )


@pytest.mark.parametrize("row", support.cases("conditions/merge.json"))
def test_conditions_become_one(row: dict[str, Any]) -> None:
    options = merge_options(row)
    match row["op"]:
        case "merge":
            found = summary.merge([condition(one) for one in row["conditions"]], row["target"], options)
        case "summary":
            found = summary.summary(conditions(row["conditions"]), row["target"], options)
        case "aggregate":
            origins = [Origin(kind="", name="", conditions=conditions(one)) for one in row["objects"]]
            found = summary.aggregate(origins, row["target"], options)
        case "mirror":
            found = summary.mirror(conditions(row["conditions"]), row["target"])
        case unknown:
            pytest.fail(f"unknown op {unknown}")
    assert shown(found) == row["expected"]


def requeue(row: dict[str, Any]) -> Requeue:
    after = row.get("requeueAfter")
    return Requeue(now=row.get("requeue", False), after=None if after is None else Duration.parse(after))


def summaries(row: dict[str, Any]) -> tuple[SummaryRule, ...]:
    rule = row.get("summarize")
    if rule is None:
        return ()
    negative = frozenset(rule["negative_polarity"])
    return (SummaryRule(target=rule["target"], types=tuple(rule["summarize"]), negative=negative),)


@pytest.mark.parametrize("row", support.cases("conditions/result.json"))
def test_a_reconcile_leaves_these_conditions(row: dict[str, Any]) -> None:
    expected = row["expected"]
    match row["op"]:
        case "finalize":
            settled = outcome.settle(
                conditions(row["conditions"], row["generation"]),
                requeue(row["result"]),
                row["error_in"],
                success=requeue(row["success_result"]),
                success_message=row["success_message"],
                summaries=summaries(row),
                now=NOW,
            )
            assert by_type(settled.conditions) == {one["type"]: one for one in expected["conditions"]}
            assert (settled.error is not None) == expected["returns_error"]
        case "progressive":
            marked = outcome.mark_progress(
                conditions(row["conditions"]), row["reason"], row["message"], drift=row["drift"], now=NOW
            )
            assert by_type(marked) == {one["type"]: one for one in expected["conditions"]}
        case "patch-options":
            advances = outcome.advances_observed_generation(conditions(row["conditions"]))
            assert advances == expected["include_observed_generation"]
        case "success-type":
            kind = "no-requeue" if requeue(row["success_result"]).is_never else "with-requeue"
            assert kind == expected
        case unknown:
            pytest.fail(f"unknown op {unknown}")
