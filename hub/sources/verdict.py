"""What a source's status says after a reconcile: failures as a closed set, and the one place that turns an end into a status. Pure."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from hub.model.conditions import (
    PROGRESSING,
    PROGRESSING_WITH_RETRY,
    RECONCILING,
    SUCCEEDED,
    Conditions,
)
from hub.model.gitrepository import (
    ARTIFACT_IN_STORAGE,
    ARTIFACT_OUTDATED,
    FETCH_FAILED,
    INCLUDE_UNAVAILABLE,
    READY_RULE,
    SOURCE_VERIFIED,
    STORAGE_OPERATION_FAILED,
    Artifact,
    GitRepository,
    GitRepositoryStatus,
)
from hub.model.outcome import NEVER, Requeue, mark_progress, settle
from hub.sources.git_failure import FailureKind, GitFailure

AUTHENTICATION_FAILED = "AuthenticationFailed"
GIT_OPERATION_FAILED = "GitOperationFailed"
EMPTY_GIT_REPOSITORY = "EmptyGitRepository"
URL_INVALID = "URLInvalid"
ARCHIVE_OPERATION_FAILED = "ArchiveOperationFailed"
IN_PROGRESS = "reconciliation in progress"
_BAD = (FETCH_FAILED, STORAGE_OPERATION_FAILED, INCLUDE_UNAVAILABLE, ARTIFACT_OUTDATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no new artifact. `condition` is the type that becomes True, empty when Stalled says it all."""

    reason: str
    message: str
    condition: str = FETCH_FAILED
    is_final: bool = False


class SourceFailed(Exception):
    """A step of the reconcile did not succeed; the status is to say so."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


def failure_of(problem: GitFailure) -> Failure:
    """Return how a failed Git operation is told."""
    match problem.kind:
        case FailureKind.EMPTY_REPOSITORY:
            return Failure(reason=EMPTY_GIT_REPOSITORY, message=str(problem))
        case FailureKind.INVALID_CREDENTIALS:
            return Failure(reason=AUTHENTICATION_FAILED, message=str(problem))
        case FailureKind.INVALID_URL:
            return Failure(reason=URL_INVALID, message=str(problem), is_final=True)
        case FailureKind.STORAGE:
            return Failure(
                reason=ARCHIVE_OPERATION_FAILED, message=str(problem), condition=STORAGE_OPERATION_FAILED
            )
        case _:
            message = f"failed to checkout and determine revision: {problem}"
            return Failure(reason=GIT_OPERATION_FAILED, message=message)


def stored_message(artifact: Artifact) -> str:
    """Return what ArtifactInStorage and Ready say of an artifact."""
    return f"stored artifact for revision '{artifact.revision}'"


def begun(repository: GitRepository, *, now: datetime) -> GitRepositoryStatus | None:
    """Return the status that says that work on a new generation or a request goes on, None when there is neither."""
    metadata, status = repository.metadata, repository.status
    working = repository.conditions.get(RECONCILING)
    # Once is enough: a generation that fails and fails again costs no writes.
    is_told = working is not None and working.observed_generation == metadata.generation
    is_new = metadata.generation != status.observed_generation and not is_told
    if not is_new and metadata.requested_at in (None, status.last_handled_reconcile_at):
        return None
    message = IN_PROGRESS
    if metadata.generation != status.observed_generation:
        message = f"processing object: new generation {status.observed_generation} -> {metadata.generation}"
    conditions = mark_progress(repository.conditions, PROGRESSING, message, drift=False, now=now)
    return msgspec.structs.replace(status, conditions=conditions.items)


def succeeded(repository: GitRepository, artifact: Artifact, *, now: datetime) -> GitRepositoryStatus:
    """Return the status of a source whose artifact is what the remote has."""
    spec = repository.spec
    conditions = repository.conditions.delete(*_BAD, SOURCE_VERIFIED)
    conditions = conditions.mark_true(ARTIFACT_IN_STORAGE, SUCCEEDED, stored_message(artifact), now=now)
    success = Requeue(after=spec.interval)
    settled = settle(
        conditions,
        success,
        None,
        success=success,
        success_message=stored_message(artifact),
        summaries=(READY_RULE,),
        now=now,
    )
    return msgspec.structs.replace(
        _handled(repository),
        conditions=settled.conditions.items,
        artifact=artifact,
        observed_generation=repository.metadata.generation,
        observed_ignore=spec.ignore,
        observed_include=spec.include,
        observed_recurse_submodules=spec.recurse_submodules,
        observed_sparse_checkout=spec.sparse_checkout,
        included_artifacts=(),
    )


def failed(
    repository: GitRepository, failure: Failure, *, is_stored: bool, now: datetime
) -> GitRepositoryStatus:
    """Return the status of a source that could not be brought up to date; what it has stays."""
    conditions = repository.conditions
    if not is_stored:
        conditions = conditions.delete(ARTIFACT_IN_STORAGE)
    conditions = conditions.delete(*(bad for bad in _BAD if bad != failure.condition))
    if failure.condition:
        conditions = conditions.mark_true(failure.condition, failure.reason, failure.message, now=now)
    conditions = (
        _stalled(conditions, failure, now) if failure.is_final else _retried(conditions, failure, now)
    )
    status = msgspec.structs.replace(_handled(repository), conditions=conditions.items)
    if not failure.is_final:
        return status
    return msgspec.structs.replace(status, observed_generation=repository.metadata.generation)


def suspended(repository: GitRepository) -> GitRepositoryStatus:
    """Return the status of a source that rests: seen, handled, otherwise as it was."""
    status = _handled(repository)
    if not status.conditions:
        return status
    return msgspec.structs.replace(status, observed_generation=repository.metadata.generation)


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


def _handled(repository: GitRepository) -> GitRepositoryStatus:
    token = repository.metadata.requested_at
    if token is None:
        return repository.status
    return msgspec.structs.replace(repository.status, last_handled_reconcile_at=token)
