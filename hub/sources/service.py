"""The sources' part of the hub: which GitRepositories are due, and how their work reaches the store.

State: for each object the intent that was last acted on, so that the hub's own status writes wake nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from hub.artifacts.contents import TreeDigest
from hub.model.events import Event
from hub.model.gitrepository import GitRepository, GitRepositoryStatus
from hub.model.kinds import Kind
from hub.model.value import MalformedResource
from hub.sources.controller import GitRepositoryReconciler, SourceSettings
from hub.sources.intent import Intent, intent_of
from hub.sources.kinds.git import Fetcher
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


class StoredSources:
    """The reconciler's store over the hub's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def git_repository(self, namespace: str, name: str) -> GitRepository | None:
        return self._store.git_repositories.get((namespace, name))

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return await self._store.secret(namespace, name)

    async def put_status(self, repository: GitRepository, status: GitRepositoryStatus) -> GitRepository:
        key = (repository.metadata.namespace, repository.metadata.name)
        await self._store.update_status(self._store.git_repositories, key, lambda _: status)
        # It may be gone, or another one of the same name, by now.
        return self._store.git_repositories.get(key) or repository

    async def put_finalizer(self, repository: GitRepository, *, present: bool) -> None:
        key = (repository.metadata.namespace, repository.metadata.name)
        await self._store.set_finalizer(self._store.git_repositories, key, present=present)

    async def record(self, event: Event) -> None:
        await self._store.record_event(event)


class SourceService:
    """Keeps every GitRepository of the store reconciled; `run` until cancelled, once the store is complete."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
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
        self._acted_on: dict[Key, Intent] = {}
        self._reconciler = GitRepositoryReconciler(
            store=StoredSources(store),
            fetcher=fetcher,
            shelf=shelf,
            clock=clock,
            randomness=randomness,
            settings=settings.sources,
            telemetry=telemetry,
        )
        self._loop: Loop[Key] = Loop(
            "git-repositories",
            self._reconcile,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=settings.workers,
            telemetry=telemetry,
            meter=ResourceMeter(telemetry, Kind.GIT_REPOSITORY, store.git_repositories.holds),
            about=about("source", Kind.GIT_REPOSITORY),
            allowance_s=self._fetch_s,
        )

    @property
    def depth(self) -> int:
        """Return how many objects wait to be worked on now or later."""
        return self._loop.depth

    async def run(self) -> None:
        """Work until cancelled."""
        self._store.git_repositories.listen(self._changed)
        for key in self._store.git_repositories.keys:
            self._changed(key)
        async with Tasks() as tasks:
            tasks.start(self._loop.run(), name="git-repositories")
            tasks.start(self._sweep(), name="sweep-trees")
            await tasks.wait_for_failure()

    def _fetch_s(self, key: Key) -> float:
        """Return how long a fetch may take, which is one wait."""
        found = self._store.git_repositories.readable(key)
        return found.spec.timeout.total_seconds() if found is not None else 0.0

    async def _reconcile(self, key: Key) -> Outcome:
        return await self._reconciler.reconcile(*key)

    def _changed(self, key: Key) -> None:
        try:
            repository = self._store.git_repositories.get(key)
        except MalformedResource:
            # Worked on, so that the loop says what is wrong with it.
            self._acted_on.pop(key, None)
            self._loop.mark(key)
            return
        if repository is None:
            self._acted_on.pop(key, None)
            self._loop.forget(key)
            return
        intent = intent_of(repository)
        if self._acted_on.get(key) != intent:
            self._acted_on[key] = intent
            self._loop.mark(key)

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(self._settings.sweep_interval_s)
            if self._store.git_repositories.malformed:
                # Nobody can tell which tree one that cannot be read needs.
                continue
            artifacts = [found.status.artifact for found in self._store.git_repositories]
            named = {TreeDigest(artifact.tree_digest) for artifact in artifacts if artifact is not None}
            await self._shelf.sweep(named - {""}, now=self._clock.now(), min_age_s=self._settings.tree_age_s)
