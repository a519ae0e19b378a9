"""What a written status says for the first time, as events. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from hub.model.conditions import READY, STALLED, Conditions
from hub.model.durations import Duration
from hub.model.events import (
    COMMIT_STATUS,
    COMMIT_STATUS_UPDATE,
    ORIGIN_REVISION,
    REVISION,
    Event,
    Severity,
    event,
)
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import (
    DEPENDENCY_NOT_PLACED,
    DEPENDENCY_NOT_READY,
    PRUNE_HELD,
    Kustomization,
    KustomizationStatus,
)
from hub.model.metadata import Metadata
from hub.model.standing import Problem, Standing
from hub.model.wording import first_of
from hub.status.delivery import held_line
from hub.status.verdict import SUCCEEDED, Verdict, held_message

# Flux's words, whatever is really waited for; the condition names it.
DEPENDENCIES_WAIT = "Dependencies do not meet ready condition, retrying in 30s"
_UNSEEN = str(Duration())
_DEPENDENCIES = frozenset({DEPENDENCY_NOT_READY, DEPENDENCY_NOT_PLACED})


def news(
    before: Kustomization, status: KustomizationStatus, standing: Standing, verdicts: Sequence[Verdict]
) -> Iterable[Event]:
    """Yield the events of a write: problems that are new, prunes that are held, a wait that began, the work that ended well."""
    for problem, message in _problems(standing, verdicts):
        if _says(status, message) and not _says(before.status, message):
            facts = _facts(standing.revision, standing.origin_revision)
            yield _event(before, Severity.ERROR, problem.reason, message, facts)
    yield from _held(before, status, standing, verdicts)
    if (reason := _waits_for(status)) and reason != _waits_for(before.status):
        yield _event(
            before,
            Severity.INFO,
            reason,
            DEPENDENCIES_WAIT,
            _facts(standing.revision, standing.origin_revision),
        )
    if status.history != before.status.history and status.last_applied_revision:
        latest = status.history[0]
        if latest.last_reconciled_status == SUCCEEDED:
            took = latest.last_reconciled_duration
            # Flux's words; how long it took is left out where nobody saw it begin.
            within = "" if took == _UNSEEN else f" in {took}"
            message = f"Reconciliation finished{within}, next run in {before.spec.interval}"
            applied = _facts(status.last_applied_revision, status.last_applied_origin_revision)
            facts = applied | {COMMIT_STATUS: COMMIT_STATUS_UPDATE}
            yield _event(before, Severity.INFO, SUCCEEDED, message, facts)


def stalled(kind: Kind, metadata: Metadata, before: Conditions, after: Conditions) -> Iterable[Event]:
    """Yield the event of a Cluster, Fleet or Rollout that is stalled anew."""
    found, told = after.get(STALLED), before.get(STALLED)
    if found is None or (told is not None and told.says_the_same_as(found)):
        return
    yield event(
        TYPES[kind].api_version,
        str(kind),
        metadata,
        severity=Severity.ERROR,
        reason=found.reason,
        message=found.message,
    )


def _problems(standing: Standing, verdicts: Sequence[Verdict]) -> Iterable[tuple[Problem, str]]:
    """Yield what hinders the delivery, and what the conditions say of it; what is only waited for is in the conditions alone."""
    if standing.problem is not None and not standing.problem.is_quiet:
        yield standing.problem, standing.problem.message
    for one in verdicts:
        problem = one.target.problem
        if problem is not None and not problem.is_quiet:
            yield problem, problem.message if len(verdicts) == 1 else f"{one.name}: {problem.message}"


def _held(
    before: Kustomization, status: KustomizationStatus, standing: Standing, verdicts: Sequence[Verdict]
) -> Iterable[Event]:
    """Yield the event of prunes that are held since this write, one for all clusters where they are."""
    new = [
        one
        for one in verdicts
        if (line := held_line(one)) and _says(status, line) and not _says(before.status, line)
    ]
    if not new or new[0].report is None:
        return
    message = held_message(new[0].target, new[0].report)
    if len(verdicts) > 1:
        message = f"{first_of([one.name for one in new])}: {message}"
    yield _event(
        before, Severity.ERROR, PRUNE_HELD, message, _facts(standing.revision, standing.origin_revision)
    )


def _says(status: KustomizationStatus, message: str) -> bool:
    return any(message in one.message for one in status.conditions)


def _waits_for(status: KustomizationStatus) -> str:
    """Return the reason when it is dependencies that are waited for, else nothing."""
    ready = next((one for one in status.conditions if one.type == READY), None)
    return ready.reason if ready is not None and ready.reason in _DEPENDENCIES else ""


def _facts(revision: str, origin: str) -> dict[str, str]:
    return {name: text for name, text in ((REVISION, revision), (ORIGIN_REVISION, origin)) if text}


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
