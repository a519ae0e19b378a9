"""One session with the hub, over any Stream: what the hub wishes goes to the desk, what the reconciler reports goes up.

State: only what ends with the session. The order of safety: the term is saved before anything of the session is believed, an assignment is
on the desk before it is acknowledged and worked on, a tombstone is on the desk before anything is deleted.
"""

import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, assert_never

from agent.desk import ContentMissing, Desk, head_name, replace_assignment
from agent.kit.board import Board
from agent.kit.clock import Clock, Randomness
from agent.kit.errors import Stalled, Transient
from agent.kit.logs import bound
from agent.kit.reconcile import Backoff, Done, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.link.release import release
from agent.model.assignment import Assignment, HoldReason, Tombstone
from agent.model.content import EMPTY, BundleRef, Index, digest_of
from agent.model.head import Head
from agent.model.inventory import format_id
from agent.model.link import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    Ack,
    Alive,
    Assign,
    Down,
    Held,
    Hello,
    IndexDelta,
    Keep,
    Kept,
    Mark,
    Nack,
    NoticeAck,
    Refused,
    Resync,
    Stream,
    Up,
    Welcome,
)
from agent.model.names import ClusterId, Digest, HomeName
from agent.model.report import Report, Stage
from agent.notices import Notices

_LOG = logging.getLogger(__name__)


class SessionRefused(Transient):
    """The hub ended the session, or said something that this agent must not follow."""


