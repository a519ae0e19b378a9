"""Jobs complete, fail, run out of time, wait and go."""

from typing import Any

from agent.kube.api import Object
from agent.model.health import HealthStatus
from hub.sandbox.life.kinds import JOBS, PODS
from tests.fakes.clock import in_virtual_time
from tests.hub.sandbox.life.living import living, template


def job(image: str = "work:1", *, policy: str = "Never", **spec: Any) -> Object:
    return {"metadata": {"name": "work"}, "spec": {"template": template(image, policy=policy), **spec}}


@in_virtual_time
async def test_a_job_completes() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job())
        assert cluster.health(JOBS, "work").reason == "JobInProgress"
        running = cluster.get(JOBS, "work")["status"]
        assert {key: one for key, one in running.items() if key != "startTime"} == {
            "active": 1,
            "ready": 1,
            "terminating": 0,
            "uncountedTerminatedPods": {},
        }
        await cluster.settle(2)
        status = cluster.get(JOBS, "work")["status"]
        assert cluster.health(JOBS, "work").status is HealthStatus.CURRENT
        assert (status["succeeded"], status["ready"], status["terminating"]) == (1, 0, 0)
        assert "active" not in status
        assert "completionTime" in status
        assert cluster.conditions(JOBS, "work") == {
            "SuccessCriteriaMet": ("True", "CompletionsReached"),
            "Complete": ("True", "CompletionsReached"),
        }
        (pod,) = cluster.all(PODS)
        assert (pod["status"]["phase"], pod["metadata"].get("finalizers")) == ("Succeeded", None)


@in_virtual_time
async def test_a_job_runs_so_many_pods_at_once_until_enough_succeeded() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job(completions=5, parallelism=2))
        assert cluster.get(JOBS, "work")["status"]["active"] == 2
        await cluster.settle(10)
        assert cluster.get(JOBS, "work")["status"]["succeeded"] == 5
        assert len(cluster.all(PODS)) == 5
        assert cluster.health(JOBS, "work").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_job_fails_after_so_many_pods() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job("work:fail", backoffLimit=2), after_s=5)
        assert cluster.health(JOBS, "work").reason == "JobInProgress"
        assert len(cluster.all(PODS)) == 1
        await cluster.settle(6)
        assert len(cluster.all(PODS)) == 2
        await cluster.settle(25)
        assert cluster.health(JOBS, "work").status is HealthStatus.FAILED
        assert cluster.get(JOBS, "work")["status"]["failed"] == 3
        assert cluster.conditions(JOBS, "work") == {
            "FailureTarget": ("True", "BackoffLimitExceeded"),
            "Failed": ("True", "BackoffLimitExceeded"),
        }


@in_virtual_time
async def test_a_job_that_hangs_runs_until_its_time_is_over() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job("work:hang", activeDeadlineSeconds=60), after_s=50)
        assert cluster.health(JOBS, "work").status is HealthStatus.IN_PROGRESS
        await cluster.settle(45)
        assert cluster.health(JOBS, "work").status is HealthStatus.FAILED
        assert cluster.conditions(JOBS, "work")["Failed"] == ("True", "DeadlineExceeded")
        assert cluster.all(PODS) == []


@in_virtual_time
async def test_restarts_within_a_pod_count_as_failures() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job("work:crash", policy="OnFailure", backoffLimit=2), after_s=15)
        assert cluster.health(JOBS, "work").status is HealthStatus.IN_PROGRESS
        await cluster.settle(20)
        assert cluster.health(JOBS, "work").status is HealthStatus.FAILED


@in_virtual_time
async def test_a_bad_image_leaves_a_job_running() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job("work:bad"), after_s=1000)
        assert cluster.health(JOBS, "work").status is HealthStatus.IN_PROGRESS


@in_virtual_time
async def test_a_job_that_ended_goes_when_its_time_is_over() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job(ttlSecondsAfterFinished=30), after_s=20)
        assert cluster.health(JOBS, "work").status is HealthStatus.CURRENT
        await cluster.settle(15)
        assert cluster.all(JOBS) == cluster.all(PODS) == []


@in_virtual_time
async def test_a_job_that_is_suspended_has_no_pods_until_it_goes_on() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job(suspend=True, activeDeadlineSeconds=5), after_s=10)
        assert cluster.all(PODS) == []
        assert cluster.conditions(JOBS, "work") == {"Suspended": ("True", "JobSuspended")}
        assert cluster.health(JOBS, "work").message == "Job is suspended"
        await cluster.change(JOBS, "work", {"spec": {"suspend": False}}, after_s=5)
        assert cluster.health(JOBS, "work").status is HealthStatus.CURRENT
        assert cluster.conditions(JOBS, "work")["Suspended"] == ("False", "JobResumed")


@in_virtual_time
async def test_a_job_that_runs_is_deleted_with_its_pods() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job("work:hang"))
        await cluster.delete(JOBS, "work", propagation="Background", after_s=40)
        assert cluster.all(JOBS) == cluster.all(PODS) == []


@in_virtual_time
async def test_pods_of_a_job_are_left_when_it_goes_alone() -> None:
    async with living() as cluster:
        await cluster.create(JOBS, job(), after_s=5)
        await cluster.delete(JOBS, "work", propagation="Orphan")
        (pod,) = cluster.all(PODS)
        assert "ownerReferences" not in pod["metadata"]
