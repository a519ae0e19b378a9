"""What lives and is killed in a world: the hub, one that was replaced and does not know it, and the agents. Each judges what it hears and says."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from agent.apply.engine import Engine
from agent.apply.server import EngineSettings, Server
from agent.desk import Desk
from agent.health.assess import assess
from agent.kit.board import Board
from agent.kit.errors import CartwheelError, Transient
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.discovery import Discovery
from agent.link.session import Identity
from agent.link.session import Session as AgentSession
from agent.model.assignment import Hold, HoldReason, Tombstone
from agent.model.link import Ack, Alive, Down, Hello, Up, Welcome
from agent.model.names import ClusterId, Digest, HomeName
from agent.model.report import Report, Stage
from agent.notices import Notices
from agent.observer import Observer
from agent.reconciler.reconciler import Reconciler
from agent.reconciler.settings import ReconcilerSettings
from hub.gateway.router import Router
from hub.gateway.session import Content, Peer, Refusal, Registry
from hub.gateway.session import Session as HubSession
from hub.model.wish import Assigned, Boards
from tests.fakes.clock import START, SeededRandomness
from tests.fakes.line import Line
from tests.simulation.judge import ALIVE_S, QUICK, STUCK_S
from tests.simulation.place import AGENTS, Place, fingerprint
from tests.simulation.weather import Weather, messages
from tests.simulation.world import World


class HubProcess:
    """One life of a hub: its boards, and the sessions that it serves."""

    def __init__(self, world: World, content: Content) -> None:
        self._world = world
        self.content = content
        self.boards = Boards()
        self.router = Router(self.boards)
        self.tasks = Tasks()
        self._lines: list[Line] = []
        self.heard: dict[tuple[ClusterId, HomeName], int] = {}
        self.judged: dict[tuple[ClusterId, HomeName], Report] = {}

    def registry(self, place: Place) -> Registry:
        """Return what knows who may have a session, and its term."""
        raise NotImplementedError

    def open(self, place: Place, line: Line) -> None:
        """Serve a session."""
        self._lines.append(line)
        self.tasks.start(self._serve(place, line), name="session")

    def say(self, place: Place, home: HomeName) -> None:
        """Say what the world wishes, where that is told to the hub."""

    def forget(self, place: Place, home: HomeName) -> None:
        """Know nothing of a delivery for a while."""
        self.boards.wishes.drop((place.id, home))

    def end(self) -> None:
        """Be gone: who is connected notices."""
        self._world.hub = None
        for line in self._lines:
            line.cut()

    async def _serve(self, place: Place, line: Line) -> None:
        session = session_of(self._world, place, self, registry=self.registry(place))
        try:
            await session.run(line.hub)
        except CartwheelError:
            line.cut()
        await line.hub.close()

    async def _hear(self) -> None:
        """Hear what agents report."""
        places = {place.id: place for place in self._world.places}
        with self.boards.reports.reader() as reader:
            while True:
                for (cluster, _), report in (await reader.next()).items():
                    if report is not None:
                        self._world.judge.look()
                        self._note(places[cluster], report)

    def _note(self, place: Place, report: Report) -> None:
        """Take in what was reported."""


class Hub(HubProcess):
    """A hub that is told what to wish for."""

    def __init__(self, world: World) -> None:
        super().__init__(world, world.content)
        self._is_starting = True

    def registry(self, place: Place) -> Registry:
        return Terms(place)

    async def run(self) -> None:
        world = self._world
        async with self.tasks:
            self.tasks.start(self.router.run(), name="router")
            self.tasks.start(self._hear(), name="reports")
            # A hub that has just begun serves before it knows what is wished; of some deliveries it does not even know that they are.
            for place in world.places:
                for home in place.wishes:
                    if world.chance.random() < 0.5:
                        self.boards.wishes.put((place.id, home), Hold(reason=HoldReason.STARTING))
            world.hub = self
            try:
                await asyncio.sleep(world.chance.uniform(0.0, 6.0))
                self._is_starting = False
                for place in world.places:
                    for home in place.wishes:
                        self.say(place, home)
                await self.tasks.wait_for_failure()
            finally:
                world.ghost = Ghost(world, self)
                self.end()

    def say(self, place: Place, home: HomeName) -> None:
        """Say what is wished: of tombstones, which are stored until each was carried out, the oldest."""
        if self._is_starting:
            return
        wish, graves = place.wishes[home], place.graves.get(home)
        if isinstance(wish, Tombstone) and graves:
            wish = replace(wish, uid=graves[0])
        self.boards.wishes.put((place.id, home), wish)

    def _note(self, place: Place, report: Report) -> None:
        """Forget tombstones that were carried out, or whose delivery has a newer one in its place."""
        graves = place.graves.get(report.home, [])
        if report.stage is Stage.GONE:
            place.graves[report.home] = [uid for uid in graves if uid != report.uid]
        elif isinstance(place.wishes[report.home], Assigned):
            place.graves[report.home] = [uid for uid in graves if uid == report.uid]
        else:
            return
        if place.graves[report.home] != graves and isinstance(place.wishes[report.home], Tombstone):
            self.say(place, report.home)


class Ghost:
    """A hub that was replaced and does not know it: it serves on with the wishes and the terms that it had."""

    def __init__(self, world: World, hub: HubProcess) -> None:
        self._world = world
        self._terms = {place.id: place.term for place in world.places}
        self.content = hub.content
        self.boards = Boards()
        self.router = Router(self.boards)
        for (cluster, home), wish in hub.boards.wishes.snapshot().items():
            self.router.board(cluster).put(home, wish)

    def is_old(self, place: Place) -> bool:
        """Tell whether the agent has had a session with another hub since."""
        return place.seen_term > self._terms[place.id]

    def check(self, peer: Peer) -> None:
        return

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        return self._terms[peer.cluster] + 1

    def serve(self, place: Place, line: Line) -> Coroutine[Any, Any, None]:
        """Serve a session."""
        session = session_of(self._world, place, self, registry=self)
        return session.run(line.hub)


class Terms:
    """The terms of sessions as they are stored on Clusters."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def check(self, peer: Peer) -> None:
        if peer.fingerprint != fingerprint(self._place.key):
            raise Refusal("the certificate was revoked", reason="Revoked")

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        self._place.term = max(self._place.term, hello.term) + 1
        return self._place.term


