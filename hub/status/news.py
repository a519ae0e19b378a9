"""What a written status of a delivery says for the first time, as events. Pure."""

from collections.abc import Iterable, Mapping

from hub.model.events import COMMIT_STATUS, COMMIT_STATUS_UPDATE, REVISION, Event, Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization, KustomizationStatus
from hub.model.standing import Standing
from hub.status.verdict import SUCCEEDED


def news(before: Kustomization, status: KustomizationStatus, standing: Standing) -> Iterable[Event]:
    """Yield the events of a write: the problem that is new, the work that ended well."""
    problem = standing.problem or next((one.problem for one in standing.targets if one.problem), None)
    old = {(one.reason, one.message) for one in before.status.conditions}
    new = {(one.reason, one.message) for one in status.conditions}
    if problem is not None and (problem.reason, problem.message) in new - old:
        severity = Severity.INFO if problem.is_quiet else Severity.ERROR
        yield _event(before, severity, problem.reason, problem.message, _revision(standing.revision))
    if status.history == before.status.history or not status.last_applied_revision:
        return
    latest = status.history[0]
    if latest.last_reconciled_status == SUCCEEDED:
        message = f"Reconciliation finished in {latest.last_reconciled_duration}, next run in {before.spec.interval}"
        facts = _revision(status.last_applied_revision) | {COMMIT_STATUS: COMMIT_STATUS_UPDATE}
        yield _event(before, Severity.INFO, SUCCEEDED, message, facts)


def _revision(revision: str) -> dict[str, str]:
    return {REVISION: revision} if revision else {}


def _event(
    delivery: Kustomization, severity: Severity, reason: str, message: str, facts: Mapping[str, str]
) -> Event:
    type_ = TYPES[Kind.KUSTOMIZATION]
    return event(
        type_.api_version,
        str(Kind.KUSTOMIZATION),
        delivery.metadata,
        severity=severity,
        reason=reason,
        message=message,
        facts=facts,
    )
