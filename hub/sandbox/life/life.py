"""The life of one cluster: what scheduler, controllers and kubelet of a real one do, as far as people and health checks see it.

    tasks.start(Life(server, clock).run(), name="life")

State: the objects to look at, and when to look again. Whatever changes is looked at once, together with what depends on it; when
nothing changes nothing runs. A cluster without life is one in which this does not run.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping

from agent.kit.clock import Clock
from hub.sandbox.life import (
    claims,
    daemon_sets,
    deployments,
    endpoints,
    events,
    jobs,
    namespaces,
    pods,
    replica_sets,
    services,
    stateful_sets,
    volumes,
)
from hub.sandbox.life import kinds as of
from hub.sandbox.life.history import HISTORY, History
from hub.sandbox.life.related import related
from hub.sandbox.life.world import World
from hub.sandbox.refusals import Refused
from hub.sandbox.server import Server
from hub.sandbox.storage import Change, KindKey, Place

_LOG = logging.getLogger(__name__)
_AT_ONCE = 20
Key = tuple[KindKey, Place]
Keep = Callable[[World, Place], float | None]
"""Brings one object to where it should be now. Returns the seconds after which to look again, None when only a change is a reason."""

KEEPERS: Mapping[KindKey, Keep] = {
    of.NAMESPACES: namespaces.keep,
    of.DEPLOYMENTS: deployments.keep,
    of.REPLICA_SETS: replica_sets.keep,
    of.STATEFUL_SETS: stateful_sets.keep,
    of.DAEMON_SETS: daemon_sets.keep,
    of.JOBS: jobs.keep,
    of.PODS: pods.keep,
    of.SERVICES: services.keep,
    of.ENDPOINTS: endpoints.keep,
    of.CLAIMS: claims.keep,
    of.VOLUMES: volumes.keep,
    of.EVENTS: events.keep,
}


class Life:
    """Keeps the objects of one server alive as long as it runs. `authority` is the certificate by which clients know it (PEM)."""

    def __init__(self, server: Server, clock: Clock, *, authority: str = "") -> None:
        self._storage = server.storage
        self._world = World(server, clock, authority=authority)
        self._clock = clock
        self._keepers = {**KEEPERS, HISTORY[0]: History(server.storage).keep}
        self._dirty: OrderedDict[Key, None] = OrderedDict()
        self._due: dict[Key, float] = {}
        self._woken = asyncio.Event()

    @property
    def due_s(self) -> float | None:
        """Return how long it is until something happens by itself, None when nothing will."""
        first_s = min(self._due.values(), default=None)
        return None if first_s is None else max(first_s - self._clock.monotonic_s(), 0.0)

    async def run(self) -> None:
        """Follow the server until cancelled, beginning with all that is there."""
        self._storage.follow(self._heard)
        try:
            for kind in KEEPERS:
                for place, _ in self._storage.all(kind):
                    self._mark((kind, place))
            while True:
                await self._work()
                await self._wait()
        finally:
            self._storage.leave(self._heard)

    def _heard(self, kind: KindKey, change: Change) -> None:
        for key in related(kind, change, self._storage):
            self._mark(key)
        if HISTORY not in self._due:
            self._mark(HISTORY)

    def _mark(self, key: Key) -> None:
        self._dirty[key] = None
        self._woken.set()

    async def _work(self) -> None:
        """Look at all that changed and all that is due, in the order of the changes; others have their turn in between."""
        while self._has_more():
            for _ in range(min(len(self._dirty), _AT_ONCE)):
                self._look(self._dirty.popitem(last=False)[0])
            await self._clock.sleep(0)

    def _has_more(self) -> bool:
        now_s = self._clock.monotonic_s()
        for key in [key for key, due_s in self._due.items() if due_s <= now_s]:
            self._mark(key)
            del self._due[key]
        if not self._dirty:
            self._woken.clear()
        return bool(self._dirty)

    def _look(self, key: Key) -> None:
        kind, place = key
        try:
            after_s = self._keepers[kind](self._world, place)
        except Refused as refusal:
            # As by the namespace that leaves. What would change that is a change, which is heard.
            _LOG.info("life was refused", extra={"kind": kind[1], "place": place, "why": refusal.message})
            after_s = None
        if after_s is None:
            self._due.pop(key, None)
        else:
            self._due[key] = self._clock.monotonic_s() + max(after_s, 0.0)

    async def _wait(self) -> None:
        """Wait for a change, or until something is due."""
        try:
            async with asyncio.timeout(self.due_s):
                await self._woken.wait()
        except TimeoutError:
            return
