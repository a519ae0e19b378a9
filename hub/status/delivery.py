"""A Kustomization's status from what the hub and the agents say of it, in Flux's words. Pure.

Level-triggered: the new status follows from the old one and the present verdicts, and from the same ones the same status follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from agent.model.assignment import RECONCILE
from agent.model.inventory import format_id
from agent.model.names import timestamp
from hub.model.conditions import (
    PROGRESSING,
    PROGRESSING_WITH_RETRY,
    READY,
    RECONCILING,
    STALLED,
    Condition,
    Conditions,
    ConditionStatus,
)
from hub.model.durations import Duration, instant
from hub.model.kustomization import (
    HEALTHY,
    PRUNE_HELD,
    HistoryEntry,
    Inventory,
    InventoryEntry,
    Kustomization,
    KustomizationStatus,
)
from hub.model.outcome import mark_progress
from hub.model.standing import Standing
from hub.status.summary import Summary, summarize
from hub.status.verdict import IN_PROGRESS, State, Verdict, is_current, weighed

CONTESTED = "DriftContested"
HEALTH_FAILED = "HealthCheckFailed"
MAX_HISTORY = 5
MAX_IDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Everything that the status of one delivery follows from."""

    delivery: Kustomization
    standing: Standing
    verdicts: tuple[Verdict, ...]
    now: datetime
    took_s: float | None = None
    """For how long the delivery was seen on its way."""


def status_of(outlook: Outlook) -> KustomizationStatus:
    """Return the status to write."""
    before, standing = outlook.delivery.status, outlook.standing
    summary = _summary(outlook)
    is_done = summary is not None and summary.is_ready
    is_stalled = summary is not None and summary.is_stalled
    settled = is_done or is_stalled
    return msgspec.structs.replace(
        before,
        conditions=_conditions(outlook, summary).items,
        observed_generation=standing.generation if settled else before.observed_generation,
        last_applied_revision=_applied(outlook) if is_done else before.last_applied_revision,
        last_applied_origin_revision=_origin(outlook) if is_done else before.last_applied_origin_revision,
        last_attempted_revision=standing.attempted or before.last_attempted_revision,
        last_handled_reconcile_at=_handled(outlook),
        inventory=_inventory(outlook),
        history=_history(outlook, summary),
    )


def _applied(outlook: Outlook) -> str:
    """Return the revision that is applied where the delivery is ready."""
    return next(one.target.revision for one in outlook.verdicts if one.state is State.READY)


def _origin(outlook: Outlook) -> str:
    """Return what the applied revision was made from: what is known is that of the one that was tried last."""
    standing, before = outlook.standing, outlook.delivery.status
    applied = _applied(outlook)
    if applied == standing.revision:
        return standing.origin_revision
    return before.last_applied_origin_revision if applied == before.last_applied_revision else ""


def _summary(outlook: Outlook) -> Summary | None:
    problem = outlook.standing.problem
    if problem is not None:
        return Summary(
            status=ConditionStatus.FALSE,
            reason=problem.reason,
            message=problem.message,
            is_stalled=problem.is_stalled,
        )
    return summarize(outlook.verdicts, outlook.now) if outlook.verdicts else None


def _conditions(outlook: Outlook, summary: Summary | None) -> Conditions:
    found, now = outlook.delivery.conditions, outlook.now
    if all(one.report is not None for one in outlook.verdicts):
        found = _set(found, PRUNE_HELD, _prune_held(outlook.verdicts), now)
        found = _set(found, CONTESTED, _contested(outlook.verdicts), now)
    if summary is None and outlook.standing.is_suspended:
        return found
    if summary is None:
        return (
            found
            if found.get(READY) is not None
            else mark_progress(found, PROGRESSING, IN_PROGRESS, drift=True, now=now)
        )
    if outlook.standing.problem is None:
        found = _set(found, HEALTHY, _health(outlook.verdicts), now)
    found = found.set(_condition(READY, summary.status, summary.reason, summary.message), now=now)
    if summary.is_stalled:
        return found.mark_stalled(summary.reason, summary.message, now=now)
    if summary.is_ready or (outlook.verdicts and not any(one.is_connected for one in outlook.verdicts)):
        return found.delete(RECONCILING, STALLED)
    reason = PROGRESSING if summary.status is ConditionStatus.UNKNOWN else PROGRESSING_WITH_RETRY
    return found.mark_reconciling(reason, _work(outlook, summary), now=now)


def _work(outlook: Outlook, summary: Summary) -> str:
    """Word what goes on."""
    if summary.status is ConditionStatus.UNKNOWN:
        return summary.message
    revision = outlook.standing.revision or "the source"
    timeout = outlook.delivery.spec.effective_timeout
    return f"Building manifests for revision {revision} with a timeout of {timeout}"


def _health(verdicts: Sequence[Verdict]) -> Condition | None:
    """Return Healthy: the worst of what the agents say of the present Bundles, None when no health is asked for."""
    reports = [
        one.report for one in verdicts if one.report is not None and is_current(one.target, one.report)
    ]
    failed = [one for one in reports if one.healthy is False]
    if failed:
        return _condition(HEALTHY, ConditionStatus.FALSE, HEALTH_FAILED, failed[0].health_message)
    passed = [one for one in reports if one.healthy]
    if passed and len(passed) == len(verdicts):
        return _condition(HEALTHY, ConditionStatus.TRUE, "Succeeded", passed[0].health_message)
    if passed or any(one.stage.value == "Checking" for one in reports):
        return _condition(HEALTHY, ConditionStatus.UNKNOWN, PROGRESSING, "Running health checks")
    return None


