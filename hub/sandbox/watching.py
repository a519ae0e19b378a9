"""Watches: the changes of a collection as events, with initial events and bookmarks where they are asked for."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from hub.sandbox.listing import OPTIONS, selector_of, too_new, version_asked
from hub.sandbox.refusals import Cause, Refused, expired, refused_options
from hub.sandbox.selectors import Selector
from hub.sandbox.storage import Change, Storage, TooOld
from hub.sandbox.traffic import Traffic
from hub.sandbox.wire import Request

BOOKMARK_S = 60.0
LAST_BOOKMARK_S = 2.0
"""How long before its end a watch has its last bookmark."""
DEFAULT_TIMEOUT_S = 1800.0
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is watched, and how an object is shown."""

    resource: Resource
    namespace: str
    selects: Selector
    name: str
    version: int
    has_initial_events: bool
    tells_end_of_initial: bool
    has_bookmarks: bool
    timeout_s: float
    shows: Callable[[Object], Object]

    def concerns(self, namespace: str, name: str) -> bool:
        return self.namespace in ("", namespace) and self.name in ("", name)


def watch_of(
    request: Request,
    resource: Resource,
    namespace: str,
    *,
    storage: Storage,
    shows: Callable[[Object], Object],
    name: str = "",
    selectable: tuple[str, ...] = (),
) -> Watch:
    """Read what a request wants to watch. Raises Refused."""
    try:
        version = version_asked(request)
    except Refused as problem:
        # Read deeper in a real server than where lists are refused.
        raise Refused(500, "", problem.message.removeprefix("invalid resource version: ")) from problem
    if version > storage.version:
        raise too_new(version, storage.version)
    wanted = request.asked("sendInitialEvents")
    _check_match(request.asked("resourceVersionMatch"), sends_initial=bool(wanted))
    has_bookmarks = request.is_asked("allowWatchBookmarks")
    sends = request.is_asked("sendInitialEvents")
    timeout = request.asked("timeoutSeconds")
    return Watch(
        resource=resource,
        namespace=namespace,
        selects=selector_of(request, resource, selectable),
        name=name,
        version=version or storage.version,
        has_initial_events=sends if wanted else not version,
        tells_end_of_initial=sends and has_bookmarks,
        has_bookmarks=has_bookmarks,
        timeout_s=float(timeout) if timeout.isdecimal() and int(timeout) else DEFAULT_TIMEOUT_S,
        shows=shows,
    )


def _check_match(match: str, *, sends_initial: bool) -> None:
    """Refuse a match of versions that goes with nothing, or its absence. Raises Refused."""

    def cause(reason: str, message: str) -> Cause:
        return Cause(reason=reason, message=message, field="resourceVersionMatch")

    found = []
    if sends_initial and match != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        found.append(cause("FieldValueForbidden", why))
    if match and not sends_initial:
        why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        found.append(cause("FieldValueForbidden", why))
    if match and match != "NotOlderThan":
        why = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
        found.append(cause("FieldValueNotSupported", why))
    if found:
        raise refused_options(OPTIONS, *found)


async def events(watch: Watch, storage: Storage, clock: Clock, traffic: Traffic) -> AsyncGenerator[Object]:
    """Yield the events of a watch until its time is over, or its kind is served no more. Raises Broken."""
    kind = (watch.resource.group, watch.resource.plural)
    with traffic.watching() as state:
        version, is_followed = watch.version, watch.has_initial_events
        if watch.has_initial_events:
            version = storage.version
            for known in _initial(watch, storage):
                yield known
        end_s = clock.monotonic_s() + watch.timeout_s
        bookmark_s = _next_bookmark_s(clock.monotonic_s(), end_s)
        while (left_s := end_s - clock.monotonic_s()) > 0 and not state.is_over:
            state.check()
            news = storage.news(kind)
            try:
                changes = storage.since(kind, version, is_followed=is_followed)
            except TooOld as problem:
                yield {"type": "ERROR", "object": expired(str(problem)).status}
                return
            is_followed = True
            for change in changes:
                version = change.version
                if (event := _event(watch, change)) is not None:
                    yield event
            if changes:
                continue
            # Nothing of this kind is newer than what every version up to now has.
            version = storage.version
            if not state.bookmarks:
                try:
                    async with asyncio.timeout(min(left_s, max(bookmark_s - clock.monotonic_s(), 0))):
                        await news.wait()
                    continue
                except TimeoutError:
                    version = storage.version
                if clock.monotonic_s() < bookmark_s:
                    continue
                bookmark_s = _next_bookmark_s(clock.monotonic_s(), end_s)
            state.bookmarks = 0
            if watch.has_bookmarks:
                yield _bookmark(watch, version)


def _initial(watch: Watch, storage: Storage) -> Iterator[Object]:
    """Yield what there is now as additions."""
    kind, version = (watch.resource.group, watch.resource.plural), storage.version
    for (namespace, name), value in storage.all(kind, watch.namespace):
        if watch.concerns(namespace, name) and watch.selects(value):
            yield {"type": "ADDED", "object": watch.shows(value)}
    if watch.tells_end_of_initial:
        yield _bookmark(watch, version, {_INITIAL_END: "true"})


def _next_bookmark_s(now_s: float, end_s: float) -> float:
    """Return when the next bookmark is due: every minute, and shortly before the end, after which there is none."""
    last_s = end_s - LAST_BOOKMARK_S
    return min(now_s + BOOKMARK_S, last_s) if last_s > now_s else math.inf


def _event(watch: Watch, change: Change) -> Object | None:
    """Return what a watch says of a change; an object that stops being selected is deleted to it."""
    if not watch.concerns(*change.place):
        return None
    before, after = change.before, change.after
    was = before is not None and watch.selects(before)
    if after is not None and watch.selects(after):
        return {"type": "MODIFIED" if was else "ADDED", "object": watch.shows(after)}
    if not was or before is None:
        return None
    last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(change.version)}}
    return {"type": "DELETED", "object": watch.shows(last)}


def _bookmark(watch: Watch, version: int, annotations: Mapping[str, str] | None = None) -> Object:
    metadata: Object = {"resourceVersion": str(version)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"type": "BOOKMARK", "object": watch.shows({"metadata": metadata})}
