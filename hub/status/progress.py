"""For how long it need not be said that a delivery is on its way: most arrive within an interval, and one write says all.

State: since when each delivery is on its way, of which it was said, and how long those took that arrived. When many are on their way, as
after a commit that concerns all, words of progress are spread, so that they do not stand in the way of the verdicts that everybody waits for.
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
        self._since_s: dict[Key, float] = {}
        self._said: set[Key] = set()
        self._took_s: dict[Key, float] = {}

    def left_unsaid_s(self, key: Key, standing: Standing, verdicts: Iterable[Verdict]) -> float:
        """Return for how long nothing is to be written of a delivery; 0.0 when it arrived, failed, or has been on its way for long enough."""
        states = {one.state for one in verdicts}
        if standing.problem is not None or State.FAILED in states or not states & _ON_THE_WAY:
            self._arrive(key)
            return 0.0
        self._took_s.pop(key, None)
        now_s = self._clock.monotonic_s()
        since_s = self._since_s.setdefault(key, now_s)
        if key in self._said:
            return 0.0
        unsaid = len(self._since_s) - len(self._said)
        left_s = since_s + max(self._interval_s, unsaid / WORDS_PER_S) - now_s
        if left_s <= 0:
            self._said.add(key)
        return max(left_s, 0.0)

    def took_s(self, key: Key) -> float | None:
        """Return how long a delivery that arrived was on its way; None when it was not seen on its way, or that was told."""
        return self._took_s.get(key)

    def told(self, key: Key) -> None:
        """Note that it was written how a delivery stands."""
        self._took_s.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drop what is known of a delivery that is gone."""
        self._arrive(key)
        self._took_s.pop(key, None)

    def _arrive(self, key: Key) -> None:
        self._said.discard(key)
        if (since_s := self._since_s.pop(key, None)) is not None:
            self._took_s[key] = self._clock.monotonic_s() - since_s
