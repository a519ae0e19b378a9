"""What is told of a source as events. Pure: the same words are told once, unless somebody asks anew."""

from collections.abc import Iterable

from hub.model import events
from hub.model.conditions import STALLED, SUCCEEDED
from hub.model.events import Event, Severity
from hub.model.kinds import TYPES, Kind
from hub.model.source import FETCH_FAILED, STORAGE_OPERATION_FAILED, Artifact, Source
from hub.sources.fetch import Fetched
from hub.sources.intent import is_requested
from hub.sources.kind import Failure, S, SourceKind

NEW_ARTIFACT = "NewArtifact"
UP_TO_DATE = "ArtifactUpToDate"
COLLECTED = "GarbageCollectionSucceeded"
VERIFICATION_FAILED = "ArtifactVerificationFailed"


def up_to_date(artifact: Artifact) -> tuple[str, str]:
    """Return reason and message of what was made again and is as it was."""
    return UP_TO_DATE, f"artifact up-to-date with remote revision: '{artifact.revision}'"


def failed(kind: Kind, before: Source, failure: Failure) -> Iterable[Event]:
    """Yield the event of a failure when it is not the one that the conditions told already."""
    told = before.conditions.get(failure.condition or STALLED)
    is_news = told is None or (told.reason, told.message) != (failure.reason, failure.message)
    if is_news or is_requested(before):
        yield _event(kind, before, Severity.ERROR, failure.reason, failure.message)


def succeeded(kind: SourceKind[S], before: S, artifact: Artifact, fetched: Fetched | None) -> Iterable[Event]:
    """Yield what is new about an artifact; `fetched` is None when the remote had nothing new."""
    earlier = before.status.artifact
    if earlier is None or earlier.digest != artifact.digest:
        message = kind.news(before, artifact, fetched)
        yield _event(kind.kind, before, Severity.INFO, NEW_ARTIFACT, message, artifact=artifact)
    elif any(before.conditions.is_true(bad) for bad in (FETCH_FAILED, STORAGE_OPERATION_FAILED)):
        message = kind.news(before, artifact, fetched)
        yield _event(kind.kind, before, Severity.INFO, SUCCEEDED, message, artifact=artifact)
    elif is_requested(before):
        reason, message = kind.unchanged(artifact) if fetched is None else up_to_date(artifact)
        yield _event(kind.kind, before, Severity.TRACE, reason, message)


def collected(kind: Kind, source: Source, message: str) -> Event:
    """Return the event of artifacts that were deleted because nothing names them any more."""
    return _event(kind, source, Severity.TRACE, COLLECTED, message)


def corrupt(kind: Kind, source: Source, artifact: Artifact) -> Event:
    """Return the event of a stored artifact that is not what it was."""
    message = f"failed to verify integrity of artifact: {artifact.path} is not what its digest says"
    return _event(kind, source, Severity.ERROR, VERIFICATION_FAILED, message)


def _event(
    kind: Kind,
    source: Source,
    severity: Severity,
    reason: str,
    message: str,
    *,
    artifact: Artifact | None = None,
) -> Event:
    facts = {}
    if artifact is not None:
        facts = {events.REVISION: artifact.revision, events.DIGEST: artifact.digest}
    type_ = TYPES[kind]
    return events.event(
        type_.api_version,
        type_.kind,
        source.metadata,
        severity=severity,
        reason=reason,
        message=message,
        facts=facts,
    )
