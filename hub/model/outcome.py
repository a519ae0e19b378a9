"""What a reconcile leaves in the conditions: marking progress at its start, settling them at its end.

After `settle` the conditions tell kstatus the truth: Reconciling and Stalled never together, neither after a success, Ready
always decided.
"""

from datetime import datetime

from hub.model.conditions import (
    FAILED,
    PROGRESSING_WITH_RETRY,
    READY,
    RECONCILING,
    STALLED,
    SUCCEEDED,
    Conditions,
    ConditionStatus,
)
from hub.model.durations import Duration
from hub.model.summary import MergeOptions, summary
from hub.model.value import Value


class Requeue(Value, frozen=True, kw_only=True):
    """When the object is looked at again: at once, after a time, or (neither) not before something changes."""

    now: bool = False
    after: Duration | None = None

    @property
    def is_never(self) -> bool:
        return not self.now and not self.after


NEVER = Requeue()


class SummaryRule(Value, frozen=True, kw_only=True):
    """Which conditions of a kind decide Ready, most important first, and which of them are bad when True."""

    types: tuple[str, ...]
    negative: frozenset[str]
    target: str = READY

    def apply(self, conditions: Conditions, *, now: datetime) -> Conditions:
        options = MergeOptions(only=self.types, negative=self.negative)
        return conditions.set(summary(conditions, self.target, options), now=now)


class Settled(Value, frozen=True, kw_only=True):
    """Conditions after a reconcile, and the error that is to be retried, if any."""

    conditions: Conditions
    error: str | None


def mark_progress(
    conditions: Conditions, reason: str, message: str, *, drift: bool, now: datetime
) -> Conditions:
    """Say that work goes on. A Ready that is decided stays unless something new is known to come (`drift`)."""
    marked = conditions.mark_reconciling(reason, message, now=now)
    if drift or conditions.is_unknown(READY):
        marked = marked.mark_unknown(READY, reason, message, now=now)
    return marked


def settle(
    conditions: Conditions,
    result: Requeue,
    error: str | None,
    *,
    success: Requeue,
    success_message: str,
    summaries: tuple[SummaryRule, ...] = (),
    now: datetime,
) -> Settled:
    """Bring the conditions in order at the end of a reconcile; `success` is the result that means success."""
    succeeded = error is None and result == success
    if error is not None:
        conditions = conditions.delete(STALLED)
    if not result.is_never and result != success:
        # Whoever asks to be called again is not stalled.
        conditions = conditions.delete(STALLED)
    stalled = conditions.get(STALLED)
    is_stalled = stalled is not None and stalled.status is ConditionStatus.TRUE
    # A success that asks for no further call looks like being stalled; only the condition tells them apart.
    may_be_stalled = not succeeded or success.is_never
    if stalled is not None and is_stalled and may_be_stalled and not conditions.is_false(READY):
        conditions = conditions.mark_false(READY, stalled.reason, stalled.message, now=now)
    if succeeded or is_stalled:
        conditions = conditions.delete(RECONCILING)
    if error is not None and not conditions.is_false(READY):
        conditions = conditions.mark_false(READY, FAILED, error, now=now)
    for rule in summaries:
        conditions = rule.apply(conditions, now=now)
    ready = conditions.get(READY)
    if succeeded and not success.is_never and not conditions.is_stalled:
        # What looks like a success but leaves a bad verdict is tried again.
        error = ready.message if ready is not None and ready.status is ConditionStatus.FALSE else None
    settled_well = error is None and result == success
    if settled_well and conditions.is_unknown(READY) and not conditions.is_reconciling and not is_stalled:
        conditions = conditions.mark_true(READY, SUCCEEDED, success_message, now=now)
    return Settled(conditions=conditions, error=error)


def mark_retry(conditions: Conditions, *, now: datetime) -> Conditions:
    """Say in Reconciling, if it is there, that the failed work will be tried again."""
    working = conditions.get(RECONCILING)
    if working is None:
        return conditions
    return conditions.mark_true(RECONCILING, PROGRESSING_WITH_RETRY, working.message, now=now)


def advances_observed_generation(conditions: Conditions) -> bool:
    """Tell whether the generation counts as dealt with: only when it ended well or needs a person."""
    return conditions.is_stalled or conditions.is_ready
