"""The sources' part of the hub: which sources are due, and how their work reaches the store.

State: for each object the intent that was last acted on, so that the hub's own status writes wake nobody.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from hub.artifacts.contents import TreeDigest
from hub.mirror import Collection
from hub.model.events import Event
from hub.model.source import Source, SourceStatus
from hub.model.value import MalformedResource
from hub.sources.controller import SourceReconciler, SourceSettings
from hub.sources.intent import Intent, intent_of
from hub.sources.kind import S, SourceKind
from hub.sources.shelf import Shelf
from hub.store import Store
from hub.telemetry import ResourceMeter, about


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Times in seconds. A tree that no status names is kept for `tree_age_s`, in case a build still reads it."""

    sources: SourceSettings
    backoff: Backoff
    workers: int = 8
    sweep_interval_s: float = 3600.0
    tree_age_s: float = 3600.0


class StoredSecrets:
    """Where kinds read credentials, over the hub's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return await self._store.secret(namespace, name)

    async def pull_secrets(self, namespace: str, service_account: str) -> tuple[str, ...] | None:
        return await self._store.pull_secrets(namespace, service_account)


class StoredSources(Generic[S]):
    """The reconciler's store over the hub's, for one kind."""

    def __init__(self, store: Store, collection: Collection[S]) -> None:
        self._store = store
        self._collection = collection

    async def source(self, namespace: str, name: str) -> S | None:
        return self._collection.get((namespace, name))

    async def put_status(self, source: S, status: SourceStatus) -> S:
        key = (source.metadata.namespace, source.metadata.name)
        await self._store.update_status(self._collection, key, lambda _: status)
        # It may be gone, or another one of the same name, by now.
        return self._collection.get(key) or source

    async def put_finalizer(self, source: S, *, present: bool) -> None:
        key = (source.metadata.namespace, source.metadata.name)
        await self._store.set_finalizer(self._collection, key, present=present)

    async def record(self, event: Event) -> None:
        await self._store.record_event(event)


class SourceService:
    """Keeps every source of the given kinds reconciled; `run` until cancelled, once the store is complete."""

    def __init__(
        self,
        store: Store,
        kinds: Sequence[SourceKind[Any]],
        shelf: Shelf,
        *,
        clock: Clock,
        randomness: Randomness,
        settings: ServiceSettings,
        telemetry: Telemetry | None = None,
    ) -> None:
        telemetry = telemetry or Telemetry()
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._settings = settings
        self._kinds: list[_KindService[Any]] = []
        for kind in kinds:
            collection: Collection[Any] = store.sources[kind.kind]
            reconciler = SourceReconciler(
                kind,
                store=StoredSources(store, collection),
                shelf=shelf,
                clock=clock,
                randomness=randomness,
                settings=settings.sources,
                telemetry=telemetry,
            )
            loop: Loop[Key] = Loop(
                collection.resource.plural,
                _by_key(reconciler),
                clock=clock,
                randomness=randomness,
                backoff=settings.backoff,
                workers=settings.workers,
                telemetry=telemetry,
                meter=ResourceMeter(telemetry, kind.kind, collection.holds),
                about=about("source", kind.kind),
                allowance_s=_fetch_s(collection),
            )
            self._kinds.append(_KindService(collection, loop))

    @property
    def depth(self) -> int:
        """Return how many objects wait to be worked on now or later."""
        return sum(kind.loop.depth for kind in self._kinds)

    async def run(self) -> None:
        """Work until cancelled."""
        for kind in self._kinds:
            kind.begin()
        async with Tasks() as tasks:
            for kind in self._kinds:
                tasks.start(kind.loop.run(), name=kind.collection.resource.plural)
            tasks.start(self._sweep(), name="sweep-trees")
            await tasks.wait_for_failure()

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(self._settings.sweep_interval_s)
            if any(collection.malformed for collection in self._store.sources.values()):
                # Nobody can tell which tree one that cannot be read needs.
                continue
            artifacts = [
                found.status.artifact for collection in self._store.sources.values() for found in collection
            ]
            named = {TreeDigest(artifact.tree_digest) for artifact in artifacts if artifact is not None}
            await self._shelf.sweep(named - {""}, now=self._clock.now(), min_age_s=self._settings.tree_age_s)


class _KindService(Generic[S]):
    """The objects of one kind and the loop over them: wakes it when somebody asks for something else than before."""

    def __init__(self, collection: Collection[S], loop: Loop[Key]) -> None:
        self.collection = collection
        self.loop = loop
        self._acted_on: dict[Key, Intent] = {}

    def begin(self) -> None:
        """Mark everything, and from now on what changes."""
        self.collection.listen(self._changed)
        for key in self.collection.keys:
            self._changed(key)

    def _changed(self, key: Key) -> None:
        try:
            source = self.collection.get(key)
        except MalformedResource:
            # Worked on, so that the loop says what is wrong with it.
            self._acted_on.pop(key, None)
            self.loop.mark(key)
            return
        if source is None:
            self._acted_on.pop(key, None)
            self.loop.forget(key)
            return
        intent = intent_of(source)
        if self._acted_on.get(key) != intent:
            self._acted_on[key] = intent
            self.loop.mark(key)


def _by_key(reconciler: SourceReconciler[S]) -> Callable[[Key], Awaitable[Outcome]]:
    async def reconcile(key: Key) -> Outcome:
        return await reconciler.reconcile(*key)

    return reconcile


def _fetch_s(collection: Collection[S]) -> Callable[[Key], float]:
    """Return what tells how long a fetch may take, which is one wait."""

    def allowance_s(key: Key) -> float:
        found: Source | None = collection.readable(key)
        return found.spec.timeout.total_seconds() if found is not None else 0.0

    return allowance_s
