"""What a source's status says after a reconcile: the one place that turns an end into a status. Pure."""

from datetime import datetime

import msgspec

from hub.model.conditions import (
    PROGRESSING,
    PROGRESSING_WITH_RETRY,
    RECONCILING,
    SUCCEEDED,
    Conditions,
)
from hub.model.outcome import NEVER, Requeue, mark_progress, settle
from hub.model.source import (
    ARTIFACT_IN_STORAGE,
    ARTIFACT_OUTDATED,
    FETCH_FAILED,
    INCLUDE_UNAVAILABLE,
    READY_RULE,
    SOURCE_VERIFIED,
    STORAGE_OPERATION_FAILED,
    Artifact,
    Source,
    SourceStatus,
)
from hub.sources.kind import Failure

IN_PROGRESS = "reconciliation in progress"
_BAD = (FETCH_FAILED, STORAGE_OPERATION_FAILED, INCLUDE_UNAVAILABLE, ARTIFACT_OUTDATED)


def begun(source: Source, *, now: datetime) -> SourceStatus | None:
    """Return the status that says that work on a new generation or a request goes on, None when there is neither."""
    metadata, status = source.metadata, source.status
    working = source.conditions.get(RECONCILING)
    # Once is enough: a generation that fails and fails again costs no writes.
    is_told = working is not None and working.observed_generation == metadata.generation
    is_new = metadata.generation != status.observed_generation and not is_told
    if not is_new and metadata.requested_at in (None, status.last_handled_reconcile_at):
        return None
    message = IN_PROGRESS
    if metadata.generation != status.observed_generation:
        message = f"processing object: new generation {status.observed_generation} -> {metadata.generation}"
    conditions = mark_progress(source.conditions, PROGRESSING, message, drift=False, now=now)
    return msgspec.structs.replace(status, conditions=conditions.items)


def succeeded(
    source: Source, observed: SourceStatus, artifact: Artifact, message: str, *, now: datetime
) -> SourceStatus:
    """Return the status of a source whose artifact is what the remote has; `observed` says what it was made by."""
    conditions = source.conditions.delete(*_BAD, SOURCE_VERIFIED)
    conditions = conditions.mark_true(ARTIFACT_IN_STORAGE, SUCCEEDED, message, now=now)
    success = Requeue(after=source.spec.interval)
    settled = settle(
        conditions,
        success,
        None,
        success=success,
        success_message=message,
        summaries=(READY_RULE,),
        now=now,
    )
    return msgspec.structs.replace(
        _handled(source, observed),
        conditions=settled.conditions.items,
        artifact=artifact,
        observed_generation=source.metadata.generation,
    )


def failed(source: Source, failure: Failure, *, is_stored: bool, now: datetime) -> SourceStatus:
    """Return the status of a source that could not be brought up to date; what it has stays."""
    conditions = source.conditions
    if not is_stored:
        conditions = conditions.delete(ARTIFACT_IN_STORAGE)
    conditions = conditions.delete(*(bad for bad in _BAD if bad != failure.condition))
    if failure.condition:
        conditions = conditions.mark_true(failure.condition, failure.reason, failure.message, now=now)
    conditions = (
        _stalled(conditions, failure, now) if failure.is_final else _retried(conditions, failure, now)
    )
    status = msgspec.structs.replace(_handled(source, source.status), conditions=conditions.items)
    if not failure.is_final:
        return status
    return msgspec.structs.replace(status, observed_generation=source.metadata.generation)


def suspended(source: Source) -> SourceStatus:
    """Return the status of a source that rests: seen, handled, otherwise as it was."""
    status = _handled(source, source.status)
    if not status.conditions:
        return status
    return msgspec.structs.replace(status, observed_generation=source.metadata.generation)


def _retried(conditions: Conditions, failure: Failure, now: datetime) -> Conditions:
    working = conditions.get(RECONCILING)
    message = working.message if working is not None else IN_PROGRESS
    conditions = conditions.mark_reconciling(PROGRESSING_WITH_RETRY, message, now=now)
    return settle(
        conditions,
        NEVER,
        failure.message,
        success=Requeue(now=True),
        success_message="",
        summaries=(READY_RULE,),
        now=now,
    ).conditions


def _stalled(conditions: Conditions, failure: Failure, now: datetime) -> Conditions:
    return settle(
        conditions.mark_stalled(failure.reason, failure.message, now=now),
        NEVER,
        None,
        success=Requeue(now=True),
        success_message="",
        summaries=(READY_RULE,),
        now=now,
    ).conditions


def _handled(source: Source, status: SourceStatus) -> SourceStatus:
    token = source.metadata.requested_at
    return status if token is None else msgspec.structs.replace(status, last_handled_reconcile_at=token)