def session_of(world: World, place: Place, hub: "HubProcess | Ghost", *, registry: Registry) -> HubSession:
    """Return a hub's end of a session."""
    return HubSession(
        Peer(
            cluster=place.id, fingerprint=fingerprint(place.agents_key), not_after=START + timedelta(days=90)
        ),
        registry=registry,
        content=hub.content,
        boards=hub.boards,
        wishes=hub.router.board(place.id),
        allowance=hub.router.allowance(place.id),
        clock=world.clock,
        version="0.1.0",
        alive_interval_s=ALIVE_S,
        greeting_timeout_s=5.0,
    )


class Agent:
    """One life of an agent."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place
        api = world.api(place, "agent", Weather(world, place))
        clock, randomness = world.clock, SeededRandomness(world.chance.randrange(1 << 30))
        self._randomness = randomness
        self._telemetry = Telemetry(stuck_after_s=STUCK_S)
        self._desk = Desk(api, AGENTS, acts=lambda: True)
        self._reports: Board[HomeName, Report] = Board()
        self._notices = Notices()
        discovery = Discovery(api, clock=clock)
        self._observer = Observer(
            api, discovery, namespace="", clock=clock, randomness=randomness, backoff=QUICK
        )
        server = Server(
            api=api,
            resolver=discovery,
            watched=self._observer,
            assess=assess,
            settings=EngineSettings(stage_poll_s=0.5),
            clock=clock,
        )
        self._reconciler = Reconciler(
            ReconcilerSettings(backoff=QUICK),
            desk=self._desk,
            engine=Engine(server),
            live=self._observer,
            reports=self._reports,
            notices=self._notices,
            clock=clock,
            randomness=randomness,
            telemetry=self._telemetry,
        )
        self._observer.worker = self._reconciler

    async def run(self) -> None:
        await self._desk.load()
        async with Tasks() as tasks:
            tasks.start(self._observer.run(), name="observer")
            tasks.start(self._reconciler.run(), name="reconciler")
            tasks.start(self._dial(), name="link")
            await tasks.wait_for_failure()

    async def fetch(self, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Ask the hub for content, under its rules."""
        world = self._world
        await asyncio.sleep(world.chance.uniform(0.0, 0.5))
        hub, line, wanted = world.hub, self._place.line, list(digests)
        if hub is None or line is None or not line.is_open:
            raise Transient("no answer", reason="UNAVAILABLE")
        if not all(hub.router.names(self._place.id, one) for one in wanted):
            raise Transient("no assignment names it", reason="NOT_FOUND")
        found = {one: hub.content.get(one) for one in wanted}
        if None in found.values():
            raise Transient("it is not here any more", reason="NOT_FOUND")
        return {one: data for one, data in found.items() if data is not None}

    async def _dial(self) -> None:
        place, world = self._place, self._world
        me = Identity(cluster=place.id, instance="pod", version="0.1.0", kubernetes_version="v1.36.3")
        while True:
            hub, ghost = world.hub, world.ghost
            if ghost is not None and ghost.is_old(place) and world.chance.random() < 0.3:
                await self._meet(ghost, me)
            elif hub is not None:
                line = self._line()
                place.line, place.cut_off_s = line, None
                hub.open(place, line)
                try:
                    await self._session(me).run(Judged(world, place, line))
                except CartwheelError:
                    pass
                finally:
                    place.cut()
                    # The hub may not notice, and what was under way comes all the same.
                    if world.is_calm or world.chance.random() < 0.4:
                        line.cut()
                    else:
                        line.abandon(lag_s=world.chance.uniform(0.0, 6.0))
            await asyncio.sleep(world.chance.uniform(0.2, 2.0))

    async def _meet(self, ghost: Ghost, me: Identity) -> None:
        """Come to an old hub, which is to be refused."""
        line = self._line()
        async with Tasks() as tasks:
            tasks.start(ghost.serve(self._place, line), name="ghost")
            with contextlib.suppress(CartwheelError, TimeoutError):
                async with asyncio.timeout(3.0):
                    await self._session(me).run(Judged(self._world, self._place, line))
            line.cut()

    def _session(self, me: Identity) -> AgentSession:
        return AgentSession(
            me,
            desk=self._desk,
            content=self,
            worker=self._reconciler,
            reports=self._reports,
            notices=self._notices,
            clock=self._world.clock,
            randomness=self._randomness,
            telemetry=self._telemetry,
        )

    def _line(self) -> Line:
        world, place = self._world, self._place
        return Line(messages(world, place, "up"), messages(world, place, "down"))


