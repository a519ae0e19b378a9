"""What is known of an object's health, in kstatus's words. Pure values."""

from dataclasses import dataclass
from enum import StrEnum


class HealthStatus(StrEnum):
    """kstatus's closed set of states."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One object's state with the sentence that explains it to a person; the reason is a word, empty when Current."""

    status: HealthStatus
    reason: str = ""
    message: str = ""
