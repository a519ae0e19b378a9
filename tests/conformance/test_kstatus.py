"""Health of objects against kstatus's own tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.health.assess import assess, compute
from agent.model.health import Health, HealthStatus
from tests.conformance import support

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONDITION = {HealthStatus.IN_PROGRESS: "Reconciling", HealthStatus.FAILED: "Stalled"}


def conditions(health: Health) -> list[tuple[str, str]]:
    return [(CONDITION[health.status], health.reason)] if health.status in CONDITION else []


@pytest.mark.parametrize("row", support.cases("kstatus/compute.json"))
def test_an_object_has_its_health(row: dict[str, Any]) -> None:
    now = datetime.fromisoformat(row["now"]) if "now" in row else NOW
    health = compute(row["object"], now)
    assert health.status == row["expected"]
    assert conditions(health) == [(wanted["type"], wanted["reason"]) for wanted in row["conditions"]]
    assert not {kind for kind, _ in conditions(health)} & set(row["absent_conditions"])


@pytest.mark.parametrize("row", support.cases("kstatus/job.json"))
def test_a_job_is_current_when_it_is_finished(row: dict[str, Any]) -> None:
    health = assess(row["object"], NOW)
    assert health.status == row["expected"]
    assert row.get("message", health.message) == health.message
    assert row.get("message_contains", "") in health.message
    if "conditions" in row:
        assert conditions(health) == [(wanted["type"], wanted["reason"]) for wanted in row["conditions"]]
