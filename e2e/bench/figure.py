"""One measured figure, and what it is measured against."""

import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value with its unit. `baseline` is the same of whatever it is compared with, in the same unit; None where nothing is comparable."""

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Return how many times the baseline the value is."""
        return self.value / self.baseline if self.baseline else None

    def line(self) -> str:
        """Return the figure as one line of JSON."""
        ratio = self.ratio
        return json.dumps(
            {
                "name": self.name,
                "value": round(self.value, 4),
                "unit": self.unit,
                "baseline": None if self.baseline is None else round(self.baseline, 4),
                "ratio": None if ratio is None else round(ratio, 3),
            }
        )


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share (0 to 1) of the values lies; the nearest one that was measured."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def say(text: str) -> None:
    """Tell a person how far it is; figures alone go to standard output."""
    print(text, file=sys.stderr, flush=True)
