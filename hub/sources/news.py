"""What is told of a GitRepository as events. Pure: the same words are told once, unless somebody asks anew."""

from collections.abc import Iterable

from hub.model import events
from hub.model.conditions import STALLED, SUCCEEDED
from hub.model.events import Event, Severity
from hub.model.gitrepository import FETCH_FAILED, STORAGE_OPERATION_FAILED, Artifact, GitRepository
from hub.model.kinds import TYPES, Kind
from hub.sources import verdict
from hub.sources.intent import is_requested
from hub.sources.revision import shorten_subject
from hub.sources.verdict import Failure

NEW_ARTIFACT = "NewArtifact"
UP_TO_DATE = "ArtifactUpToDate"
NO_CHANGE = "GitOperationSucceeded"
COLLECTED = "GarbageCollectionSucceeded"
VERIFICATION_FAILED = "ArtifactVerificationFailed"


def failed(before: GitRepository, failure: Failure) -> Iterable[Event]:
    """Yield the event of a failure when it is not the one that the conditions told already."""
    told = before.conditions.get(failure.condition or STALLED)
    is_news = told is None or (told.reason, told.message) != (failure.reason, failure.message)
    if is_news or is_requested(before):
        yield _event(before, Severity.ERROR, failure.reason, failure.message)


def succeeded(before: GitRepository, artifact: Artifact, commit_message: str | None) -> Iterable[Event]:
    """Yield what is new about an artifact; `commit_message` is set when it was fetched."""
    earlier = before.status.artifact
    message = verdict.stored_message(artifact)
    if commit_message is not None:
        message = f"stored artifact for commit '{shorten_subject(commit_message)}'"
    if earlier is None or earlier.digest != artifact.digest:
        yield _event(before, Severity.INFO, NEW_ARTIFACT, message, artifact)
    elif any(before.conditions.is_true(bad) for bad in (FETCH_FAILED, STORAGE_OPERATION_FAILED)):
        yield _event(before, Severity.INFO, SUCCEEDED, message, artifact)
    elif is_requested(before):
        reason, text = NO_CHANGE, "no changes since last reconciliation: observed revision"
        if commit_message is not None:
            reason, text = UP_TO_DATE, "artifact up-to-date with remote revision:"
        yield _event(before, Severity.TRACE, reason, f"{text} '{artifact.revision}'")


def collected(repository: GitRepository, message: str) -> Event:
    """Return the event of artifacts that were deleted because nothing names them any more."""
    return _event(repository, Severity.TRACE, COLLECTED, message)


def corrupt(repository: GitRepository, artifact: Artifact) -> Event:
    """Return the event of a stored artifact that is not what it was."""
    message = f"failed to verify integrity of artifact: {artifact.path} is not what its digest says"
    return _event(repository, Severity.ERROR, VERIFICATION_FAILED, message)


def _event(
    repository: GitRepository,
    severity: Severity,
    reason: str,
    message: str,
    artifact: Artifact | None = None,
) -> Event:
    facts = {}
    if artifact is not None:
        facts = {events.REVISION: artifact.revision, events.DIGEST: artifact.digest}
    type_ = TYPES[Kind.GIT_REPOSITORY]
    return events.event(
        type_.api_version,
        type_.kind,
        repository.metadata,
        severity=severity,
        reason=reason,
        message=message,
        facts=facts,
    )
