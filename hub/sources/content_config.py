"""Whether what decides a GitRepository's content, apart from the commit, differs from what the stored artifact was made of. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from hub.model.gitrepository import GitRepositorySpec, GitRepositoryStatus
from hub.model.source import Artifact
from hub.sources.revision import same_revision


def content_config_changed(
    spec: GitRepositorySpec, status: GitRepositoryStatus, included: Sequence[Artifact]
) -> bool:
    """Tell whether the artifact must be made anew although the commit is the same.

    `included` are the present artifacts of the included repositories, in the order of spec.include.
    """
    if spec.ignore != status.observed_ignore:
        return True
    if spec.recurse_submodules != status.observed_recurse_submodules:
        return True
    if spec.sparse_checkout != status.observed_sparse_checkout or spec.include != status.observed_include:
        return True
    recorded = status.included_artifacts
    if not len(spec.include) == len(included) == len(recorded):
        return True
    return any(
        not same_revision(now.revision, then.revision) or now.digest != then.digest
        for now, then in zip(included, recorded, strict=True)
    )


class ContentNeed(StrEnum):
    """Why an artifact has to be made, NONE when the stored one is right."""

    NONE = "none"
    FIRST = "first"
    NEWER = "newer"
    RECONFIGURED = "reconfigured"

    @property
    def is_new_revision(self) -> bool:
        """Tell whether the revision is one that is not stored."""
        return self in (ContentNeed.FIRST, ContentNeed.NEWER)


def content_need(*, revision: str, stored: Artifact | None, config_changed: bool) -> ContentNeed:
    """Tell whether what the remote has now must become an artifact."""
    if stored is None:
        return ContentNeed.FIRST
    if not same_revision(stored.revision, revision):
        return ContentNeed.NEWER
    return ContentNeed.RECONFIGURED if config_changed else ContentNeed.NONE
