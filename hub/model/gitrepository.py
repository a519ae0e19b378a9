"""GitRepository: a repository to fetch, what was fetched, and which conditions make it Ready."""

from collections.abc import Mapping
from enum import StrEnum

from agent.kit.tracing import Traceparent, read_traceparent
from hub.model.annotations import TRACEPARENT
from hub.model.conditions import RECONCILING, STALLED, Condition, Conditions
from hub.model.durations import Duration
from hub.model.metadata import LocalRef, Metadata
from hub.model.outcome import SummaryRule
from hub.model.value import Value, read

FETCH_FAILED = "FetchFailed"
INCLUDE_UNAVAILABLE = "IncludeUnavailable"
SOURCE_VERIFIED = "SourceVerified"
ARTIFACT_OUTDATED = "ArtifactOutdated"
ARTIFACT_IN_STORAGE = "ArtifactInStorage"
STORAGE_OPERATION_FAILED = "StorageOperationFailed"

# In an artifact's metadata: the digest of the files themselves, whatever archive carries them.
TREE_DIGEST = "fleet.cartwheel.dev/tree-digest"

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


class GitProvider(StrEnum):
    """Where credentials come from; GENERIC is the Secret of secretRef."""

    GENERIC = "generic"
    AWS = "aws"
    AZURE = "azure"
    GITHUB = "github"


class GitRef(Value, frozen=True, kw_only=True):
    """What to check out; the first that is not empty of commit, name, tag, semver, branch."""

    branch: str = ""
    tag: str = ""
    semver: str = ""
    name: str = ""
    commit: str = ""


class Include(Value, frozen=True, kw_only=True):
    """A directory of another repository's artifact, or of this one's when there is no repository."""

    repository: LocalRef | None = None
    from_path: str = ""
    to_path: str = ""


class GitRepositorySpec(Value, frozen=True, kw_only=True):
    """What the author wants. What is refused before anything is fetched is only in `GitRepository.raw_spec`."""

    url: str
    interval: Duration
    timeout: Duration = Duration(seconds=60)
    secret_ref: LocalRef | None = None
    provider: GitProvider = GitProvider.GENERIC
    ref: GitRef = GitRef()
    ignore: str | None = None
    include: tuple[Include, ...] = ()
    recurse_submodules: bool = False
    sparse_checkout: tuple[str, ...] = ()
    suspend: bool = False


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
        """The identity of the content that deliveries are built from, empty for an artifact of another producer."""
        return self.metadata.get(TREE_DIGEST, "")

    @property
    def traceparent(self) -> Traceparent:
        """The trace that the content's way to the clusters is part of."""
        return read_traceparent(self.metadata.get(TRACEPARENT))


class GitRepositoryStatus(Value, frozen=True, kw_only=True):
    """What was fetched, and from which content configuration."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()
    artifact: Artifact | None = None
    included_artifacts: tuple[Artifact, ...] = ()
    observed_ignore: str | None = None
    observed_include: tuple[Include, ...] = ()
    observed_recurse_submodules: bool = False
    observed_sparse_checkout: tuple[str, ...] = ()
    last_handled_reconcile_at: str = ""


class GitRepository(Value, frozen=True, kw_only=True):
    """One GitRepository; `raw_spec` is its spec as it came."""

    metadata: Metadata
    spec: GitRepositorySpec
    status: GitRepositoryStatus = GitRepositoryStatus()
    raw_spec: Mapping[str, object] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "GitRepository":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)

    @property
    def conditions(self) -> Conditions:
        return Conditions(generation=self.metadata.generation, items=self.status.conditions)
