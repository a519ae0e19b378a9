"""Which commit of a remote a GitRepository asks for. Pure: works on what the remote advertises.

Of the fields of a reference the first that is set counts, in the order commit, name, tag, semver, branch (Flux's code, not its
documentation, which puts semver above tag).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from hub.model.gitrepository import GitRef
from hub.model.urls import without_userinfo
from hub.sources import revision, semver
from hub.sources.failure import FailureKind, FetchFailure

DEFAULT_BRANCH = "master"
PEELED = "^{}"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Strategy(StrEnum):
    """Which field of the reference decides."""

    COMMIT = "commit"
    NAME = "name"
    TAG = "tag"
    SEMVER = "semver"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRefs:
    """What a remote advertises: hashes by full name; an annotated tag's commit is under `NAME^{}`."""

    hashes: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        return not self.hashes

    def commit_of(self, name: str) -> str | None:
        """Return the hash of the commit that a name stands for, None when the remote does not have it."""
        return self.hashes.get(name + PEELED) or self.hashes.get(name)

    def tag_object_of(self, name: str) -> str:
        """Return the hash of the annotated tag's own object, empty for everything else."""
        return self.hashes.get(name, "") if name + PEELED in self.hashes else ""

    def tags(self) -> list[str]:
        """Return the short names of all tags."""
        prefix = "refs/tags/"
        return [
            name.removeprefix(prefix)
            for name in self.hashes
            if name.startswith(prefix) and not name.endswith(PEELED)
        ]

    def names_of(self, commit: str) -> list[str]:
        """Return the names that stand for a commit, branches first."""
        names = {name.removesuffix(PEELED) for name, found in self.hashes.items() if found == commit}
        return sorted(names - {"HEAD"}, key=lambda name: (not name.startswith("refs/heads/"), name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One commit of a remote and the reference it was found by (full name, empty for a bare commit)."""

    strategy: Strategy
    reference: str
    commit: str
    tag_object: str = ""
    is_absolute: bool = False

    @property
    def revision(self) -> str:
        """The revision as status and events show it; `is_absolute` keeps the reference's full name."""
        write = revision.absolute_revision if self.is_absolute else revision.short_revision
        return write(self.reference, self.commit)


def strategy(ref: GitRef) -> Strategy:
    """Tell which field of the reference decides."""
    if ref.commit:
        return Strategy.COMMIT
    if ref.name:
        return Strategy.NAME
    if ref.tag:
        return Strategy.TAG
    return Strategy.SEMVER if ref.semver else Strategy.BRANCH


def pinned(ref: GitRef) -> Resolved | None:
    """Return what a reference names without asking the remote: a commit. Raises FetchFailure for a malformed hash."""
    if not ref.commit:
        return None
    if not _COMMIT.fullmatch(ref.commit):
        raise FetchFailure(
            FailureKind.UNSUPPORTED,
            f"unable to resolve commit object for '{ref.commit}': spec.ref.commit must be a whole SHA-1 hash "
            "of 40 lower-case hexadecimal digits",
        )
    return Resolved(
        strategy=Strategy.COMMIT,
        reference=_commit_reference(ref),
        commit=ref.commit,
        is_absolute=bool(ref.name),
    )


def resolve(ref: GitRef, remote: RemoteRefs, url: str) -> tuple[Resolved, ...]:
    """Return the commit that a reference stands for; for semver, all tags of the highest precedence.

    Raises FetchFailure when the remote is empty or does not have it.
    """
    chosen = strategy(ref)
    if remote.is_empty and chosen is Strategy.BRANCH:
        raise FetchFailure(FailureKind.EMPTY_REPOSITORY, "git repository is empty")
    match chosen:
        case Strategy.COMMIT:
            found = pinned(ref)
            assert found is not None
            return (found,)
        case Strategy.NAME:
            return (_resolve_name(ref.name, remote),)
        case Strategy.TAG:
            return (_resolve_reference(chosen, f"refs/tags/{ref.tag}", remote, url),)
        case Strategy.SEMVER:
            return tuple(
                _resolve_reference(chosen, f"refs/tags/{tag}", remote, url)
                for tag in best_tags(ref.semver, remote.tags())
            )
        case Strategy.BRANCH:
            return (_resolve_reference(chosen, f"refs/heads/{ref.branch or DEFAULT_BRANCH}", remote, url),)
    assert_never(chosen)


def best_tags(constraint: str, tags: Iterable[str]) -> list[str]:
    """Return the tags of the highest version that satisfies the constraint: several when they differ in build metadata only.

    Raises FetchFailure when the constraint is malformed or nothing satisfies it.
    """
    try:
        wanted = semver.parse_constraint(constraint)
    except semver.InvalidConstraint as problem:
        message = f"semver parse error: {problem}"
        raise FetchFailure(FailureKind.REFERENCE_NOT_FOUND, message) from problem
    matching = [version for version in semver.full_versions(tags) if wanted.accepts(version)]
    if not matching:
        message = f"no match found for semver: {constraint}"
        raise FetchFailure(FailureKind.REFERENCE_NOT_FOUND, message)
    best = max(matching)
    return [version.original for version in matching if version == best]


def newest(candidates: Mapping[str, float]) -> str:
    """Return the candidate whose commit is the newest; of equally old ones the one that sorts last."""
    return max(candidates, key=lambda name: (candidates[name], name))


def repository_not_found_text(message: str, url: str) -> str:
    """Return Flux's text for a repository, or a reference of it, that is not there."""
    return f"{message}: git repository: '{without_userinfo(url)}'"


def reference_not_found(reference: str, url: str) -> FetchFailure:
    """Return the failure for a branch or tag that the remote does not have."""
    message = f'unable to clone: couldn\'t find remote ref "{reference}"'
    return FetchFailure(FailureKind.REFERENCE_NOT_FOUND, repository_not_found_text(message, url))


def _resolve_name(name: str, remote: RemoteRefs) -> Resolved:
    commit = remote.commit_of(name)
    if commit is None:
        message = f"unable to resolve ref '{name}' to a specific commit"
        raise FetchFailure(FailureKind.REFERENCE_NOT_FOUND, message)
    return Resolved(
        strategy=Strategy.NAME,
        reference=name,
        commit=commit,
        tag_object=remote.tag_object_of(name),
        is_absolute=True,
    )


def _resolve_reference(chosen: Strategy, reference: str, remote: RemoteRefs, url: str) -> Resolved:
    commit = remote.commit_of(reference)
    if commit is None:
        raise reference_not_found(reference, url)
    return Resolved(
        strategy=chosen, reference=reference, commit=commit, tag_object=remote.tag_object_of(reference)
    )


def _commit_reference(ref: GitRef) -> str:
    if ref.name:
        return ref.name
    return f"refs/heads/{ref.branch}" if ref.branch else ""
