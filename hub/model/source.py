"""What all kinds of sources share: the stored artifact, and which conditions make a source Ready."""

from collections.abc import Mapping

from agent.kit.tracing import Traceparent, read_traceparent
from hub.model.annotations import TRACEPARENT
from hub.model.conditions import RECONCILING, STALLED, Condition, Conditions
from hub.model.durations import Duration
from hub.model.metadata import Metadata
from hub.model.outcome import SummaryRule
from hub.model.value import Value

FETCH_FAILED = "FetchFailed"
INCLUDE_UNAVAILABLE = "IncludeUnavailable"
SOURCE_VERIFIED = "SourceVerified"
ARTIFACT_OUTDATED = "ArtifactOutdated"
ARTIFACT_IN_STORAGE = "ArtifactInStorage"
STORAGE_OPERATION_FAILED = "StorageOperationFailed"

# In an artifact's metadata: the digest of the files themselves, whatever archive carries them.
TREE_DIGEST = "fleet.cartwheel.dev/tree-digest"
NO_TREE = "none"
"""In its place: the file is no archive of files, so nothing can be built from it."""

# Annotations of artifacts of registries: where they were made from.
ORIGIN_SOURCE = "org.opencontainers.image.source"
ORIGIN_REVISION = "org.opencontainers.image.revision"

READY_RULE = SummaryRule(
    types=(
        STORAGE_OPERATION_FAILED,
        FETCH_FAILED,
        INCLUDE_UNAVAILABLE,
        ARTIFACT_OUTDATED,
        ARTIFACT_IN_STORAGE,
        SOURCE_VERIFIED,
        STALLED,
        RECONCILING,
    ),
    negative=frozenset(
        {STORAGE_OPERATION_FAILED, FETCH_FAILED, INCLUDE_UNAVAILABLE, ARTIFACT_OUTDATED, STALLED, RECONCILING}
    ),
)


class Artifact(Value, frozen=True, kw_only=True):
    """A stored file with what a source fetched."""

    path: str
    url: str
    revision: str
    digest: str
    last_update_time: str
    size: int | None = None
    metadata: Mapping[str, str] = {}

    @property
    def tree_digest(self) -> str:
        """The identity of the content that deliveries are built from, empty for one that has none or is of another producer."""
        return "" if self.is_opaque else self.metadata.get(TREE_DIGEST, "")

    @property
    def is_opaque(self) -> bool:
        """Tell whether it is a file of which nothing can be built."""
        return self.metadata.get(TREE_DIGEST) == NO_TREE

    @property
    def origin_revision(self) -> str:
        """The revision that it was made from by whoever pushed it, empty when nobody says."""
        return self.metadata.get(ORIGIN_REVISION, "")

    @property
    def traceparent(self) -> Traceparent:
        """The trace that the content's way to the clusters is part of."""
        return read_traceparent(self.metadata.get(TRACEPARENT))


class SourceSpec(Value, frozen=True, kw_only=True):
    """What the author of a source wants, whatever its kind."""

    interval: Duration
    timeout: Duration = Duration(seconds=60)
    suspend: bool = False


class SourceStatus(Value, frozen=True, kw_only=True):
    """What was fetched, whatever the kind."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()
    artifact: Artifact | None = None
    last_handled_reconcile_at: str = ""


class Source(Value, frozen=True, kw_only=True):
    """One source of any kind; `raw_spec` is its spec as it came. A kind gives `spec` and `status` their own types."""

    metadata: Metadata
    spec: SourceSpec
    status: SourceStatus = SourceStatus()
    raw_spec: Mapping[str, object] = {}

    @property
    def conditions(self) -> Conditions:
        return Conditions(generation=self.metadata.generation, items=self.status.conditions)
