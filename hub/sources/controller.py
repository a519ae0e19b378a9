"""Keeps what sources name fetched, stored and told of in their status, whatever their kind.

One object at a time, from what the API server has: nothing is remembered between two calls but what is on the shelf. A poll that
finds nothing new costs one question to the remote and writes nothing. A failure keeps the artifact.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol

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
from hub.model.source import STORAGE_OPERATION_FAILED, Artifact, SourceStatus
from hub.sources import news, verdict
from hub.sources.fetch import Fetched
from hub.sources.intent import is_requested
from hub.sources.kind import ARCHIVE_OPERATION_FAILED, Failure, S, SourceFailed, SourceKind
from hub.sources.shelf import Shelf, directory_of


class SourceStore(Protocol[S]):
    """What the reconciler needs of the API server. All raise Transient errors; a lost race is a conflict and is tried again."""

    async def source(self, namespace: str, name: str) -> S | None:
        """Return the object, None when there is none."""
        ...

    async def put_status(self, source: S, status: SourceStatus) -> S:
        """Write the status over the one that `source` has; return the object as it is then."""
        ...

    async def put_finalizer(self, source: S, *, present: bool) -> None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What a pass ended with; `fetched` is None when the remote had nothing new."""

    artifact: Artifact
    fetched: Fetched | None = None


class SourceReconciler(Generic[S]):
    """The work on one source, for `agent.kit.reconcile.Loop`."""

    def __init__(
        self,
        kind: SourceKind[S],
        *,
        store: SourceStore[S],
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
        self._kind = kind
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._randomness = randomness
        self._settings = settings or SourceSettings()

    async def reconcile(self, namespace: str, name: str) -> Outcome:
        """Bring one object up to date. Raises Transient when it is to be tried again, Stalled when only a new spec helps."""
        source = await self._store.source(namespace, name)
        if source is None:
            return Done()
        if source.metadata.is_being_deleted:
            await self._release(source)
            return Done()
        if FINALIZER not in source.metadata.finalizers:
            await self._store.put_finalizer(source, present=True)
            return Again(after_s=0)
        if source.spec.suspend:
            await self._write(source, verdict.suspended(source))
            return Done()
        return await self._bring_up_to_date(source)

    async def _bring_up_to_date(self, source: S) -> Outcome:
        begun = verdict.begun(source, now=self._clock.now())
        current = source if begun is None else await self._store.put_status(source, begun)
        presence = await self._presence(current)
        try:
            made = await self._make(current, presence)
        except SourceFailed as problem:
            await self._tell_failure(source, current, problem.failure, presence)
            error = Stalled if problem.failure.is_final else Transient
            raise error(problem.failure.message, reason=problem.failure.reason) from problem
        await self._write(current, self._succeeded(current, made.artifact))
        await self._tell(news.succeeded(self._kind, source, made.artifact, made.fetched))
        collected = await self._shelf.collect(made.artifact, now=self._clock.now())
        if collected:
            await self._tell(
                [news.collected(self._kind.kind, current, f"garbage collected {collected} artifacts")]
            )
        return Again(after_s=self._interval_s(current))

    async def _make(self, source: S, presence: Presence) -> _Made:
        """Return the artifact that the object should have, fetched if need be. Raises SourceFailed."""
        refusal = unsupported(self._kind.kind, source.raw_spec)
        if refusal is not None:
            raise SourceFailed(
                Failure(reason=refusal.reason, message=refusal.message, condition="", is_final=True)
            )
        stored = source.status.artifact
        is_right = presence is Presence.PRESENT and self._kind.is_as_configured(source)
        known = stored.revision if stored is not None and is_right else ""
        began = self._clock.now()
        with _storage_failures():
            async with self._shelf.folder() as folder:
                try:
                    found = await self._kind.fetch(source, folder, known=known)
                except SourceFailed:
                    self._fetches.labels("failed").inc()
                    raise
                self._fetches.labels("new" if isinstance(found, Fetched) else "unchanged").inc()
                if isinstance(found, Fetched):
                    directory = self._directory(source)
                    made = await self._shelf.put(directory, found, folder, now=self._clock.now())
                    if stored is not None and _is_same(made, stored):
                        made = stored
                    else:
                        made = self._traced(source, made, began)
                    return _Made(artifact=made, fetched=found)
        assert stored is not None
        # The address of this hub may have changed since.
        return _Made(artifact=msgspec.structs.replace(stored, url=self._shelf.url(stored.path)))

    def _succeeded(self, source: S, artifact: Artifact) -> SourceStatus:
        observed, message = self._kind.observed(source), self._kind.stored(artifact)
        return verdict.succeeded(source, observed, artifact, message, now=self._clock.now())

    def _traced(self, source: S, artifact: Artifact, began: datetime) -> Artifact:
        """Tell of a fetch that brought something new: a poll without news is no step of anything."""
        asked = source.metadata.requested_trace if is_requested(source) else NO_TRACE
        where = artifact.path.rpartition("/")[0]
        span = self._tracer.span(Step.FETCH, asked, began=began, source=where, revision=artifact.revision)
        span.end()
        if not span.traceparent:
            return artifact
        return msgspec.structs.replace(
            artifact, metadata={**artifact.metadata, TRACEPARENT: span.traceparent}
        )

    async def _presence(self, source: S) -> Presence:
        artifact = source.status.artifact
        # Others may write a status, too: what another object stored is neither this one's to check nor to remove.
        if artifact is None or not artifact.path.startswith(self._directory(source) + "/"):
            return Presence.MISSING
        presence = await self._shelf.presence(artifact)
        if presence is Presence.CORRUPT:
            await self._tell([news.corrupt(self._kind.kind, source, artifact)])
        return presence

    async def _release(self, source: S) -> None:
        if FINALIZER not in source.metadata.finalizers:
            return
        await self._shelf.remove(self._directory(source))
        await self._tell(
            [news.collected(self._kind.kind, source, "garbage collected artifacts for deleted resource")]
        )
        await self._store.put_finalizer(source, present=False)

    async def _write(self, source: S, status: SourceStatus) -> None:
        if status != source.status:
            await self._store.put_status(source, status)

    async def _tell_failure(self, before: S, current: S, failure: Failure, presence: Presence) -> None:
        """Write the status, and the event when it is not the one that was told already."""
        is_stored = presence is Presence.PRESENT
        status = verdict.failed(current, failure, is_stored=is_stored, now=self._clock.now())
        await self._write(current, status)
        await self._tell(news.failed(self._kind.kind, before, failure))

    async def _tell(self, told: Iterable[Event]) -> None:
        for one in told:
            await self._store.record(one)

    def _directory(self, source: S) -> str:
        return directory_of(self._kind.kind, source.metadata.namespace, source.metadata.name)

    def _interval_s(self, source: S) -> float:
        settings = self._settings
        spread = self._randomness.uniform(1 - settings.jitter, 1 + settings.jitter)
        return source.spec.interval.total_seconds() * settings.interval_scale * spread


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
            reason=ARCHIVE_OPERATION_FAILED, message=message, condition=STORAGE_OPERATION_FAILED
        )
        raise SourceFailed(failure) from problem
