"""For how long it need not be said that a delivery is on its way: most arrive within an interval, and one write says all.

State: since when each delivery is on its way unsaid, and of which it was said. When many are, as after a commit that concerns all, words of
progress are spread, so that they do not stand in the way of the verdicts that everybody waits for.
"""

from collections.abc import Iterable

from agent.kit.clock import Clock
from agent.kube.watch import Key
from hub.model.standing import Standing
from hub.status.verdict import State, Verdict

WORDS_PER_S = 20.0
_ON_THE_WAY = frozenset({State.PROGRESSING, State.UNTOLD})


class Progress:
    """All deliveries that are on their way."""

    def __init__(self, clock: Clock, *, interval_s: float) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._unsaid_s: dict[Key, float] = {}
        self._said: set[Key] = set()

    def left_unsaid_s(self, key: Key, standing: Standing, verdicts: Iterable[Verdict]) -> float:
        """Return for how long nothing is to be written of a delivery; 0.0 when it arrived, failed, or has been on its way for long enough."""
        states = {one.state for one in verdicts}
        if standing.problem is not None or State.FAILED in states or not states & _ON_THE_WAY:
            self.forget(key)
            return 0.0
        if key in self._said:
            return 0.0
        now_s = self._clock.monotonic_s()
        since_s = self._unsaid_s.setdefault(key, now_s)
        left_s = since_s + max(self._interval_s, len(self._unsaid_s) / WORDS_PER_S) - now_s
        if left_s <= 0:
            del self._unsaid_s[key]
            self._said.add(key)
        return max(left_s, 0.0)

    def forget(self, key: Key) -> None:
        """Note that a delivery is on its way no more."""
        self._unsaid_s.pop(key, None)
        self._said.discard(key)
