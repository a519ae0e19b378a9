"""Keeps what GitRepositories name fetched, stored and told of in their status.

One object at a time, from what the API server has: nothing is remembered between two calls but what is on the shelf. A poll that
finds nothing new costs one question to the remote and writes nothing. A failure keeps the artifact.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from agent.kit.clock import Clock, Randomness
from agent.kit.errors import Stalled, Transient
from agent.kit.reconcile import Again, Done, Outcome
from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE, Step
from hub.artifacts.storage import Presence
from hub.model.annotations import FINALIZER, TRACEPARENT
from hub.model.events import Event
from hub.model.fields import unsupported
from hub.model.gitrepository import (
    STORAGE_OPERATION_FAILED,
    Artifact,
    GitRepository,
    GitRepositoryStatus,
)
from hub.model.kinds import Kind
from hub.model.urls import without_userinfo
from hub.sources import news, verdict
from hub.sources.content_config import content_config_changed
from hub.sources.credentials import AuthOptions, InvalidCredentials, auth_options, refuse_unusable
from hub.sources.fetch import Fetched, GitRequest, Limits
from hub.sources.git_failure import GitFailure
from hub.sources.intent import is_requested
from hub.sources.kinds.git import Fetcher
from hub.sources.shelf import Shelf, directory_of
from hub.sources.verdict import Failure, SourceFailed


class SourceStore(Protocol):
    """What the reconciler needs of the API server. All raise Transient errors; a lost race is a conflict and is tried again."""

    async def git_repository(self, namespace: str, name: str) -> GitRepository | None:
        """Return the object, None when there is none."""
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's data, None when there is none."""
        ...

    async def put_status(self, repository: GitRepository, status: GitRepositoryStatus) -> GitRepository:
        """Write the status over the one that `repository` has; return the object as it is then."""
        ...

    async def put_finalizer(self, repository: GitRepository, *, present: bool) -> None:
        """Add the hub's finalizer, or take it away."""
        ...

    async def record(self, event: Event) -> None:
        """Tell of an event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`interval_scale` shortens the intervals of all resources; `jitter` spreads polls by that part of the interval."""

    interval_scale: float = 1.0
    jitter: float = 0.05
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What a pass ended with; `message` is the commit's when it was fetched."""

    artifact: Artifact
    message: str | None = None


