"""GitRepository: a repository to fetch, and what was fetched."""

from collections.abc import Mapping
from enum import StrEnum

from hub.model.metadata import LocalRef
from hub.model.source import Artifact, Source, SourceSpec, SourceStatus
from hub.model.value import Value, read


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


class GitRepositorySpec(SourceSpec, frozen=True, kw_only=True):
    """What the author wants. What is refused before anything is fetched is only in `GitRepository.raw_spec`."""

    url: str
    secret_ref: LocalRef | None = None
    provider: GitProvider = GitProvider.GENERIC
    ref: GitRef = GitRef()
    ignore: str | None = None
    include: tuple[Include, ...] = ()
    recurse_submodules: bool = False
    sparse_checkout: tuple[str, ...] = ()


class GitRepositoryStatus(SourceStatus, frozen=True, kw_only=True):
    """What was fetched, and from which content configuration."""

    included_artifacts: tuple[Artifact, ...] = ()
    observed_ignore: str | None = None
    observed_include: tuple[Include, ...] = ()
    observed_recurse_submodules: bool = False
    observed_sparse_checkout: tuple[str, ...] = ()


class GitRepository(Source, frozen=True, kw_only=True):
    """One GitRepository."""

    spec: GitRepositorySpec
    status: GitRepositoryStatus = GitRepositoryStatus()

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "GitRepository":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)
