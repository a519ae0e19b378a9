"""The hub's end of one session, over any Stream: says to a cluster what is wished for it, hears what its agent reports.

State: only what ends with the session: what the agent holds, what it declined, and which wishes changed. A home name without a wish is not answered and
kept by the agent; nothing here ever takes silence for a deletion.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, assert_never

from agent.kit.board import Board
from agent.kit.clock import Clock
from agent.kit.errors import Transient
from agent.kit.logs import bound
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.model.assignment import Hold, HoldReason, Order, Tombstone, root_of
from agent.model.content import BundleRef, Index
from agent.model.inventory import format_id
from agent.model.link import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    Ack,
    Alive,
    Assign,
    Delta,
    Down,
    Held,
    Hello,
    IndexDelta,
    Keep,
    Mark,
    Nack,
    NoticeAck,
    Refused,
    Stream,
    Up,
    Welcome,
)
from agent.model.names import ClusterId, Digest, HomeName, timestamp
from agent.model.report import Notice, Report, Stage
from hub.gateway.allowance import Allowance, Exceeded
from hub.gateway.underway import Underway
from hub.model.wish import Assigned, Boards, Declined, Happening, PlacementKey, Presence, Wish

_LOG = logging.getLogger(__name__)

MAX_INLINE_BYTES = 64 << 10
MAX_INLINE_BLOB_BYTES = 16 << 10
MISSED_ALIVES = 3
"""So many intervals without a sign of life end a session."""


class Refusal(Transient):
    """The agent may not have a session, or has said what ends it. The reason and message are told to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who called, as its certificate says."""

    cluster: ClusterId
    fingerprint: str
    not_after: datetime


class Registry(Protocol):
    """What is known of clusters, and terms."""

    def check(self, peer: Peer) -> None:
        """Raise Refusal when the certificate is revoked, replaced, or its cluster unknown."""
        ...

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        """Store and return the session's term, higher than the agent's and all before. Raises Refusal, also for another cluster's agent."""
        ...


class Content(Protocol):
    """Where blobs come from."""

    def get(self, digest: Digest) -> bytes | None:
        """Return a blob's bytes, None when it is not there."""
        ...

    def kept(self, keeper: PlacementKey, digest: Digest) -> bytes | None:
        """Return a blob's bytes if it was wished for there, now or before the last change."""
        ...


