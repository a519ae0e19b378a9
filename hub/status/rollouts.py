"""Says of Rollouts that people made that they are not read: the hub writes them itself.

State: none of its own.
"""

import msgspec

from agent.kit.clock import Clock, Randomness
from agent.kit.reconcile import Backoff, Done, Loop, Outcome
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from hub.model.conditions import READY
from hub.model.fields import unsupported
from hub.model.kinds import Kind
from hub.model.rollout import Rollout, RolloutStatus
from hub.status.news import stalled
from hub.store import Store
from hub.telemetry import about


class Rollouts:
    """Follows all Rollouts. `run` until cancelled."""

    def __init__(
        self, store: Store, *, clock: Clock, randomness: Randomness, backoff: Backoff, telemetry: Telemetry
    ) -> None:
        self._store = store
        self._clock = clock
        self._loop: Loop[Key] = Loop(
            "rollouts",
            self._tell,
            clock=clock,
            randomness=randomness,
            backoff=backoff,
            workers=1,
            telemetry=telemetry,
            about=about("rollout", Kind.ROLLOUT),
        )

    async def run(self) -> None:
        """Look at what is there, and at what changes."""
        self._store.rollouts.listen(self._loop.mark)
        for key in self._store.rollouts.keys:
            self._loop.mark(key)
        await self._loop.run()

    async def _tell(self, key: Key) -> Outcome:
        rollout = self._store.rollouts.readable(key)
        if rollout is None:
            return Done()
        if await self._store.update_status(self._store.rollouts, key, self._refused):
            after = self._store.rollouts.readable(key) or rollout
            for one in stalled(Kind.ROLLOUT, rollout.metadata, rollout.conditions, after.conditions):
                await self._store.record_event(one)
        return Done()

    def _refused(self, rollout: Rollout) -> RolloutStatus:
        refusal, now = unsupported(Kind.ROLLOUT, rollout.raw_spec), self._clock.now()
        if refusal is None:
            return rollout.status
        conditions = rollout.conditions.mark_false(READY, refusal.reason, refusal.message, now=now)
        conditions = conditions.mark_stalled(refusal.reason, refusal.message, now=now)
        return msgspec.structs.replace(rollout.status, conditions=conditions.items)
