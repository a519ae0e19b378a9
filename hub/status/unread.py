"""Tells of resources that cannot be read, and takes it back when they can. Nothing else about them changes until they are corrected.

State: none of its own; what was told before is in the resource's status.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff, Done, Loop, Outcome
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from hub.model.conditions import Conditions
from hub.model.kinds import Kind
from hub.status.malformed import event_of_unread, message_of, status_of_unread, tells, without_malformed
from hub.store import Store


class Unread:
    """Follows all kinds. `run` until cancelled."""

    def __init__(
        self, store: Store, *, clock: Clock, randomness: Randomness, backoff: Backoff, telemetry: Telemetry
    ) -> None:
        self._store = store
        self._clock = clock
        self._loop: Loop[tuple[Kind, Key]] = Loop(
            "malformed",
            self._tell,
            clock=clock,
            randomness=randomness,
            backoff=backoff,
            workers=1,
            telemetry=telemetry,
            about=lambda subject: {"resource": f"{subject[0]}/{subject[1][0]}/{subject[1][1]}"},
        )

    async def run(self) -> None:
        """Tell of what cannot be read, now and when it changes."""
        for kind, collection in self._store.resources.items():
            collection.listen(self._marker(kind))
            for key in collection.keys:
                self._marker(kind)(key)
        await self._loop.run()

    def _marker(self, kind: Kind) -> Callable[[Key], None]:
        def changed(key: Key) -> None:
            collection = self._store.resources[kind]
            found = collection.readable(key)
            if key in collection.malformed or (found is not None and _was_malformed(found.conditions)):
                self._loop.mark((kind, key))

        return changed

    async def _tell(self, subject: tuple[Kind, Key]) -> Outcome:
        kind, key = subject
        collection = self._store.resources[kind]
        value = collection.unread(key)
        if value is None:
            await self._store.update_status(collection, key, _healed)
            return Done()
        problem = collection.malformed[key]
        status = status_of_unread(value, problem, self._clock.now())
        before = value.get("status") or {}
        if any(before.get(name) != part for name, part in status.items()):
            await self._store.write_unread(collection, key, status)
            if not tells(before, message_of(problem)):
                await self._store.record_event(event_of_unread(kind, value, problem))
        return Done()


def _healed(resource: Any) -> Any:
    conditions = without_malformed(resource.conditions)
    return msgspec.structs.replace(resource.status, conditions=conditions.items)


def _was_malformed(conditions: Conditions) -> bool:
    return without_malformed(conditions) != conditions
