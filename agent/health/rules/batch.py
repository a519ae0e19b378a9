"""Health of Jobs and CronJobs: kstatus's rule for Jobs, and Flux's stricter one."""

from datetime import datetime

from agent.health.reading import Object, Rule, current, failed, field, holds, in_progress, number
from agent.model.health import Health
from agent.model.jobs import JOB


def assess_job(value: Object, now: datetime) -> Health:
    """Judge a Job by kstatus: one that runs is current; a suspended one is judged like any other."""
    return _assess_end(value) or _assess_start(value) or current("Job in progress. " + _counts(value))


def assess_finished(value: Object) -> Health:
    """Judge a Job as Flux does: current only when it completed or is suspended."""
    if field(value, "spec.suspend") is True:
        return current("Job is suspended")
    running = in_progress("JobInProgress", "Job in progress. " + _counts(value))
    return _assess_end(value) or _assess_start(value) or running


def assess_cron_job(value: Object, now: datetime) -> Health:
    """Judge a CronJob: current as soon as it exists."""
    return current("Resource is always ready")


def _assess_end(value: Object) -> Health | None:
    if holds(value, "Complete"):
        return current(f"Job Completed. succeeded: {number(value, 'status.succeeded')}")
    if holds(value, "Failed"):
        return failed("JobFailed", f"Job Failed. failed: {number(value, 'status.failed')}")
    return None


def _assess_start(value: Object) -> Health | None:
    if field(value, "status.startTime") is not None:
        return None
    active, wanted = number(value, "status.active"), number(value, "spec.parallelism", 1)
    return in_progress("JobNotStarted", f"Job not started. active: {active}/{wanted}")


def _counts(value: Object) -> str:
    success, active = number(value, "status.succeeded"), number(value, "status.active")
    return f"success:{success}, active: {active}, failed: {number(value, 'status.failed')}"


RULES: dict[tuple[str, str], Rule] = {JOB: assess_job, ("batch", "CronJob"): assess_cron_job}
