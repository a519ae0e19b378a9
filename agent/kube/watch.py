"""Follows a collection for ever: lists, watches, watches on where it was cut off, and lists anew when it must.

State: the objects' names and resourceVersions, so that what vanished between two lists is told as removed.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff
from agent.kube.api import Api, Change, Object, Resource
from agent.kube.errors import ApiError, Expired

_LOG = logging.getLogger(__name__)

SHORTEST_WATCH_S = 1.0
"""A watch that ends sooner is taken as failed, though the server ended it in good order."""

Key = tuple[str, str]
"""Namespace (empty for cluster scope) and name."""


class Sink(Protocol):
    """Who is told. Calls come in order, from one task."""

    def changed(self, value: Object) -> None:
        """An object is new or changed."""
        ...

    def removed(self, key: Key, last: Object | None) -> None:
        """An object is gone; `last` is as it was then, None when nobody saw it go."""
        ...

    def listed(self) -> None:
        """Everything that there is has been told."""
        ...


def key_of(value: Object) -> Key:
    """Return an object's namespace and name."""
    metadata = value["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def is_newer(version: str, known: str) -> bool:
    """Compare two resourceVersions of one object; numbers grow, and of anything else all that is known is whether they differ.

    Nothing is newer than anything.
    """
    if version.isdigit() and known.isdigit():
        return int(version) > int(known)
    return bool(version) and version != known


class Follower:
    """Follows one collection. `run` until cancelled; problems are retried for ever."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str = "",
        label_selector: str = "",
        clock: Clock,
        randomness: Randomness,
        backoff: Backoff,
    ) -> None:
        self._api = api
        self._resource = resource
        self._sink = sink
        self._namespace = namespace
        self._label_selector = label_selector
        self._clock = clock
        self._randomness = randomness
        self._backoff = backoff
        self._known: dict[Key, str] = {}
        self._position = ""
        self._failures = 0
        self.problem = ""
        """What hinders following, empty when nothing does."""

    async def run(self) -> None:
        while True:
            began_s = self._clock.monotonic_s()
            try:
                if not self._position:
                    await self._list()
                await self._watch()
                if self._clock.monotonic_s() - began_s < SHORTEST_WATCH_S:
                    # Something between ends watches at once; asking again at once would never stop.
                    self._failures += 1
                else:
                    self._works()
            except Expired:
                self._position = ""
                self._failures += 1
            except ApiError as problem:
                self._note(problem)
            if self._failures:
                await self._clock.sleep(self._backoff.delay_s(self._failures, self._randomness))

    def _note(self, problem: ApiError) -> None:
        self._failures += 1
        self.problem = str(problem)
        if self._failures > 1:
            # A watch that is cut off is usual; one that cannot be begun again is not.
            _LOG.warning(
                "watch failed",
                extra={
                    "resource": self._resource.plural,
                    "reason": problem.reason,
                    "error": str(problem),
                },
            )
        if problem.status in (403, 404):
            self._position = ""

    def _works(self) -> None:
        self.problem = ""
        self._failures = 0

    async def _list(self) -> None:
        listing = await self._api.list(self._resource, self._namespace, label_selector=self._label_selector)
        before, self._known = self._known, {}
        for value in listing.items:
            key, version = key_of(value), value["metadata"]["resourceVersion"]
            self._known[key] = version
            if before.pop(key, None) != version:
                self._sink.changed(value)
        for key in before:
            self._sink.removed(key, None)
        self._position = listing.resource_version
        self.problem = ""
        self._sink.listed()

    async def _watch(self) -> None:
        stream = self._api.watch(
            self._resource,
            self._namespace,
            resource_version=self._position,
            label_selector=self._label_selector,
        )
        async for event in stream:
            # Only what a watch brings shows that it works: one that was cut off after hours is a first failure again.
            self._works()
            version = event.object["metadata"]["resourceVersion"]
            match event.change:
                case Change.ADDED | Change.MODIFIED:
                    key = key_of(event.object)
                    self._known[key] = version
                    self._sink.changed(event.object)
                case Change.DELETED:
                    key = key_of(event.object)
                    self._known.pop(key, None)
                    self._sink.removed(key, event.object)
                case Change.BOOKMARK:
                    pass
            self._position = version


class Mirror:
    """A sink that keeps the objects. `on_change` is told each key that changed, `on_complete` once, when all there is has been told."""

    def __init__(
        self, on_change: "Notify | None" = None, on_complete: Callable[[], None] | None = None
    ) -> None:
        self._objects: dict[Key, Object] = {}
        self._on_change = on_change
        self._on_complete = on_complete
        self.is_complete = False

    @property
    def objects(self) -> Mapping[Key, Object]:
        return self._objects

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def changed(self, value: Object) -> None:
        key = key_of(value)
        before = self._objects.get(key)
        self._objects[key] = value
        if self._on_change is not None:
            self._on_change(key, before, value)

    def removed(self, key: Key, last: Object | None) -> None:
        before = self._objects.pop(key, None)
        if self._on_change is not None and before is not None:
            self._on_change(key, last, None)

    def listed(self) -> None:
        is_first, self.is_complete = not self.is_complete, True
        if is_first and self._on_complete is not None:
            self._on_complete()


class Notify(Protocol):
    """Who is told of a mirror's changes: the key, the object before, the object now.

    Of an object that is gone, `before` is as it was then, None when nobody saw it go.
    """

    def __call__(self, key: Key, before: Object | None, now: Object | None, /) -> None: ...
