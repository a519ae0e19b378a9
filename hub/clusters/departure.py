"""How a removed Cluster goes: when its agent has let go of everything, or when an agent that is away need not be waited for any more.

State: when this hub began, so that an agent that has not come back yet is not taken for one that is away. What the agent is told to let go
of is said where deliveries are placed; that it may do nothing else is seen to where it is let in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from agent.kit.clock import Clock
from agent.kit.reconcile import Again, Backoff, Done, Outcome
from agent.kube.watch import Key
from agent.model.names import timestamp
from hub.model import annotations as names
from hub.model.cluster import REMOVED_UNREACHABLE, Cluster, ClusterStatus, Removal, shares_identity
from hub.model.durations import instant
from hub.model.events import Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.wish import Boards, Presence, present_in
from hub.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """`return_within_s` is how long an agent may take to come back before it counts as away."""

    backoff: Backoff
    return_within_s: float = 60.0
    certificate_lifetime: timedelta = timedelta(hours=24)
    workers: int = 2


class Departure:
    """Decides for each removed Cluster whether it may go."""

    def __init__(self, settings: ClusterSettings, store: Store, boards: Boards, *, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._boards = boards
        self._clock = clock
        self._began_s = clock.monotonic_s()

    async def let_go(self, key: Key, cluster: Cluster) -> Outcome:
        """Take the finalizer away when nothing is left to be said to the agent; else tell what is waited for."""
        if names.FINALIZER not in cluster.metadata.finalizers:
            return Done()
        if shares_identity(cluster, self._store.clusters):
            # What runs in that cluster and its agent are another's.
            await self._store.set_finalizer(self._store.clusters, key, present=False)
            return Done()
        presence = self._presence(cluster)
        if presence is not None and presence.connected:
            if present_in(cluster, self._boards):
                return Done()
            if cluster.conditions.is_true(REMOVED_UNREACHABLE):
                await self._tell(
                    cluster, Severity.INFO, "RemovedReturned", f"the agent came back; {_farewell(cluster)}"
                )
        elif cluster.status.certificate.key_fingerprint and cluster.removal is not Removal.FORGET:
            awaited_s = self._left_to_return_s(presence)
            if awaited_s <= 0:
                awaited_s = (self._end_of_certificate(cluster) - self._clock.now()).total_seconds()
                await self._tell_unreachable(key, cluster)
            if awaited_s > 0:
                return Again(after_s=awaited_s)
        await self._store.set_finalizer(self._store.clusters, key, present=False)
        if cluster.spec.id is not None:
            self._boards.presence.drop(cluster.spec.id)
        return Done()

    def _presence(self, cluster: Cluster) -> Presence | None:
        return self._boards.presence.get(cluster.spec.id) if cluster.spec.id is not None else None

    def _left_to_return_s(self, presence: Presence | None) -> float:
        """Return how much is left of the time to come back that every agent has, since it went or since this hub's start."""
        if presence is None:
            away_s = self._clock.monotonic_s() - self._began_s
        else:
            away_s = (self._clock.now() - presence.since).total_seconds()
        return self._settings.return_within_s - away_s

    def _end_of_certificate(self, cluster: Cluster) -> datetime:
        """Return when the agent hears no more than that its cluster is gone: its last certificate was issued before it was last seen."""
        status, presence = cluster.status, self._presence(cluster)
        seen = [instant(status.last_seen)] if status.last_seen else []
        seen += [presence.last_seen] if presence is not None else []
        ends = [one + self._settings.certificate_lifetime for one in seen]
        ends += [instant(status.certificate.not_after)] if status.certificate.not_after else []
        return max(ends, default=self._clock.now())

    async def _tell_unreachable(self, key: Key, cluster: Cluster) -> None:
        """Say once that the agent is away, and what happens when it comes back."""
        message = (
            f"removed while its agent was away, which is revoked: {_farewell(cluster)} when it comes back. It is waited for until its "
            f"certificate ends at {timestamp(self._end_of_certificate(cluster))}{_later(cluster)}; "
            f"`hub cluster remove {key[1]} --forget` does not wait for that"
        )

        told = cluster.conditions.get(REMOVED_UNREACHABLE)
        if told is not None and told.message == message:
            return

        def change(newest: Cluster) -> ClusterStatus:
            now = self._clock.now()
            conditions = newest.conditions.mark_true(
                REMOVED_UNREACHABLE, REMOVED_UNREACHABLE, message, now=now
            )
            return msgspec.structs.replace(newest.status, conditions=conditions.items)

        await self._tell(cluster, Severity.ERROR, REMOVED_UNREACHABLE, message)
        await self._store.update_status(self._store.clusters, key, change)

    async def _tell(self, cluster: Cluster, severity: Severity, reason: str, message: str) -> None:
        type_ = TYPES[Kind.CLUSTER]
        await self._store.record_event(
            event(
                type_.api_version,
                str(Kind.CLUSTER),
                cluster.metadata,
                severity=severity,
                reason=reason,
                message=message,
            )
        )


def _later(cluster: Cluster) -> str:
    """Say what becomes different when nobody waits any more: that it was removed is all that it hears then."""
    return ", after which it would delete nothing" if cluster.removal is Removal.PRUNE else ""


def _farewell(cluster: Cluster) -> str:
    """Say what the agent of a removed cluster does when it hears of that."""
    match cluster.removal:
        case Removal.PRUNE:
            return "it deletes what its deliveries brought there"
        case Removal.KEEP | Removal.FORGET:
            return "it leaves what runs there and guards it no more"
        case _:
            assert_never(cluster.removal)