def _prune_held(verdicts: Sequence[Verdict]) -> Condition | None:
    """Return the condition that lists what is not deleted without a person's word, with the Bundle that an approval is for."""
    lines = [line for one in verdicts if (line := held_line(one))]
    if not lines:
        return None
    text = "\n".join((*lines, "Nothing is deleted until it is approved: hub approve prune"))
    return _condition(PRUNE_HELD, ConditionStatus.TRUE, PRUNE_HELD, text)


def held_line(verdict: Verdict) -> str:
    """Return what condition PruneHeld says of one cluster, empty when nothing is held there."""
    report = verdict.report
    if report is None or not report.prune_held:
        return ""
    ids = report.prune_held
    more = f" and {len(ids) - MAX_IDS} more" if len(ids) > MAX_IDS else ""
    objects = f"{len(ids)} objects{weighed(report)}"
    return f"{verdict.name}: {objects} would be deleted by build {report.bundle}: {', '.join(ids[:MAX_IDS])}{more}"


def _contested(verdicts: Sequence[Verdict]) -> Condition | None:
    lines = [
        f"{one.name}: {fight.message}"
        for one in verdicts
        if one.report is not None
        for fight in one.report.fights
    ]
    return _condition(CONTESTED, ConditionStatus.TRUE, "FieldsContested", "\n".join(lines)) if lines else None


def _handled(outlook: Outlook) -> str:
    """Return the request that was answered last: by the hub when it cannot go on, else by every agent that is connected."""
    before = outlook.delivery.status.last_handled_reconcile_at
    asked = outlook.delivery.metadata.requested_at
    if not asked or asked == before:
        return before
    if outlook.standing.problem is not None or outlook.standing.is_suspended:
        return asked
    answers = [_has_answered(one, asked) for one in outlook.verdicts if one.is_connected]
    told = all(one.state is not State.UNTOLD for one in outlook.verdicts)
    return asked if told and all(answers) else before


def _has_answered(verdict: Verdict, asked: str) -> bool:
    return verdict.target.problem is not None or verdict.has_handled(RECONCILE, asked)


def _inventory(outlook: Outlook) -> Inventory | None:
    """Return what was applied: exactly for one cluster, for several what is equal in all."""
    before = outlook.delivery.status.inventory
    if len(outlook.verdicts) != 1:
        bundles = [one.target.bundle for one in outlook.verdicts if one.target.bundle is not None]
        if not bundles or not any(one.report and one.report.applied_once for one in outlook.verdicts):
            return before
        return _entries({format_id(entry.ref): entry.version for entry in bundles[0].base})
    (verdict,) = outlook.verdicts
    report, bundle = verdict.report, verdict.target.bundle
    if report is None or bundle is None or not is_current(verdict.target, report):
        return before
    missing = set(report.inventory_missing)
    wanted = {format_id(entry.ref): entry.version for entry in bundle.entries}
    held = {id_: version for id_, version in wanted.items() if id_ not in missing}
    held |= report.inventory_extra
    return _entries(held) if held or report.applied_once else before


def _entries(held: dict[str, str]) -> Inventory:
    return Inventory(
        entries=tuple(InventoryEntry(id=id_, v=version) for id_, version in sorted(held.items()))
    )


def _history(outlook: Outlook, summary: Summary | None) -> tuple[HistoryEntry, ...]:
    """Note how the present Bundle ended, once per verdict and request."""
    before = outlook.delivery.status.history
    ended = [
        one
        for one in outlook.verdicts
        if one.state in {State.READY, State.HELD, State.FAILED} and one.report is not None
    ]
    if (
        summary is None
        or outlook.standing.problem is not None
        or len(ended) != len(outlook.verdicts)
        or not ended
    ):
        return before
    digest, revision = str(ended[0].report.bundle if ended[0].report else ""), ended[0].target.revision
    same = next(
        (one for one in before if (one.digest, one.last_reconciled_status) == (digest, summary.reason)), None
    )
    asked_anew = _handled(outlook) != outlook.delivery.status.last_handled_reconcile_at
    is_first = before and before[0] is same and before[0].metadata.get("revision") == revision
    if same is not None and is_first and not asked_anew:
        return before
    now = timestamp(outlook.now)
    origin = outlook.standing.origin_revision if revision == outlook.standing.revision else ""
    entry = HistoryEntry(
        digest=digest,
        first_reconciled=same.first_reconciled if same is not None else now,
        last_reconciled=now,
        last_reconciled_duration=str(_took(outlook) or Duration()),
        last_reconciled_status=summary.reason,
        total_reconciliations=(same.total_reconciliations if same is not None else 0) + 1,
        metadata={"revision": revision} | ({"originRevision": origin} if origin else {}),
    )
    return (entry, *(one for one in before if one is not same))[:MAX_HISTORY]


def _took(outlook: Outlook) -> Duration | None:
    """Return how long the delivery was in progress: as it was seen, or to the second as it was written; None when nobody knows."""
    if outlook.took_s is not None:
        return Duration(milliseconds=round(outlook.took_s * 1000))
    ready = outlook.delivery.conditions.get(READY)
    if ready is None or ready.status is not ConditionStatus.UNKNOWN or ready.reason != PROGRESSING:
        return None
    passed = outlook.now - instant(ready.last_transition_time)
    return Duration(seconds=max(int(passed.total_seconds()), 0))


def _set(found: Conditions, type_: str, condition: Condition | None, now: datetime) -> Conditions:
    return found.delete(type_) if condition is None else found.set(condition, now=now)


def _condition(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message)