class Session:
    """One session from the agent's Hello to its end."""

    def __init__(
        self,
        peer: Peer,
        *,
        registry: Registry,
        content: Content,
        boards: Boards,
        wishes: Board[HomeName, Wish],
        allowance: Allowance,
        clock: Clock,
        version: str,
        alive_interval_s: float,
        greeting_timeout_s: float,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._peer = peer
        self._registry = registry
        self._content = content
        self._boards = boards
        self._wishes = wishes
        self._allowance = allowance
        self._clock = clock
        self._version = version
        self._alive_interval_s = alive_interval_s
        self._greeting_timeout_s = greeting_timeout_s
        self._held: dict[HomeName, Held] = {}
        self._sent: dict[HomeName, Assigned] = {}
        self._orders: dict[HomeName, Order] = {}
        self._declined: dict[HomeName, int] = {}
        self._heard_s = clock.monotonic_s()
        self._doubts = 0
        self._alive_s = float("-inf")
        self._seq = 0
        self._underway = Underway(telemetry or Telemetry(), peer.cluster)
        self._presence: Presence | None = None

    async def run(self, stream: Stream[Down, Up]) -> None:
        """Serve until the agent leaves. A refusal is told to the agent and ends the session."""
        with bound(cluster_id=self._peer.cluster):
            await self._run(stream)

    async def _run(self, stream: Stream[Down, Up]) -> None:
        try:
            await self._serve(stream)
        except Refusal as refusal:
            _LOG.warning("session refused", extra={"reason": refusal.reason, "error": str(refusal)})
            # First: whoever is gone may not even be told.
            self._leave(str(refusal))
            await stream.send(Refused(reason=refusal.reason, message=str(refusal)))
        except BaseException:
            self._leave("")
            raise
        else:
            self._leave("")

    async def _serve(self, stream: Stream[Down, Up]) -> None:
        self._registry.check(self._peer)
        async with Tasks() as tasks:
            tasks.start(self._watch_life(), name="life")
            talking = tasks.start(self._talk(stream, tasks), name="talk")
            await tasks.run_until(talking)

    async def _talk(self, stream: Stream[Down, Up], tasks: Tasks) -> None:
        hello = await self._greet(stream)
        if hello is None:
            return
        tasks.start(self._say_wishes(stream), name="wishes")
        while (message := await stream.receive()) is not None:
            self._heard_s = self._clock.monotonic_s()
            try:
                self._hear(message)
            except Exceeded as problem:
                raise Refusal(str(problem), reason=problem.reason) from problem
            if isinstance(message, Notice):
                await stream.send(NoticeAck(seq=message.seq))
            elif isinstance(message, Ack) and (mark := self._late_mark(message.home)) is not None:
                await stream.send(mark)
            elif isinstance(message, Alive):
                for again in self._said_again():
                    await stream.send(again)

    async def _greet(self, stream: Stream[Down, Up]) -> Hello | None:
        hello = await stream.receive()
        if hello is None:
            return None
        if not isinstance(hello, Hello):
            raise Refusal("a session begins with Hello", reason="Malformed")
        if not OLDEST_PROTOCOL <= hello.protocol <= PROTOCOL + 1:
            raise Refusal(
                f"agent {hello.agent_version} speaks protocol {hello.protocol}, this hub {OLDEST_PROTOCOL} to {PROTOCOL}; "
                "upgrade the older one",
                reason="ProtocolUnknown",
            )
        term = await self._registry.begin_session(self._peer, hello)
        self._held = {held.home: held for held in hello.held}
        self._present(hello, term)
        await stream.send(
            Welcome(
                protocol=min(PROTOCOL, hello.protocol),
                hub_version=self._version,
                term=term,
                alive_interval_s=self._alive_interval_s,
            )
        )
        return hello

    def _present(self, hello: Hello, term: int) -> None:
        now = self._clock.now()
        self._presence = Presence(
            connected=True,
            since=now,
            last_seen=now,
            term=term,
            agent_version=hello.agent_version,
            kubernetes_version=hello.kubernetes_version,
            protocol=hello.protocol,
            key_fingerprint=self._peer.fingerprint,
            certificate_not_after=timestamp(self._peer.not_after),
            desk=frozenset(
                (
                    *((one.home, one.uid) for one in hello.held),
                    *((one.home, one.uid) for one in hello.kept),
                )
            ),
        )
        self._heard_s = self._clock.monotonic_s()
        self._boards.presence.put(self._peer.cluster, self._presence)

    def _leave(self, problem: str) -> None:
        """Say that the agent is gone, unless a newer session of the same cluster has taken its place."""
        self._underway.close()
        seen = self._boards.presence.get(self._peer.cluster)
        if self._presence is None or seen is None or seen.term != self._presence.term:
            return
        now = self._clock.now()
        self._boards.presence.put(
            self._peer.cluster, replace(self._presence, connected=False, since=now, problem=problem)
        )

    async def _watch_life(self) -> None:
        """End the session when the agent falls silent, its certificate is refused, or a newer session began."""
        tick_s = min(self._alive_interval_s, self._greeting_timeout_s, 2.0)
        while True:
            began_s = self._clock.monotonic_s()
            await self._clock.sleep(tick_s)
            now_s = self._clock.monotonic_s()
            self._registry.check(self._peer)
            # What came while this hub was held up it has not heard yet: else it would cut off all at once, and be held up by their return.
            self._heard_s = min(self._heard_s + max(now_s - began_s - tick_s, 0.0), now_s)
            silent_s = now_s - self._heard_s
            if self._presence is None:
                if silent_s > self._greeting_timeout_s:
                    raise Refusal("no Hello came in time", reason="Silent")
                continue
            if silent_s > self._alive_interval_s * MISSED_ALIVES:
                raise Refusal(f"nothing was heard for {silent_s:.0f} s", reason="Silent")
            self._check_newest()

    def _check_newest(self) -> None:
        newest = self._boards.presence.get(self._peer.cluster)
        if self._presence is not None and newest is not None and newest.term > self._presence.term:
            raise Refusal("a newer session of this cluster began", reason="Superseded")

    def _hear(self, message: Up) -> None:
        # What an old connection still brings must not cover what the newer session was told.
        self._check_newest()
        match message:
            case Ack():
                self._acknowledged(message)
            case Nack():
                refused = {"delivery": str(message.home), "reason": message.reason}
                _LOG.error("assignment refused by agent", extra=refused)
                self._decline(message)
            case Report() if self._is_outdated(message):
                _LOG.info("outdated word", extra={"delivery": str(message.home), "stage": message.stage})
            case Report():
                # The certificate names the cluster, whatever the report says.
                report = replace(message, cluster=self._peer.cluster)
                self._allowance.take_report(report)
                self._boards.reports.put((self._peer.cluster, message.home), report)
                self._forget_gone(message)
            case Notice():
                happening = Happening(cluster=self._peer.cluster, notice=message)
                key = (self._peer.cluster, self._presence.term if self._presence else 0, message.seq)
                self._allowance.take_notice(key)
                self._boards.happenings.put(key, happening)
            case Alive():
                self._note_life(message)
            case Hello():
                raise Refusal("a second Hello", reason="Malformed")
            case _:
                assert_never(message)

    def _decline(self, nack: Nack) -> None:
        """Keep in mind what the agent did not take, if it is what was sent last; it is said again after a while."""
        wish = self._sent.pop(nack.home, None)
        if wish is None or nack.order != self._orders.get(nack.home):
            return
        self._underway.answered(nack.home, problem=nack.reason)
        self._declined[nack.home] = 0
        declined = Declined(uid=wish.assignment.uid, reason=nack.reason, message=nack.message)
        self._boards.declined.put((self._peer.cluster, nack.home), declined)

    def _settle_declined(self, home: HomeName) -> None:
        self._declined.pop(home, None)
        self._boards.declined.drop((self._peer.cluster, home))

    def _said_again(self) -> list[Down]:
        """Return what was declined some signs of life ago: what hindered the agent may be over."""
        again: list[Down] = []
        for home in self._declined:
            self._declined[home] += 1
            if self._declined[home] >= MISSED_ALIVES:
                self._declined[home] = 0
                again += [one] if (one := self._message(home, self._wishes.get(home))) is not None else []
        return again

    def _acknowledged(self, ack: Ack) -> None:
        self._settle_declined(ack.home)
        wish = self._sent.get(ack.home)
        if wish is not None and wish.assignment.substance == ack.substance:
            self._underway.answered(ack.home)
            self._held[ack.home] = Held(
                home=ack.home,
                uid=wish.assignment.uid,
                candidate=wish.assignment.candidate,
                bundle=wish.assignment.bundle,
                substance=ack.substance,
                order=ack.order,
            )

    def _late_mark(self, home: HomeName) -> Mark | None:
        """Return the revision to which the source moved while the assignment was under way, None when it did not."""
        wish, sent = self._wishes.get(home), self._sent.get(home)
        if not isinstance(wish, Assigned) or sent is None or not self._is_in_step(home, wish):
            return None
        return Mark(revision=wish.revision, homes=(home,)) if wish.revision != sent.revision else None

    def _is_outdated(self, report: Report) -> bool:
        """Tell whether an agent says that a delivery left of one that was assigned anew since: the next tombstone is yet to be answered."""
        sent = self._sent.get(report.home)
        return report.stage is Stage.GONE and sent is not None and sent.assignment.uid == report.uid

    def _forget_gone(self, report: Report) -> None:
        held = self._held.get(report.home)
        if report.stage is Stage.GONE and held is not None and held.uid == report.uid:
            del self._held[report.home]
            self._sent.pop(report.home, None)

    def _forget_leaving(self, wish: Tombstone) -> None:
        """Note that the agent is told to let a delivery go: it counts as held no more, and who wishes it again has to say so in full."""
        held, sent = self._held.get(wish.home), self._sent.get(wish.home)
        if held is not None and held.uid == wish.uid:
            del self._held[wish.home]
        if sent is not None and sent.assignment.uid == wish.uid:
            del self._sent[wish.home]

    def _note_life(self, alive: Alive) -> None:
        """Note that the agent lives, not more often than was asked for: it costs by the number of deliveries, and the agent says how often."""
        now_s = self._clock.monotonic_s()
        if now_s - self._alive_s < self._alive_interval_s / 2:
            return
        self._alive_s = now_s
        self._compare(alive)
        if self._presence is not None:
            self._presence = replace(self._presence, last_seen=self._clock.now())
            self._boards.presence.put(self._peer.cluster, self._presence)

    def _compare(self, alive: Alive) -> None:
        """Compare what the agent holds with what it is believed to hold. In doubt for too long, the session starts anew."""
        believed = root_of({home: held.substance for home, held in self._held.items()})
        self._doubts = 0 if believed == alive.desk_root else self._doubts + 1
        if self._doubts > MISSED_ALIVES:
            raise Refusal("the agent's desk is not as the hub believes; say Hello anew", reason="OutOfStep")

    async def _say_wishes(self, stream: Stream[Down, Up]) -> None:
        with self._wishes.reader() as reader:
            while True:
                moved: dict[str, list[HomeName]] = {}
                for home, wish in (await reader.next()).items():
                    if not isinstance(wish, Assigned) or self._is_in_step(home, wish):
                        self._settle_declined(home)
                    if isinstance(wish, Assigned) and self._is_in_step(home, wish):
                        moved.setdefault(wish.revision, []).append(home)
                    elif (message := self._message(home, wish)) is not None:
                        await stream.send(message)
                for revision, homes in moved.items():
                    await stream.send(Mark(revision=revision, homes=tuple(homes)))

    def _is_in_step(self, home: HomeName, wish: Assigned) -> bool:
        """Tell whether the agent has this and nothing else is on its way to it."""
        held, sent = self._held.get(home), self._sent.get(home)
        substance = wish.assignment.substance
        is_held = held is not None and held.substance == substance
        return is_held and (sent is None or sent.assignment.substance == substance)

    def _message(self, home: HomeName, wish: Wish | None) -> Down | None:
        """Return what has to be said about a home name; nothing when the agent is in step."""
        held = self._held.get(home)
        match wish:
            case None:
                return None
            case Assigned():
                sent = self._sent.get(home)
                if sent is not None and sent.assignment.substance == wish.assignment.substance:
                    return None
                self._sent[home] = wish
                return self._assign(wish, held)
            case Tombstone():
                self._forget_leaving(wish)
                return wish
            case Hold():
                if wish.reason is HoldReason.RELEASED:
                    # The agent guards it no more: whoever wishes it again has to say so in full.
                    self._held.pop(home, None)
                    self._sent.pop(home, None)
                    return Keep(home=home, hold=wish)
                return Keep(home=home, hold=wish) if held is not None else None
            case _:
                assert_never(wish)

    def _assign(self, wish: Assigned, held: Held | None) -> Assign:
        delta = self._delta(wish, held.bundle) if held is not None else None
        if delta is not None:
            changed = (*delta.base.set, *delta.overlay.set)
        else:
            changed = wish.bundle.entries if held is None else ()
        # Stamped here: only a session's term tells which of two hubs is the newer.
        self._seq += 1
        term = self._presence.term if self._presence is not None else 0
        order = self._orders[wish.assignment.home] = Order(term, self._seq)
        return Assign(
            assignment=replace(wish.assignment, order=order).encode(),
            revision=wish.revision,
            traceparent=self._underway.send(wish),
            delta=delta,
            inline=self._inline(tuple(entry.digest for entry in changed)),
        )

    def _delta(self, wish: Assigned, origin: BundleRef) -> Delta | None:
        """Return the change from a Bundle whose indexes are still here, None when they are not: the agent fetches.

        The agent says what it holds. Only what was its own is told of: a difference to another cluster's index would name that one's objects.
        """
        place = (self._peer.cluster, wish.assignment.home)
        before = [self._content.kept(place, digest) for digest in (origin.base, origin.overlay)]
        if before[0] is None or before[1] is None:
            return None
        base, overlay = Index.decode(before[0]), Index.decode(before[1])
        return Delta(
            origin=origin,
            base=_difference(base, wish.bundle.base),
            overlay=_difference(overlay, wish.bundle.overlay),
        )

    def _inline(self, digests: tuple[Digest, ...]) -> tuple[bytes, ...]:
        """Return small blobs to send along; when there is much, none: bulk goes by Fetch."""
        blobs = [data for digest in digests if (data := self._content.get(digest)) is not None]
        small = [data for data in blobs if len(data) <= MAX_INLINE_BLOB_BYTES]
        return tuple(small) if sum(map(len, small)) <= MAX_INLINE_BYTES else ()


def _difference(before: Index, after: Index) -> IndexDelta:
    refs = {entry.ref for entry in after}
    return IndexDelta(
        set=tuple(sorted(set(after) - set(before))),
        removed=tuple(format_id(entry.ref) for entry in before if entry.ref not in refs),
    )