class Content(Protocol):
    """Where blobs come from that are not on the desk."""

    async def fetch(self, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Return the blobs, each checked against its digest. Raises Transient."""
        ...


class Worker(Protocol):
    """Who works on what is on the desk."""

    def wake(self, home: HomeName) -> None:
        """The delivery's head changed."""
        ...

    def moved(self, home: HomeName, revision: str) -> None:
        """The delivery is at another revision of its source, which changes nothing in it."""
        ...

    def is_healthy(self, home: HomeName) -> bool:
        """Tell whether the Bundle on the desk was seen applied and healthy."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this agent is, and the UID of the namespace in which it lives."""

    cluster: ClusterId
    instance: str
    version: str
    kubernetes_version: str
    namespace_uid: str = ""


class Session:
    """A session from Hello to its end."""

    def __init__(
        self,
        me: Identity,
        *,
        desk: Desk,
        content: Content,
        worker: Worker,
        reports: Board[HomeName, Report],
        notices: Notices,
        clock: Clock,
        randomness: Randomness,
        telemetry: Telemetry | None = None,
    ) -> None:
        telemetry = telemetry or Telemetry()
        self._served = telemetry.gauge("cartwheel_hub_connected", "Whether a hub serves this agent.")
        self._me = me
        self._desk = desk
        self._content = content
        self._worker = worker
        self._reports = reports
        self._notices = notices
        self._clock = clock
        self._wishes: dict[HomeName, Assign | Tombstone | Keep] = {}
        self._taking: Loop[HomeName] = Loop(
            "desk",
            self._take,
            clock=clock,
            randomness=randomness,
            backoff=Backoff(first_s=0.5, last_s=15.0),
            workers=4,
            telemetry=telemetry,
            about=lambda home: {"delivery": str(home)},
        )
        self._loops = telemetry.loops
        self._stream: Stream[Up, Down] | None = None
        self.is_welcome = False

    async def run(self, stream: Stream[Up, Down]) -> None:
        """Serve until the hub ends the session. Raises Transient when it breaks, SessionRefused when it was refused."""
        self._stream = stream
        with bound(cluster_id=self._me.cluster):
            welcome = await self._greet(stream)
            self.is_welcome = True
            _LOG.info("session", extra={"term": welcome.term, "hub": welcome.hub_version})
            with self._served.track_inprogress():
                await self._serve(stream, welcome)

    async def _serve(self, stream: Stream[Up, Down], welcome: Welcome) -> None:
        async with Tasks() as tasks:
            tasks.start(self._taking.run(), name="desk")
            tasks.start(_while_it_lasts(self._say_reports(stream)), name="reports")
            tasks.start(_while_it_lasts(self._say_notices(stream)), name="notices")
            tasks.start(_while_it_lasts(self._say_alive(stream, welcome.alive_interval_s)), name="alive")
            hearing = tasks.start(self._hear(stream), name="hear")
            await tasks.run_until(hearing)

    async def _greet(self, stream: Stream[Up, Down]) -> Welcome:
        held = tuple(_held(head) for head in self._desk.held)
        homes = {one.home for one in held}
        kept = tuple(
            Kept(home=home, uid=head.assignment.uid)
            for home, head in self._desk.heads.items()
            if home not in homes
        )
        await stream.send(
            Hello(
                protocol=PROTOCOL,
                agent_version=self._me.version,
                kubernetes_version=self._me.kubernetes_version,
                term=self._desk.term,
                held=held,
                instance=self._me.instance,
                kept=kept,
                namespace_uid=self._me.namespace_uid,
            )
        )
        answer = await stream.receive()
        if isinstance(answer, Refused):
            raise SessionRefused(f"the hub refused the session: {answer.message}", reason=answer.reason)
        if not isinstance(answer, Welcome):
            raise SessionRefused("the hub did not welcome this agent", reason="NoWelcome")
        if not OLDEST_PROTOCOL <= answer.protocol <= PROTOCOL:
            raise SessionRefused(
                f"the hub speaks protocol {answer.protocol}, this agent {OLDEST_PROTOCOL} to {PROTOCOL}; upgrade the older one",
                reason="ProtocolUnknown",
            )
        if answer.term <= self._desk.term:
            raise SessionRefused(
                f"the hub opened term {answer.term}, but this cluster has seen {self._desk.term}: an old hub",
                reason="OldTerm",
            )
        await self._desk.save_term(answer.term)
        return answer

    async def _hear(self, stream: Stream[Up, Down]) -> None:
        while (message := await stream.receive()) is not None:
            match message:
                case Assign():
                    self._wish(_read(message).home, message)
                case Tombstone() | Keep():
                    self._wish(message.home, message)
                case Mark():
                    for home in message.homes:
                        self._worker.moved(home, message.revision)
                case NoticeAck():
                    self._notices.acknowledge(message.seq)
                case Refused():
                    raise SessionRefused(
                        f"the hub ended the session: {message.message}", reason=message.reason
                    )
                case Resync():
                    for report in self._reports.snapshot().values():
                        await stream.send(report)
                case Welcome():
                    raise SessionRefused("the hub welcomed this agent twice", reason="Malformed")
                case _:
                    assert_never(message)

    def _wish(self, home: HomeName, wish: Assign | Tombstone | Keep) -> None:
        self._wishes[home] = wish
        self._taking.mark(home)

    async def _take(self, home: HomeName) -> Outcome:
        wish = self._wishes.get(home)
        match wish:
            case Assign():
                await self._take_assignment(home, wish)
            case Tombstone():
                await self._take_tombstone(wish)
            case Keep():
                await self._take_hold(wish)
            case None:
                return Done()
        if self._wishes.get(home) is wish:
            del self._wishes[home]
        return Done()

    async def _take_assignment(self, home: HomeName, wish: Assign) -> None:
        assignment = _read(wish)
        try:
            self._check(assignment)
            old = self._desk.get(home)
            base, overlay = await self._indexes(assignment.bundle, wish, old)
            new = Head(
                raw_assignment=wish.assignment,
                signatures=wish.signatures,
                revision=wish.revision,
                base=base,
                overlay=overlay,
                traceparent=wish.traceparent,
            )
            blobs = await self._missing(new, wish, old)
            await self._save(home, new, blobs)
        except (Stalled, ValueError) as problem:
            reason = problem.reason if isinstance(problem, Stalled) else "Malformed"
            _LOG.error("assignment refused", extra={"reason": reason})
            await self._send(Nack(home=home, order=assignment.order, reason=reason, message=str(problem)))
            return
        self._forget_gone(home)
        self._worker.wake(home)
        await self._send(Ack(home=home, order=assignment.order, substance=assignment.substance))

    def _forget_gone(self, home: HomeName) -> None:
        """Drop the word that a delivery has left, now that it is here again: the next session would say it anew."""
        said = self._reports.get(home)
        if said is not None and said.stage is Stage.GONE:
            self._reports.drop(home)

    async def _save(self, home: HomeName, new: Head, blobs: Mapping[Digest, bytes]) -> None:
        """Save the head that follows what is on the desk now; content that was lost there is fetched again."""
        was_healthy = self._worker.is_healthy(home)
        head = replace_assignment(self._desk.get(home), new, was_healthy=was_healthy)
        try:
            await self._desk.save(head, blobs)
        except ContentMissing as missing:
            wanted = {entry.digest for entry in new.entries}
            lost = set(missing.digests)
            if not lost <= wanted:
                # What only the last healthy Bundle named is named by no assignment any more: the hub does not give it.
                head = replace(head, healthy=None, healthy_indexes=())
            fetched = await self._content.fetch(sorted(lost & wanted))
            await self._desk.save(head, {**blobs, **fetched})

    def _check(self, assignment: Assignment) -> None:
        if assignment.cluster != self._me.cluster:
            raise Stalled(
                f"an assignment for cluster {assignment.cluster} was sent to {self._me.cluster}",
                reason="OtherCluster",
            )
        old = self._desk.get(assignment.home)
        if old is not None and assignment.order < old.assignment.order:
            raise Stalled(
                f"{assignment.home}: {assignment.order} is older than {old.assignment.order} on the desk",
                reason="OlderOrder",
            )

    async def _indexes(self, wanted: BundleRef, wish: Assign, old: Head | None) -> tuple[bytes, bytes]:
        """Return both indexes of a Bundle: as held, made by the delta, or fetched."""
        have: dict[Digest, bytes] = {EMPTY.digest: EMPTY.encode()}
        for data in (old.base, old.overlay, *old.healthy_indexes) if old else ():
            have[digest_of(data)] = data
        if wish.delta is not None:
            for origin, delta in (
                (wish.delta.origin.base, wish.delta.base),
                (wish.delta.origin.overlay, wish.delta.overlay),
            ):
                if origin in have:
                    made = _changed(have[origin], delta)
                    have[digest_of(made)] = made
        missing = {wanted.base, wanted.overlay} - have.keys()
        if missing:
            have.update(await self._content.fetch(sorted(missing)))
        return have[wanted.base], have[wanted.overlay]

    async def _missing(self, new: Head, wish: Assign, old: Head | None) -> Mapping[Digest, bytes]:
        """Return the manifests that are not on the desk yet."""
        given = {digest_of(data): data for data in wish.inline}
        saved = old.needed() if old else frozenset()
        wanted = {entry.digest for entry in new.entries} - saved
        blobs = {digest: given[digest] for digest in wanted & given.keys()}
        if rest := wanted - blobs.keys():
            blobs.update(await self._content.fetch(sorted(rest)))
        return blobs

    async def _take_tombstone(self, wish: Tombstone) -> None:
        # What is not known here may be on the desk all the same, by a write that was not answered.
        await self._desk.make_certain()
        await self._desk.look_again()
        if head_name(wish.home) in self._desk.unreadable:
            raise Transient(
                f"{wish.home} is to leave, but what the desk holds of it cannot be read",
                reason="DeskUnreadable",
            )
        head = self._desk.get(wish.home)
        if head is not None and head.assignment.uid == wish.uid and not head.leaving:
            leaving = "delete" if wish.delete_objects else "keep"
            await self._desk.save(replace(head, leaving=leaving))
        self._worker.wake(wish.home)
        if head is None or head.assignment.uid != wish.uid:
            await self._send(Report.gone(self._me.cluster, wish.home, wish.uid, as_of=self._clock.now()))

    async def _take_hold(self, wish: Keep) -> None:
        head = self._desk.get(wish.home)
        if head is None:
            return
        # Only an assignment ends a release: a hub that has just started holds everything.
        if wish.hold.reason is HoldReason.RELEASED:
            await release(self._desk, self._worker, head, wish.hold.message)

    async def _send(self, message: Up) -> None:
        if self._stream is not None:
            await self._stream.send(message)

    async def _say_reports(self, stream: Stream[Up, Down]) -> None:
        with self._reports.reader() as reader:
            while True:
                for report in (await reader.next()).values():
                    if report is not None:
                        await stream.send(report)

    async def _say_notices(self, stream: Stream[Up, Down]) -> None:
        said = 0
        while True:
            for notice in await self._notices.after(said):
                await stream.send(notice)
                said = notice.seq

    async def _say_alive(self, stream: Stream[Up, Down], interval_s: float) -> None:
        while True:
            await self._clock.sleep(interval_s)
            if self._loops.problem:
                # What the hub last heard would stay true for it while nothing here moves any more.
                continue
            await stream.send(Alive(desk_root=self._desk.root))


async def _while_it_lasts(saying: Coroutine[Any, Any, None]) -> None:
    """Say things until the session breaks; whoever hears says why it did, since the last word of the hub may be a refusal."""
    try:
        await saying
    except Transient as problem:
        _LOG.debug("nothing more is said", extra={"reason": problem.reason})


def _read(wish: Assign) -> Assignment:
    try:
        return Assignment.decode(wish.assignment)
    except ValueError as problem:
        raise SessionRefused(
            f"the hub sent an assignment that this agent cannot read ({problem}); upgrade the older one",
            reason="Malformed",
        ) from problem


def _held(head: Head) -> Held:
    assignment = head.assignment
    return Held(
        home=assignment.home,
        uid=assignment.uid,
        candidate=assignment.candidate,
        bundle=assignment.bundle,
        substance=assignment.substance,
        order=assignment.order,
    )


def _changed(origin: bytes, delta: IndexDelta) -> bytes:
    """Return the bytes of an index after a delta."""
    removed = set(delta.removed)
    entries = {entry.ref: entry for entry in Index.decode(origin) if format_id(entry.ref) not in removed}
    entries.update({entry.ref: entry for entry in delta.set})
    return Index.of(entries.values()).encode()
