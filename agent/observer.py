"""Watches what deliveries own: tells the reconciler of drift as it happens, and answers how an object is now.

State: per kind that anybody owns, a mirror of the objects that carry owner labels. Other objects are read from the API server when asked for.
An object that loses its labels is gone from the mirror, which is drift, too.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.api import Api, Object, Resource
from agent.kube.errors import ApiError, NotFound, UnknownKind
from agent.kube.resources import PODS
from agent.kube.watch import Follower, Key, Mirror, is_newer
from agent.model.jobs import has_ended, is_job
from agent.model.names import OWNER_NAME, HomeName, ObjectRef

_LOG = logging.getLogger(__name__)

_UNTOUCHED = frozenset({"metadata", "status"})
_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp")


_GLANCE_S = 0.05
_Kind = tuple[str, str, str]
"""Group, version, kind."""


class Worker(Protocol):
    """Who is told."""

    def touched(self, home: HomeName, ref: ObjectRef) -> None:
        """Something in an owned object changed, or it is gone."""
        ...

    def seen_unchanged(self, home: HomeName, ref: ObjectRef, before: str, now: str) -> None:
        """An owned object has a new resourceVersion, and nothing that an apply would look at changed."""
        ...

    def appeared(self, home: HomeName, ref: ObjectRef, now: str) -> None:
        """An owned object is seen for the first time, in this resourceVersion."""
        ...

    def health_changed(self, home: HomeName) -> None:
        """The status of an owned object changed."""
        ...


class Resolver(Protocol):
    """Which kinds the server serves."""

    async def resolve(self, group: str, version: str, kind: str) -> Resource:
        """Return a kind. Raises UnknownKind, ApiError."""
        ...


class Observer:
    """One follower per kind. `run` until cancelled; `worker` is set before."""

    def __init__(
        self,
        api: Api,
        resolver: Resolver,
        *,
        namespace: str,
        clock: Clock,
        randomness: Randomness,
        backoff: Backoff,
    ) -> None:
        self._api = api
        self._resolver = resolver
        self._namespace = namespace
        self._clock = clock
        self._randomness = randomness
        self._backoff = backoff
        self._tasks = Tasks()
        self._mirrors: dict[_Kind, Mirror] = {}
        self._followers: dict[_Kind, Follower] = {}
        self._owners: dict[ObjectRef, HomeName] = {}
        self._wanted: dict[HomeName, tuple[tuple[ObjectRef, str], ...]] = {}
        self._expected: dict[HomeName, tuple[ObjectRef, ...]] = {}
        self._missing: set[_Kind] = set()
        self._cut_short: set[ObjectRef] = set()
        self._changed = asyncio.Event()
        self.worker: Worker | None = None

    async def run(self) -> None:
        """Begin to follow kinds as they come to be owned."""
        async with self._tasks:
            self._tasks.start(self._try_missing(), name="missing-kinds")
            while True:
                self._changed.clear()
                for kind in sorted(self._kinds() - self._mirrors.keys()):
                    await self._begin(*kind)
                await self._changed.wait()

    async def _try_missing(self) -> None:
        """Look again from time to time for kinds that could not be followed; the others do not wait for them."""
        while True:
            await self._clock.sleep(self._backoff.last_s)
            if self._missing:
                self._missing.clear()
                self._changed.set()

    def follow(self, home: HomeName, refs: Iterable[tuple[ObjectRef, str]]) -> None:
        """Have these objects, with their versions, watched for a delivery, in place of those before."""
        refs = tuple(refs)
        self.expect(home, ())
        if self._wanted.get(home, ()) == refs:
            return
        for ref, _ in self._wanted.pop(home, ()):
            if self._owners.get(ref) == home:
                del self._owners[ref]
                self._cut_short.discard(ref)
        if refs:
            self._wanted[home] = refs
        self._owners.update({ref: home for ref, _ in refs})
        self._changed.set()

    def expect(self, home: HomeName, refs: Iterable[ObjectRef]) -> None:
        """Tell also of these objects, which are about to be made, where their kinds are watched: others may be quick to change them."""
        for ref in self._expected.pop(home, ()):
            if self._owners.get(ref) == home:
                del self._owners[ref]
        new = tuple(ref for ref in refs if ref not in self._owners)
        if new:
            self._expected[home] = new
            self._owners.update(dict.fromkeys(new, home))

    async def catch_up(self, home: HomeName, patience_s: float) -> None:
        """Wait until the watches for a delivery have told all that there is; those that are hindered are not waited for."""
        kinds = {_kind_of(ref, version) for ref, version in self._wanted.get(home, ())}
        until_s = self._clock.monotonic_s() + patience_s
        while not all(map(self._has_told, kinds)) and self._clock.monotonic_s() < until_s:
            await self._clock.sleep(_GLANCE_S)

    def _has_told(self, kind: _Kind) -> bool:
        mirror, follower = self._mirrors.get(kind), self._followers.get(kind)
        is_complete = mirror is not None and mirror.is_complete
        return is_complete or kind in self._missing or (follower is not None and follower.problem != "")

    async def get(self, ref: ObjectRef, version: str, *, at_least: str = "") -> Object | None:
        """Return an object as it is, none that is older than a resourceVersion, None when there is none. Raises ApiError, UnknownKind."""
        mirror = self._mirrors.get(_kind_of(ref, version))
        if ref in self._owners and mirror is not None and mirror.is_complete:
            found = mirror.get((ref.namespace, ref.name))
            if found is not None and not is_newer(at_least, found["metadata"]["resourceVersion"]):
                return found
        resource = await self._resolver.resolve(ref.group, version, ref.kind)
        try:
            return await self._api.get(resource, ref.namespace, ref.name)
        except NotFound:
            return None

    async def pods(self, namespace: str, selector: str) -> Sequence[Object]:
        """Return the Pods that labels select. Raises ApiError."""
        return (await self._api.list(PODS, namespace, label_selector=selector)).items

    def live(self, ref: ObjectRef, version: str) -> Object | None:
        """Return an object from the mirrors, None when they cannot say."""
        mirror = self._mirrors.get(_kind_of(ref, version))
        return mirror.get((ref.namespace, ref.name)) if mirror is not None and mirror.is_complete else None

    def was_cut_short(self, ref: ObjectRef) -> bool:
        """Tell whether an owned Job was seen to go before it had ended."""
        return ref in self._cut_short

    def _kinds(self) -> set[_Kind]:
        kinds = {_kind_of(ref, version) for refs in self._wanted.values() for ref, version in refs}
        return kinds - self._missing

    async def _begin(self, group: str, version: str, kind: str) -> None:
        try:
            resource = await self._resolver.resolve(group, version, kind)
        except (UnknownKind, ApiError) as problem:
            self._missing.add((group, version, kind))
            _LOG.info("not watched", extra={"kind": kind, "error": str(problem)})
            return
        if self._namespace and not resource.namespaced:
            self._missing.add((group, version, kind))
            return

        def told(key: Key, before: Object | None, now: Object | None) -> None:
            self._tell(group, kind, key, before, now)

        mirror = Mirror(told, lambda: self._tell_absent(group, version, kind))
        self._mirrors[(group, version, kind)] = mirror
        follower = Follower(
            self._api,
            resource,
            mirror,
            namespace=self._namespace,
            label_selector=OWNER_NAME,
            clock=self._clock,
            randomness=self._randomness,
            backoff=self._backoff,
        )
        self._followers[(group, version, kind)] = follower
        self._tasks.start(follower.run(), name=f"watch-{resource.plural}")

    def _tell(self, group: str, kind: str, key: Key, before: Object | None, now: Object | None) -> None:
        ref = ObjectRef(group, kind, *key)
        home = self._owners.get(ref)
        if home is None or self.worker is None:
            return
        if now is None:
            if before is not None and is_job(before) and not has_ended(before):
                self._cut_short.add(ref)
            self.worker.touched(home, ref)
        elif before is None:
            self._cut_short.discard(ref)
            self.worker.appeared(home, ref, now["metadata"]["resourceVersion"])
        elif substance(before) == substance(now):
            old, new = (value["metadata"]["resourceVersion"] for value in (before, now))
            self.worker.seen_unchanged(home, ref, old, new)
            self.worker.health_changed(home)
        else:
            self.worker.touched(home, ref)

    def _tell_absent(self, group: str, version: str, kind: str) -> None:
        """Tell of owned objects that are not there when their kind is first listed: they may have gone since they were looked at."""
        mirror = self._mirrors[(group, version, kind)]
        for home, refs in self._wanted.items():
            for ref, _ in refs:
                if (ref.group, ref.kind) != (group, kind) or mirror.get(
                    (ref.namespace, ref.name)
                ) is not None:
                    continue
                if self.worker is not None:
                    self.worker.touched(home, ref)


def _kind_of(ref: ObjectRef, version: str) -> _Kind:
    return ref.group, version, ref.kind


def substance(value: Object) -> Mapping[str, object]:
    """Return what an apply looks at: everything but status and the server's own bookkeeping."""
    metadata = value.get("metadata") or {}
    parts: dict[str, object] = {name: part for name, part in value.items() if name not in _UNTOUCHED}
    parts["metadata"] = {name: metadata.get(name) for name in _METADATA}
    return parts