class GitRepositoryReconciler:
    """The work on one GitRepository, for `agent.kit.reconcile.Loop`."""

    def __init__(
        self,
        *,
        store: SourceStore,
        fetcher: Fetcher,
        shelf: Shelf,
        clock: Clock,
        randomness: Randomness,
        settings: SourceSettings | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        telemetry = telemetry or Telemetry()
        self._tracer = telemetry.tracer
        self._fetches = telemetry.counter(
            "cartwheel_fetches", "Questions to a source's remote.", result=("new", "unchanged", "failed")
        )
        self._store = store
        self._fetcher = fetcher
        self._shelf = shelf
        self._clock = clock
        self._randomness = randomness
        self._settings = settings or SourceSettings()

    async def reconcile(self, namespace: str, name: str) -> Outcome:
        """Bring one object up to date. Raises Transient when it is to be tried again, Stalled when only a new spec helps."""
        repository = await self._store.git_repository(namespace, name)
        if repository is None:
            return Done()
        if repository.metadata.is_being_deleted:
            await self._release(repository)
            return Done()
        if FINALIZER not in repository.metadata.finalizers:
            await self._store.put_finalizer(repository, present=True)
            return Again(after_s=0)
        if repository.spec.suspend:
            await self._write(repository, verdict.suspended(repository))
            return Done()
        return await self._bring_up_to_date(repository)

    async def _bring_up_to_date(self, repository: GitRepository) -> Outcome:
        begun = verdict.begun(repository, now=self._clock.now())
        current = repository if begun is None else await self._store.put_status(repository, begun)
        presence = await self._presence(current)
        try:
            made = await self._make(current, presence)
        except SourceFailed as problem:
            await self._tell_failure(repository, current, problem.failure, presence)
            error = Stalled if problem.failure.is_final else Transient
            raise error(problem.failure.message, reason=problem.failure.reason) from problem
        await self._write(current, verdict.succeeded(current, made.artifact, now=self._clock.now()))
        await self._tell(news.succeeded(repository, made.artifact, made.message))
        collected = await self._shelf.collect(made.artifact, now=self._clock.now())
        if collected:
            await self._tell([news.collected(current, f"garbage collected {collected} artifacts")])
        return Again(after_s=self._interval_s(current))

    async def _make(self, repository: GitRepository, presence: Presence) -> _Made:
        """Return the artifact that the object should have, fetched if need be. Raises SourceFailed."""
        refusal = unsupported(Kind.GIT_REPOSITORY, repository.raw_spec)
        if refusal is not None:
            raise SourceFailed(
                Failure(reason=refusal.reason, message=refusal.message, condition="", is_final=True)
            )
        stored = repository.status.artifact
        is_right = presence is Presence.PRESENT and not content_config_changed(
            repository.spec, repository.status, ()
        )
        request = GitRequest(
            url=repository.spec.url,
            ref=repository.spec.ref,
            auth=await self._credentials(repository),
            timeout_s=repository.spec.timeout.total_seconds(),
            ignore=repository.spec.ignore,
            known=stored.revision if stored is not None and is_right else "",
            limits=self._settings.limits,
        )
        began = self._clock.now()
        with _storage_failures():
            async with self._shelf.folder() as folder:
                try:
                    found = await self._fetcher.fetch(request, folder)
                except GitFailure as problem:
                    self._fetches.labels("failed").inc()
                    raise SourceFailed(verdict.failure_of(problem)) from problem
                self._fetches.labels("new" if isinstance(found, Fetched) else "unchanged").inc()
                if isinstance(found, Fetched):
                    directory = self._directory(repository)
                    made = await self._shelf.put(directory, found, folder, now=self._clock.now())
                    if stored is not None and _is_same(made, stored):
                        made = stored
                    else:
                        made = self._traced(repository, made, began)
                    return _Made(artifact=made, message=found.message)
        assert stored is not None
        # The address of this hub may have changed since.
        return _Made(artifact=msgspec.structs.replace(stored, url=self._shelf.url(stored.path)))

    def _traced(self, repository: GitRepository, artifact: Artifact, began: datetime) -> Artifact:
        """Tell of a fetch that brought something new: a poll without news is no step of anything."""
        asked = repository.metadata.requested_trace if is_requested(repository) else NO_TRACE
        source = artifact.path.rpartition("/")[0]
        span = self._tracer.span(Step.FETCH, asked, began=began, source=source, revision=artifact.revision)
        span.end()
        if not span.traceparent:
            return artifact
        return msgspec.structs.replace(
            artifact, metadata={**artifact.metadata, TRACEPARENT: span.traceparent}
        )

    async def _credentials(self, repository: GitRepository) -> AuthOptions:
        url, data = repository.spec.url, await self._secret(repository)
        try:
            _ = urlsplit(url).port
        except ValueError as problem:
            message = f"failed to parse url '{without_userinfo(url)}': {problem}"
            raise SourceFailed(
                Failure(reason=verdict.URL_INVALID, message=message, is_final=True)
            ) from problem
        try:
            options = auth_options(url, data)
            refuse_unusable(options)
        except InvalidCredentials as problem:
            message = f"failed to configure authentication options: {problem}"
            raise SourceFailed(Failure(reason=verdict.AUTHENTICATION_FAILED, message=message)) from problem
        return options

    async def _secret(self, repository: GitRepository) -> Mapping[str, bytes]:
        reference = repository.spec.secret_ref
        if reference is None:
            return {}
        namespace = repository.metadata.namespace
        data = await self._store.secret(namespace, reference.name)
        if data is None:
            # Said twice by Flux, and looked for by people as it is.
            where = f"failed to get secret '{namespace}/{reference.name}': "
            message = f'{where}{where}secrets "{reference.name}" not found'
            raise SourceFailed(Failure(reason=verdict.AUTHENTICATION_FAILED, message=message))
        return data

    async def _presence(self, repository: GitRepository) -> Presence:
        artifact = repository.status.artifact
        # Others may write a status, too: what another object stored is neither this one's to check nor to remove.
        if artifact is None or not artifact.path.startswith(self._directory(repository) + "/"):
            return Presence.MISSING
        presence = await self._shelf.presence(artifact)
        if presence is Presence.CORRUPT:
            await self._tell([news.corrupt(repository, artifact)])
        return presence

    async def _release(self, repository: GitRepository) -> None:
        if FINALIZER not in repository.metadata.finalizers:
            return
        await self._shelf.remove(self._directory(repository))
        await self._tell([news.collected(repository, "garbage collected artifacts for deleted resource")])
        await self._store.put_finalizer(repository, present=False)

    async def _write(self, repository: GitRepository, status: GitRepositoryStatus) -> None:
        if status != repository.status:
            await self._store.put_status(repository, status)

    async def _tell_failure(
        self, before: GitRepository, current: GitRepository, failure: Failure, presence: Presence
    ) -> None:
        """Write the status, and the event when it is not the one that was told already."""
        is_stored = presence is Presence.PRESENT
        status = verdict.failed(current, failure, is_stored=is_stored, now=self._clock.now())
        await self._write(current, status)
        await self._tell(news.failed(before, failure))

    async def _tell(self, told: Iterable[Event]) -> None:
        for one in told:
            await self._store.record(one)

    def _directory(self, repository: GitRepository) -> str:
        return directory_of(Kind.GIT_REPOSITORY, repository.metadata.namespace, repository.metadata.name)

    def _interval_s(self, repository: GitRepository) -> float:
        settings = self._settings
        spread = self._randomness.uniform(1 - settings.jitter, 1 + settings.jitter)
        return repository.spec.interval.total_seconds() * settings.interval_scale * spread


def _is_same(made: Artifact, stored: Artifact) -> bool:
    """Tell whether an artifact was only made again, because the files were lost."""
    return (made.url, made.revision, made.digest, made.tree_digest) == (
        stored.url,
        stored.revision,
        stored.digest,
        stored.tree_digest,
    )


@contextlib.contextmanager
def _storage_failures() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        message = f"unable to archive artifact to storage: {problem.strerror or problem}"
        failure = Failure(
            reason=verdict.ARCHIVE_OPERATION_FAILED, message=message, condition=STORAGE_OPERATION_FAILED
        )
        raise SourceFailed(failure) from problem
