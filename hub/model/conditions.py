"""Conditions and their bookkeeping, as Flux does it: when times move, in what order they are stored, what excludes what.

Pure: the caller says what time it is. How several conditions become one is in `summary.py`, how a reconcile ends in
`outcome.py`.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from agent.model.names import timestamp
from hub.model.value import Value, raw

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"

PROGRESSING = "Progressing"
PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
SUCCEEDED = "Succeeded"
FAILED = "Failed"

MAX_MESSAGE = 32768
_FIRST = {STALLED: 0, RECONCILING: 1, READY: 2}


class ConditionStatus(StrEnum):
    """The three things a condition can say."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Value, frozen=True, kw_only=True):
    """One fact about an object. `last_transition_time` is empty until it is set on an object."""

    type: str
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int = 0
    last_transition_time: str = ""

    def says_the_same_as(self, other: "Condition") -> bool:
        """Compare without generation and time."""
        return (self.type, self.status, self.reason, self.message) == (
            other.type,
            other.status,
            other.reason,
            other.message,
        )


class Conditions(Value, frozen=True, kw_only=True):
    """The conditions of one object at one generation. Every change returns a new value."""

    generation: int = 0
    items: tuple[Condition, ...] = ()

    def get(self, type_: str) -> Condition | None:
        return next((item for item in self.items if item.type == type_), None)

    def is_true(self, type_: str) -> bool:
        found = self.get(type_)
        return found is not None and found.status is ConditionStatus.TRUE

    def is_false(self, type_: str) -> bool:
        found = self.get(type_)
        return found is not None and found.status is ConditionStatus.FALSE

    def is_unknown(self, type_: str) -> bool:
        """A condition that is absent is unknown too."""
        found = self.get(type_)
        return found is None or found.status is ConditionStatus.UNKNOWN

    @property
    def is_stalled(self) -> bool:
        return self.is_true(STALLED) and not self.is_true(RECONCILING)

    @property
    def is_reconciling(self) -> bool:
        return self.is_true(RECONCILING) and not self.is_true(STALLED)

    @property
    def is_ready(self) -> bool:
        return self.is_true(READY) and not self.is_true(RECONCILING) and not self.is_true(STALLED)

    def set(self, condition: Condition | None, *, now: datetime) -> "Conditions":
        """Put a condition in place of the one of its type; None changes nothing.

        The generation is always that of the object. The time moves when status, reason or message do; a condition that is new
        keeps a time that it brings.
        """
        if condition is None:
            return self
        condition = msgspec.structs.replace(
            condition, observed_generation=self.generation, message=_cut(condition.message)
        )
        before = self.get(condition.type)
        if before is None:
            moved = condition.last_transition_time or timestamp(now)
        elif before.says_the_same_as(condition):
            moved = before.last_transition_time
        else:
            moved = timestamp(now)
        condition = msgspec.structs.replace(condition, last_transition_time=moved)
        others = [item for item in self.items if item.type != condition.type]
        return self._with(in_order([*others, condition]))

    def delete(self, *types: str) -> "Conditions":
        return self._with(tuple(item for item in self.items if item.type not in types))

    def mark_true(self, type_: str, reason: str, message: str, *, now: datetime) -> "Conditions":
        return self._mark(type_, ConditionStatus.TRUE, reason, message, now)

    def mark_false(self, type_: str, reason: str, message: str, *, now: datetime) -> "Conditions":
        return self._mark(type_, ConditionStatus.FALSE, reason, message, now)

    def mark_unknown(self, type_: str, reason: str, message: str, *, now: datetime) -> "Conditions":
        return self._mark(type_, ConditionStatus.UNKNOWN, reason, message, now)

    def mark_reconciling(self, reason: str, message: str, *, now: datetime) -> "Conditions":
        """Say that work goes on, which ends being stalled."""
        return self.delete(STALLED).mark_true(RECONCILING, reason, message, now=now)

    def mark_stalled(self, reason: str, message: str, *, now: datetime) -> "Conditions":
        """Say that nothing goes on until somebody changes something."""
        return self.delete(RECONCILING).mark_true(STALLED, reason, message, now=now)

    def raw(self) -> list[dict[str, object]]:
        """Return what is written to `status.conditions`."""
        return [raw(item) for item in self.items]

    def _mark(
        self, type_: str, status: ConditionStatus, reason: str, message: str, now: datetime
    ) -> "Conditions":
        return self.set(Condition(type=type_, status=status, reason=reason, message=message), now=now)

    def _with(self, items: tuple[Condition, ...]) -> "Conditions":
        return msgspec.structs.replace(self, items=items)


def in_order(items: Iterable[Condition]) -> tuple[Condition, ...]:
    """Sort for the reader: Stalled, Reconciling, Ready, then the newest generation, then by type."""
    return tuple(sorted(items, key=place))


def place(condition: Condition) -> tuple[int, int, str]:
    """Return the key that `in_order` sorts by."""
    if condition.type in _FIRST:
        return (_FIRST[condition.type], 0, "")
    return (len(_FIRST), -condition.observed_generation, condition.type)


def _cut(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."
