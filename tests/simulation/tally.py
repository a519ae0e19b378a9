"""What a simulated world went through: its steps and what was done to it, and the line that a failing one is read from."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """One event of a world that the seed chose."""

    WISH = "wishes"
    DISTURBANCE = "disturbances"
    MESSAGE = "messages"
    REQUEST = "requests"


@dataclass
class Tally:
    """Counts of one world. Steps are counted while the seed rules, not in the calm that follows."""

    steps: Counter[Step] = field(default_factory=Counter)
    kills: int = 0
    drops: int = 0
    deletions: int = 0
    trace: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.steps.total()

    def figures(self) -> dict[str, int]:
        """Return what is told of a run."""
        return {
            "steps": self.total,
            **{str(step): self.steps[step] for step in Step},
            "kills": self.kills,
            "drops": self.drops,
            "deletions": self.deletions,
        }
