"""What one kind of source is to the reconciler that all kinds share: where its content comes from, and how it is told of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from hub.model.kinds import Kind
from hub.model.source import FETCH_FAILED, Artifact, Source, SourceStatus
from hub.sources.fetch import Fetched, Unchanged

S = TypeVar("S", bound=Source)
S_contra = TypeVar("S_contra", bound=Source, contravariant=True)

AUTHENTICATION_FAILED = "AuthenticationFailed"
URL_INVALID = "URLInvalid"
ARCHIVE_OPERATION_FAILED = "ArchiveOperationFailed"


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


class Secrets(Protocol):
    """Where credentials are read. Raises Transient errors."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's data, None when there is none."""
        ...

    async def pull_secrets(self, namespace: str, service_account: str) -> tuple[str, ...] | None:
        """Return the names of a ServiceAccount's imagePullSecrets, None when there is no such account."""
        ...


class SourceKind(Protocol[S_contra]):
    """One kind. Knows its resources and its remotes; writes no status and stores nothing."""

    kind: Kind

    def is_as_configured(self, source: S_contra) -> bool:
        """Tell whether the stored artifact was made as the spec says now, whatever its revision."""
        ...

    async def fetch(self, source: S_contra, folder: Path, *, known: str) -> Fetched | Unchanged:
        """Write what the remote has into the folder, unless that is the known revision. Raises SourceFailed."""
        ...

    def observed(self, source: S_contra) -> SourceStatus:
        """Return the status with what the spec says of the content."""
        ...

    def stored(self, artifact: Artifact) -> str:
        """Return what ArtifactInStorage and Ready say of an artifact."""
        ...

    def news(self, source: S_contra, artifact: Artifact, fetched: Fetched | None) -> str:
        """Return what the event of a new artifact says; `fetched` is None when it was not fetched just now."""
        ...

    def unchanged(self, artifact: Artifact) -> tuple[str, str]:
        """Return reason and message of the event that answers a request when the remote has nothing new."""
        ...
