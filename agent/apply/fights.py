"""Who takes back what was corrected: when one manager does so three times in five minutes, correcting goes on at the interval only. Pure.

State: for each object and field the times at which a manager was found to have changed it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from agent.model.names import ObjectRef

ROUNDS = 3
WINDOW_S = 300.0


@dataclass(frozen=True, slots=True, order=True)
class Fight:
    """One manager that keeps taking one field of one object back."""

    ref: ObjectRef
    field: str
    manager: str

    def __str__(self) -> str:
        return f"{self.manager} keeps changing {self.field} of {self.ref}"


class Fights:
    """What was corrected lately, and where that has become a fight."""

    def __init__(self) -> None:
        self._times: dict[Fight, deque[float]] = {}

    def note(self, ref: ObjectRef, fields: Iterable[str], managers: Iterable[str], now_s: float) -> None:
        """Note that fields of an object were corrected that these managers had changed."""
        names = tuple(managers) or ("unknown",)
        for field in fields:
            for manager in names:
                times = self._times.setdefault(Fight(ref, field, manager), deque(maxlen=ROUNDS))
                times.append(now_s)

    def going_on(self, now_s: float) -> tuple[Fight, ...]:
        """Return all fights of the last minutes; what is older is forgotten."""
        for fight in [fight for fight, times in self._times.items() if now_s - times[-1] > WINDOW_S]:
            del self._times[fight]
        return tuple(sorted(fight for fight, times in self._times.items() if _is_fight(times)))

    def involves(self, ref: ObjectRef, now_s: float) -> bool:
        """Tell whether an object is fought over."""
        return any(fight.ref == ref for fight in self.going_on(now_s))


def _is_fight(times: deque[float]) -> bool:
    return len(times) == ROUNDS and times[-1] - times[0] <= WINDOW_S
