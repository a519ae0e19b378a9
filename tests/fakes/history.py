"""The changes of a server in memory, and the watches that follow them.

State: the version that counts all writes, the changes since the last `compact`, and the open watches.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from agent.kube.api import Change, Object, Resource, WatchEvent
from agent.kube.errors import ApiError, Expired
from tests.fakes.rules import as_version, copied

FIRST_VERSION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happened:
    """One change in the history: the object before (None: new) and after (None: gone, `last` is how it went)."""

    version: int
    kind: tuple[str, str]
    before: Object | None
    after: Object | None
    last: Object


class _Watcher:
    """One open watch: woken by changes, ended by the server."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.ending: ApiError | None = None
        self.has_ended = False
        self.bookmarks = 0


class History:
    """Changes in order, by version."""

    def __init__(self) -> None:
        self.version = FIRST_VERSION
        self._compacted = FIRST_VERSION
        self._history: list[_Happened] = []
        self._watchers: set[_Watcher] = set()

    @property
    def watches(self) -> int:
        """Return how many watches are open."""
        return len(self._watchers)

    def step(self) -> str:
        """Return the version of the next change."""
        self.version += 1
        return str(self.version)

    def compact(self) -> None:
        """Forget the history: whoever watches on from an older resourceVersion is told Expired."""
        self._history.clear()
        self._compacted = self.version

    def end_watches(self, problem: ApiError | None = None) -> None:
        """End all open watches, quietly or by a problem."""
        for watcher in self._watchers:
            watcher.ending, watcher.has_ended = problem, True
            watcher.woken.set()

    def bookmark(self) -> None:
        """Send a bookmark on all open watches."""
        for watcher in self._watchers:
            watcher.bookmarks += 1
            watcher.woken.set()

    def tell(self, kind: tuple[str, str], before: Object | None, after: Object | None, last: Object) -> None:
        """Note a change that has the present version, and wake the watches."""
        self._history.append(
            _Happened(version=self.version, kind=kind, before=before, after=after, last=last)
        )
        for watcher in self._watchers:
            watcher.woken.set()

    async def watch(
        self,
        resource: Resource,
        namespace: str,
        *,
        resource_version: str,
        selects: Callable[[Object], bool],
        present: Callable[[], Iterable[Object]],
    ) -> AsyncIterator[WatchEvent]:
        """Yield what changes after a resourceVersion, for ever."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            if resource_version in ("", "0"):
                position = self.version
                for value in present():
                    if selects(value):
                        yield WatchEvent(change=Change.ADDED, object=value)
            else:
                position = int(resource_version)
            while True:
                if position < self._compacted:
                    text = f"too old resource version: {position} ({self._compacted})"
                    raise Expired(text, status=410, reason="Expired")
                now = self.version
                for happened in self._since(position, resource, namespace):
                    position = happened.version
                    if event := _event(happened, resource, selects):
                        yield event
                position = max(position, now)
                if watcher.bookmarks:
                    watcher.bookmarks -= 1
                    yield WatchEvent(change=Change.BOOKMARK, object=_bookmark(resource, position))
                    continue
                if watcher.has_ended:
                    if watcher.ending is not None:
                        raise watcher.ending
                    return
                watcher.woken.clear()
                await watcher.woken.wait()
        finally:
            self._watchers.discard(watcher)

    def _since(self, position: int, resource: Resource, namespace: str) -> Iterator[_Happened]:
        for happened in list(self._history):
            if happened.version <= position or happened.kind != (resource.group, resource.plural):
                continue
            if not namespace or happened.last["metadata"].get("namespace", "") == namespace:
                yield happened


def _event(happened: _Happened, resource: Resource, selects: Callable[[Object], bool]) -> WatchEvent | None:
    """Return what a watch says of a change; an object that stops being selected is deleted to it."""
    was = happened.before is not None and selects(happened.before)
    is_now = happened.after is not None and selects(happened.after)
    if not was and not is_now:
        return None
    change = Change.DELETED if not is_now else Change.MODIFIED if was else Change.ADDED
    value = copied(happened.last)
    if change is Change.DELETED and happened.before is not None:
        value = copied(happened.before)
        value["metadata"]["resourceVersion"] = str(happened.version)
    return WatchEvent(change=change, object=as_version(value, resource))


def _bookmark(resource: Resource, position: int) -> Object:
    metadata = {"resourceVersion": str(position), "creationTimestamp": None}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
