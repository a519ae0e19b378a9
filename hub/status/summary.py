"""The verdicts of all placements as one condition Ready. Pure.

One placement speaks for itself, in the agent's words. Several are counted; being away never improves the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.model.conditions import ConditionStatus
from hub.model.kustomization import PRUNE_HELD
from hub.model.wording import MAX_NAMED, alike
from hub.status.verdict import DISCONNECTED, PROGRESSING, SUCCEEDED, State, Verdict, held_message

_STEPS_S = (60, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600)
_WORDS = {
    State.FAILED: "failed",
    State.HELD: "held",
    State.PROGRESSING: "in progress",
    State.WAITING: "waiting",
    State.SUSPENDED: "suspended",
    State.DISCONNECTED: "disconnected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Ready as it follows from the verdicts; None when nothing can be said yet and what was said stays.

    Stalled is what goes on nowhere until a person says a word.
    """

    status: ConditionStatus
    reason: str
    message: str
    is_stalled: bool = False

    @property
    def is_ready(self) -> bool:
        return self.status is ConditionStatus.TRUE


def summarize(verdicts: Sequence[Verdict], now: datetime) -> Summary | None:
    """Return Ready of a delivery with these placements, None while agents may yet return after the hub's start."""
    if len(verdicts) == 1:
        return _alone(verdicts[0])
    if any(one.state is State.UNTOLD for one in verdicts):
        return None
    states = [one.state for one in verdicts]
    message = _counted(verdicts, now)
    if State.FAILED in states:
        reasons = {one.reason for one in verdicts if one.state is State.FAILED}
        reason = reasons.pop() if len(reasons) == 1 else "ReconciliationFailed"
        return Summary(status=ConditionStatus.FALSE, reason=reason, message=message)
    if not any(one.is_connected for one in verdicts):
        return Summary(status=ConditionStatus.UNKNOWN, reason=DISCONNECTED, message=message)
    if State.HELD in states:
        goes_on = {State.PROGRESSING, State.WAITING} & set(states)
        return Summary(
            status=ConditionStatus.FALSE, reason=PRUNE_HELD, message=message, is_stalled=not goes_on
        )
    if State.WAITING in states:
        reason = next(one.reason for one in verdicts if one.state is State.WAITING)
        return Summary(status=ConditionStatus.FALSE, reason=reason, message=message)
    if set(states) <= {State.READY, State.DISCONNECTED}:
        return Summary(status=ConditionStatus.TRUE, reason=SUCCEEDED, message=message)
    if set(states) <= {State.SUSPENDED, State.DISCONNECTED}:
        return None
    return Summary(status=ConditionStatus.UNKNOWN, reason=PROGRESSING, message=message)


def _alone(one: Verdict) -> Summary | None:
    match one.state:
        case State.READY:
            return Summary(status=ConditionStatus.TRUE, reason=one.reason, message=one.message)
        case State.HELD:
            return Summary(
                status=ConditionStatus.FALSE, reason=one.reason, message=one.message, is_stalled=True
            )
        case State.FAILED | State.WAITING:
            return Summary(status=ConditionStatus.FALSE, reason=one.reason, message=one.message)
        case State.PROGRESSING | State.DISCONNECTED:
            return Summary(status=ConditionStatus.UNKNOWN, reason=one.reason, message=one.message)
        case State.SUSPENDED | State.UNTOLD:
            return None


def _counted(verdicts: Sequence[Verdict], now: datetime) -> str:
    """Word the counts: `7/9 ready, 1 failed (eu-2), 1 disconnected (us-1, 4m)`; what failed or is held says why at the end."""
    ready = sum(one.state is State.READY for one in verdicts)
    parts = [f"{ready}/{len(verdicts)} ready"]
    for state, word in _WORDS.items():
        found = [one for one in verdicts if one.state is state]
        if found:
            parts.append(f"{len(found)} {word} ({_named(found, now)})")
    text = ", ".join(parts)
    failed = [one for one in verdicts if one.state is State.FAILED]
    reasons = (*alike({one.name: one.message for one in failed}), *_held(verdicts))
    return "\n".join((text, *reasons[:MAX_NAMED]))


def _held(verdicts: Sequence[Verdict]) -> Sequence[str]:
    """Word what is held: once with one command for all clusters, when it is the same in all of them."""
    held = {one.name: one for one in verdicts if one.state is State.HELD}
    together = alike({name: _held_anywhere(one) for name, one in held.items()})
    is_one = len(together) == 1 < len(held)
    return together if is_one else alike({name: one.message for name, one in held.items()})


def _held_anywhere(one: Verdict) -> str:
    return one.message if one.report is None else held_message(one.target, one.report, anywhere=True)


def _named(found: Sequence[Verdict], now: datetime) -> str:
    shown = [
        one.name
        if one.away_since is None
        else f"{one.name}, {coarse_age((now - one.away_since).total_seconds())}"
        for one in found[:MAX_NAMED]
    ]
    more = [f"and {len(found) - MAX_NAMED} more"] if len(found) > MAX_NAMED else []
    return "; ".join((*shown, *more)) if len(found) > 1 else shown[0]


def coarse_age(seconds: float) -> str:
    """Word how long ago something was, in steps that grow, so that a message does not change by the minute."""
    passed = [step for step in _STEPS_S if step <= seconds]
    if not passed:
        return "<1m"
    step = passed[-1]
    if step >= 24 * 3600:
        return f"{int(seconds // 86400)}d"
    return f"{step // 3600}h" if step >= 3600 else f"{step // 60}m"


def next_change_s(seconds: float) -> float:
    """Return how long until `coarse_age` says something else."""
    later = [step - seconds for step in _STEPS_S if step > seconds]
    return later[0] if later else 86400 - seconds % 86400
