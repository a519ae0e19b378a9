"""GitRepository: the files of a commit, fetched in processes of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from hub.model.gitrepository import GitRepository, GitRepositoryStatus
from hub.model.kinds import Kind
from hub.model.source import STORAGE_OPERATION_FAILED, Artifact
from hub.model.urls import without_userinfo
from hub.sources.content_config import content_config_changed
from hub.sources.credentials import AuthOptions, InvalidCredentials, auth_options, refuse_unusable
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import Failed, Fetched, GitRequest, Limits, Order, Unchanged
from hub.sources.kind import (
    ARCHIVE_OPERATION_FAILED,
    AUTHENTICATION_FAILED,
    URL_INVALID,
    Failure,
    Secrets,
    SourceFailed,
)
from hub.sources.revision import shorten_subject
from hub.sources.workers import Workers

GIT_OPERATION_FAILED = "GitOperationFailed"
EMPTY_GIT_REPOSITORY = "EmptyGitRepository"
NO_CHANGE = "GitOperationSucceeded"


class Fetcher(Protocol):
    """What gets the files that a reference stands for."""

    async def fetch(self, request: GitRequest, folder: Path) -> Fetched | Unchanged:
        """Write TREE_FILE and ARCHIVE_FILE into the folder unless nothing changed. Raises FetchFailure."""
        ...


class GitFetcher:
    """Fetches in processes of their own."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def fetch(self, request: GitRequest, folder: Path) -> Fetched | Unchanged:
        """Ask the remote, and fetch when it has something else than `request.known`. Raises FetchFailure."""
        answer = await self._workers.serve(Order(request=request, folder=str(folder)))
        if isinstance(answer, Failed):
            raise FetchFailure(answer.kind, answer.message)
        assert isinstance(answer, Fetched | Unchanged)
        return answer


class GitRepositories:
    """The kind GitRepository, for the reconciler of sources."""

    kind = Kind.GIT_REPOSITORY

    def __init__(self, fetcher: Fetcher, secrets: Secrets, limits: Limits | None = None) -> None:
        self._fetcher = fetcher
        self._secrets = secrets
        self._limits = limits or Limits()

    def is_as_configured(self, source: GitRepository) -> bool:
        """Tell whether what decides the content, apart from the commit, is as it was."""
        return not content_config_changed(source.spec, source.status, ())

    async def fetch(self, source: GitRepository, folder: Path, *, known: str) -> Fetched | Unchanged:
        """Fetch the commit that the reference stands for. Raises SourceFailed."""
        request = GitRequest(
            url=source.spec.url,
            ref=source.spec.ref,
            auth=await self._credentials(source),
            timeout_s=source.spec.timeout.total_seconds(),
            ignore=source.spec.ignore,
            known=known,
            limits=self._limits,
        )
        try:
            return await self._fetcher.fetch(request, folder)
        except FetchFailure as problem:
            raise SourceFailed(_failure_of(problem)) from problem

    def observed(self, source: GitRepository) -> GitRepositoryStatus:
        """Return the status with what decides the content."""
        spec = source.spec
        return msgspec.structs.replace(
            source.status,
            observed_ignore=spec.ignore,
            observed_include=spec.include,
            observed_recurse_submodules=spec.recurse_submodules,
            observed_sparse_checkout=spec.sparse_checkout,
            included_artifacts=(),
        )

    def stored(self, artifact: Artifact) -> str:
        """Return what the conditions say of an artifact."""
        return f"stored artifact for revision '{artifact.revision}'"

    def news(self, source: GitRepository, artifact: Artifact, fetched: Fetched | None) -> str:
        """Return the commit's subject for an event."""
        if fetched is None:
            return self.stored(artifact)
        return f"stored artifact for commit '{shorten_subject(fetched.message)}'"

    def unchanged(self, artifact: Artifact) -> tuple[str, str]:
        """Return what answers a request when there is no other commit."""
        return NO_CHANGE, f"no changes since last reconciliation: observed revision '{artifact.revision}'"

    async def _credentials(self, repository: GitRepository) -> AuthOptions:
        url, data = repository.spec.url, await self._secret(repository)
        try:
            _ = urlsplit(url).port
        except ValueError as problem:
            message = f"failed to parse url '{without_userinfo(url)}': {problem}"
            raise SourceFailed(Failure(reason=URL_INVALID, message=message, is_final=True)) from problem
        try:
            options = auth_options(url, data)
            refuse_unusable(options)
        except InvalidCredentials as problem:
            message = f"failed to configure authentication options: {problem}"
            raise SourceFailed(Failure(reason=AUTHENTICATION_FAILED, message=message)) from problem
        return options

    async def _secret(self, repository: GitRepository) -> Mapping[str, bytes]:
        reference = repository.spec.secret_ref
        if reference is None:
            return {}
        namespace = repository.metadata.namespace
        data = await self._secrets.secret(namespace, reference.name)
        if data is None:
            # Said twice by Flux, and looked for by people as it is.
            where = f"failed to get secret '{namespace}/{reference.name}': "
            message = f'{where}{where}secrets "{reference.name}" not found'
            raise SourceFailed(Failure(reason=AUTHENTICATION_FAILED, message=message))
        return data


def _failure_of(problem: FetchFailure) -> Failure:
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
