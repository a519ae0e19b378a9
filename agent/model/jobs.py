"""What is peculiar to Jobs: they end, and those with a time to live are removed by the cluster some time after. Pure."""

from collections.abc import Mapping
from typing import Any

from agent.model.names import group_of

JOB = ("batch", "Job")
Object = Mapping[str, Any]


def is_job(value: Object) -> bool:
    """Tell whether an object is a Job, in any version."""
    return (group_of(str(value.get("apiVersion", ""))), value.get("kind")) == JOB


def has_time_to_live(value: Object) -> bool:
    """Tell whether an object is a Job that the cluster removes once it has ended; at once counts, too."""
    return is_job(value) and (value.get("spec") or {}).get("ttlSecondsAfterFinished") is not None


def has_ended(value: Object) -> bool:
    """Tell whether a Job has come to its end, well or not."""
    conditions = (value.get("status") or {}).get("conditions") or ()
    return any(
        one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions
    )
