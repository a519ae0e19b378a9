from datetime import UTC, datetime, timedelta

from hub.model.conditions import (
    MAX_MESSAGE,
    READY,
    RECONCILING,
    STALLED,
    Condition,
    Conditions,
    ConditionStatus,
)
from hub.model.outcome import mark_retry

EARLY = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
LATE = EARLY + timedelta(minutes=5)


def ready(generation: int = 1, message: str = "fine") -> Conditions:
    return Conditions(generation=generation).mark_true(READY, "Succeeded", message, now=EARLY)


def only(conditions: Conditions) -> Condition:
    (found,) = conditions.items
    return found


def test_the_time_stays_while_nothing_changes() -> None:
    again = ready().mark_true(READY, "Succeeded", "fine", now=LATE)
    assert only(again).last_transition_time == "2026-01-31T09:00:00Z"


def test_the_time_moves_when_only_the_message_changes() -> None:
    again = ready().mark_true(READY, "Succeeded", "still fine", now=LATE)
    assert only(again).last_transition_time == "2026-01-31T09:05:00Z"


def test_the_generation_is_refreshed_without_moving_the_time() -> None:
    newer = Conditions(generation=2, items=ready().items)
    again = newer.mark_true(READY, "Succeeded", "fine", now=LATE)
    assert only(again).observed_generation == 2
    assert only(again).last_transition_time == "2026-01-31T09:00:00Z"


def test_a_new_condition_keeps_a_time_that_it_brings() -> None:
    brought = Condition(
        type=READY,
        status=ConditionStatus.TRUE,
        reason="Succeeded",
        message="",
        last_transition_time="2020-01-01T00:00:00Z",
    )
    assert only(Conditions().set(brought, now=LATE)).last_transition_time == "2020-01-01T00:00:00Z"


def test_setting_nothing_changes_nothing() -> None:
    assert ready().set(None, now=LATE) == ready()


def test_a_message_that_is_too_long_is_cut_to_the_limit() -> None:
    message = only(ready(message="ä" * (MAX_MESSAGE + 1))).message
    assert len(message) == MAX_MESSAGE
    assert message.endswith("ä...")
    assert only(ready(message="x" * MAX_MESSAGE)).message == "x" * MAX_MESSAGE


def test_the_kstatus_types_come_first_then_newer_generations_then_the_alphabet() -> None:
    found = Conditions(generation=1)
    for type_ in ("Zoo", "Apple", READY):
        found = found.mark_true(type_, "R", "", now=EARLY)
    found = Conditions(generation=2, items=found.items)
    for type_ in ("Moon", RECONCILING, STALLED):
        found = found.mark_true(type_, "R", "", now=EARLY)
    assert [item.type for item in found.items] == [STALLED, RECONCILING, READY, "Moon", "Apple", "Zoo"]


def test_reconciling_and_stalled_exclude_each_other() -> None:
    working = Conditions().mark_reconciling("Progressing", "", now=EARLY)
    stuck = working.mark_stalled("URLInvalid", "", now=EARLY)
    assert [item.type for item in stuck.items] == [STALLED]
    assert [item.type for item in stuck.mark_reconciling("Progressing", "", now=EARLY).items] == [RECONCILING]


def test_a_retry_is_told_where_work_is_told() -> None:
    assert mark_retry(ready(), now=LATE) == ready()
    working = Conditions().mark_reconciling("Progressing", "building", now=EARLY)
    retried = only(mark_retry(working, now=LATE))
    assert (retried.reason, retried.message) == ("ProgressingWithRetry", "building")


def test_what_is_written_has_every_required_field() -> None:
    assert ready(message="").raw() == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-31T09:00:00Z",
        }
    ]
