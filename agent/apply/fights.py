"""Who takes back what was corrected: when one manager does so three times in five minutes, correcting goes on at the interval only. Pure.

A fight is over when a look at the interval finds the object as it is wished, and nothing was corrected for as long as it takes to begin one.

State: for each object and field the times at which a manager was found to have changed it, and the fights that go on.
"""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass

from agent.model.names import ObjectRef

ROUNDS = 3
WINDOW_S = 300.0
SOMEBODY = "somebody"


@dataclass(frozen=True, slots=True, order=True)
class Fight:
    """One manager that keeps taking one field of one object back; without a field, that keeps deleting it."""

    ref: ObjectRef
    field: str
    manager: str

    def __str__(self) -> str:
        what = f"changing {self.field} of" if self.field else "deleting"
        return f"{self.manager} keeps {what} {self.ref}"


class Fights:
    """What was corrected lately, and where that has become a fight."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._times: dict[Fight, deque[float]] = {}
        self._last_s: dict[Fight, float] = {}

    def note(
        self, ref: ObjectRef, fields: Iterable[str], managers: Iterable[str], now_s: float
    ) -> tuple[Fight, ...]:
        """Note that an object was corrected, in which fields (none: it was gone), and who had changed them. Return what begins a fight."""
        self._forget(now_s)
        rounds = [Fight(ref, f, m) for f in tuple(fields) or ("",) for m in tuple(managers) or (SOMEBODY,)]
        begun = []
        for one in rounds:
            times = self._times.setdefault(one, deque(maxlen=ROUNDS))
            times.append(now_s)
            if one in self._last_s:
                self._last_s[one] = now_s
            elif len(times) == ROUNDS and now_s - times[0] <= self._window_s:
                self._last_s[one] = now_s
                begun.append(one)
        return tuple(begun)

    def end_quiet(self, resting: Container[ObjectRef], now_s: float) -> None:
        """After a look at everything but what rests: end the fights of which nothing was seen for long."""
        for one, last_s in list(self._last_s.items()):
            if one.ref not in resting and now_s - last_s >= self._window_s:
                del self._last_s[one]

    def going_on(self) -> tuple[Fight, ...]:
        return tuple(sorted(self._last_s))

    def involves(self, ref: ObjectRef) -> bool:
        """Tell whether an object is fought over."""
        return any(fight.ref == ref for fight in self._last_s)

    def resting(self, interval_s: float, now_s: float) -> frozenset[ObjectRef]:
        """Return the objects fought over that were corrected less than an interval ago."""
        return frozenset(one.ref for one, last_s in self._last_s.items() if now_s - last_s < interval_s)

    def _forget(self, now_s: float) -> None:
        for one in [one for one, times in self._times.items() if now_s - times[-1] > self._window_s]:
            del self._times[one]