class Judged:
    """The agent's end of a line, with somebody who looks at what is said."""

    def __init__(self, world: World, place: Place, line: Line) -> None:
        self._world = world
        self._place = place
        self._line = line
        self._is_old = False
        self._term = 0

    async def send(self, message: Up) -> None:
        if isinstance(message, Ack):
            self._world.judge.acknowledged(self._place, message)
        if isinstance(message, Alive):
            self._world.judge.alive(self._place)
        self._place.seen_term = max(self._place.seen_term, self._term)
        if self._is_old:
            self._world.fail(f"{self._place.id} goes on in a session of an older term: {message}")
        if isinstance(message, Report):
            self._world.judge.said(self._place, message)
            self._place.said.append(replace(message, cluster=self._place.id))
        await self._line.agent.send(message)

    async def receive(self) -> Down | None:
        message = await self._line.agent.receive()
        if isinstance(message, Welcome):
            self._term = message.term
            self._is_old = message.term <= self._place.seen_term
        return message


class Process:
    """Something that is killed and started again. A failure that it does not know how to have is a defect."""

    def __init__(self, world: World, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._world = world
        self._begin = begin
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._begin()
            except CartwheelError:
                await asyncio.sleep(1.0)
            except Exception as defect:
                self._world.fail(f"a process died of {defect!r}")
                raise

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def restart(self, after_s: float) -> None:
        await self.kill()
        await asyncio.sleep(after_s)
        self._task = asyncio.create_task(self._run())
