"""Rules of health that hold for every kind, and the ones in which the controllers differ from kstatus."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.health.assess import assess, compute
from agent.model.health import HealthStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_object(api_version: str, kind: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "generation": 2}, **parts}


def test_what_is_being_deleted_is_terminating_whatever_its_kind() -> None:
    secret = an_object("v1", "Secret")
    secret["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert assess(secret, NOW).status is HealthStatus.TERMINATING


def test_an_older_generation_is_no_verdict() -> None:
    health = assess(an_object("example.com/v1", "Thing", status={"observedGeneration": 1}), NOW)
    assert (health.status, health.reason) == (HealthStatus.IN_PROGRESS, "LatestGenerationNotObserved")


def test_a_custom_resource_that_stalls_has_failed() -> None:
    stalled = {"type": "Stalled", "status": "True", "reason": "BadSpec", "message": "no such size"}
    health = assess(an_object("example.com/v1", "Thing", status={"conditions": [stalled]}), NOW)
    assert (health.status, health.reason, health.message) == (HealthStatus.FAILED, "BadSpec", "no such size")


def test_a_running_job_is_current_to_kstatus_and_in_progress_to_the_controllers() -> None:
    job = an_object("batch/v1", "Job", status={"startTime": "2026-01-01T00:00:00Z", "active": 1})
    assert compute(job, NOW).status is HealthStatus.CURRENT
    assert assess(job, NOW).status is HealthStatus.IN_PROGRESS


def test_a_suspended_job_waits_to_kstatus_and_is_current_to_the_controllers() -> None:
    job = an_object("batch/v1", "Job", spec={"suspend": True})
    assert compute(job, NOW).status is HealthStatus.IN_PROGRESS
    assert assess(job, NOW).status is HealthStatus.CURRENT


def test_a_deployment_waits_for_old_pods_to_go() -> None:
    status = {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
    health = assess(an_object("apps/v1", "Deployment", spec={"replicas": 2}, status=status), NOW)
    assert (health.reason, health.message) == ("ExtraPods", "Pending termination: 1")


def test_a_deployment_past_its_deadline_has_failed() -> None:
    progressing = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    health = assess(an_object("apps/v1", "Deployment", status={"conditions": [progressing]}), NOW)
    assert health.status is HealthStatus.FAILED


def test_a_partitioned_stateful_set_is_current_when_its_part_is_updated() -> None:
    spec = {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}
    status = {
        "replicas": 3,
        "readyReplicas": 3,
        "updatedReplicas": 1,
        "currentRevision": "a",
        "updateRevision": "b",
    }
    assert (
        assess(an_object("apps/v1", "StatefulSet", spec=spec, status=status), NOW).status
        is HealthStatus.CURRENT
    )


@pytest.mark.parametrize("status", [None, [], {"conditions": "none"}, {"conditions": [1]}, {"replicas": "3"}])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_a_malformed_status_reads_as_not_there(kind: str, status: Any) -> None:
    assert assess(an_object("apps/v1", kind, status=status), NOW).status is HealthStatus.IN_PROGRESS
