"""A hub's gateway and two agents on one virtual time, with everything between them going wrong by a seed.

What survives a kill is what survives in truth: the clusters, the hub's wishes and terms, and its content. The world judges while it runs:
each deletion when it is asked for, each Ready report when the hub hears it, each hub's belief about who is connected every second.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from agent.apply.engine import Engine
from agent.apply.server import EngineSettings, Server
from agent.desk import Desk, _data, _unpack, head_name
from agent.health.assess import assess
from agent.kit.board import Board
from agent.kit.errors import CartwheelError, Transient
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.discovery import Discovery
from agent.kube.errors import NotFound, Unreachable
from agent.kube.resources import SECRETS
from agent.link.session import Identity
from agent.link.session import Session as AgentSession
from agent.model.assignment import Hold, HoldReason, Order, PruneLimit, Tombstone
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.link import Hello
from agent.model.names import ClusterId, Digest, HomeName
from agent.model.report import Report, Stage
from agent.notices import Notices
from agent.observer import Observer
from agent.reconciler.reconciler import Reconciler
from agent.reconciler.settings import ReconcilerSettings
from hub.gateway.router import Router
from hub.gateway.session import MISSED_ALIVES, Peer
from hub.gateway.session import Session as HubSession
from hub.model.wish import Assigned, Boards, Wish
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.wishes import OTHER, SPEC, WEB, Contents, assignment, blobs, bundle, config_map
from tests.fakes.clock import START, FakeClock, SeededRandomness
from tests.fakes.door import Call
from tests.fakes.kube import FakeCluster
from tests.fakes.line import Line

NAMESPACE = "cartwheel-system"
ALIVE_S = 3.0
BLIND_S = ALIVE_S * MISSED_ALIVES + 2.0 + 1.0 + 2.0
"""So long the hub may believe in an agent that is cut off: the silence it allows, its tick, ours, and what a message travels."""
QUICK = Backoff(first_s=0.3, last_s=4.0)
LIMIT = PruneLimit(percent=100.0, at_least=1000)


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Place:
    """One workload cluster, and what is true of it whoever runs."""

    id: ClusterId
    cluster: FakeCluster
    wishes: dict[HomeName, Wish] = field(default_factory=dict)
    objects: dict[HomeName, dict[str, str]] = field(default_factory=dict)
    issued: dict[Digest, tuple[HomeName, dict[str, str]]] = field(default_factory=dict)
    was_there: set[tuple[HomeName, str, str]] = field(default_factory=set)
    buried: set[tuple[HomeName, str]] = field(default_factory=set)
    graves: dict[HomeName, list[str]] = field(default_factory=dict)
    uids: dict[HomeName, int] = field(default_factory=dict)
    term: int = 0
    line: Line | None = None
    cut_off_s: float | None = None

    def cut(self) -> None:
        """Note that the agent is cut off from now on, unless it was already."""
        if self.cut_off_s is None:
            self.cut_off_s = asyncio.get_running_loop().time()

    def owned(self, home: HomeName) -> dict[str, str]:
        """Return the texts of the ConfigMaps that a delivery owns, by name."""
        return {
            one["metadata"]["name"]: one["data"]["text"]
            for one in self.cluster.list(CONFIG_MAPS, "apps").items
            if (one["metadata"].get("labels") or {}).get("kustomize.toolkit.fluxcd.io/name") == home.name
        }

    def head(self, home: HomeName) -> Head | None:
        """Return what the cluster's desk durably says."""
        try:
            return Head.decode(_unpack(_data(self.cluster.get(SECRETS, NAMESPACE, head_name(home)), "head")))
        except NotFound:
            return None


class World:
    """Everything, for one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock()
        self.is_calm = False
        self.content = Contents()
        self.places = [self._place(ClusterId(f"cluster-{number}")) for number in (1, 2)]
        self.hub: Hub | None = None
        self.broken: list[str] = []

    def _place(self, id_: ClusterId) -> Place:
        place = Place(id=id_, cluster=FakeCluster(self.clock))
        for namespace in (NAMESPACE, "apps"):
            place.cluster.add_namespace(namespace)
        place.cluster.interference = Weather(self, place)
        return place

    def wish(self, place: Place, home: HomeName) -> None:
        """Wish for something else: other objects, or that the delivery goes, or a new one of the name."""
        roll = self.chance.random()
        current = place.wishes.get(home)
        if isinstance(current, Assigned) and roll < 0.25:
            uid = current.assignment.uid
            place.wishes[home] = Tombstone(home=home, uid=uid, delete_objects=True)
            place.buried.add((home, uid))
            place.graves.setdefault(home, []).append(uid)
            place.objects[home] = {}
        else:
            if not isinstance(current, Assigned):
                place.uids[home] = place.uids.get(home, 0) + 1
            self._assign(place, home, f"{home.name}-uid-{place.uids[home]}")
        if self.hub is not None:
            self.hub.say(place, home)

    def _assign(self, place: Place, home: HomeName, uid: str) -> None:
        names = [f"{home.name}-{number}" for number in range(4) if self.chance.random() < 0.6] or [
            f"{home.name}-0"
        ]
        others = [texts for other, texts in place.objects.items() if other != home]
        if self.chance.random() < 0.4 and not any("shared" in texts for texts in others):
            names.append("shared")
        manifests = [config_map(name, str(self.chance.randrange(3)), home) for name in names]
        wished = bundle(manifests)
        self.content.update(blobs(manifests))
        self.content[wished.base.digest] = wished.base.encode()
        self.content[wished.overlay.digest] = wished.overlay.encode()
        spec = replace(SPEC, wait=self.chance.random() < 0.5)
        made = assignment(
            manifests, home=home, uid=uid, order=Order(0, 0), cluster=place.id, prune_limit=LIMIT, spec=spec
        )
        place.wishes[home] = Assigned(assignment=made, bundle=wished, revision="main@sha1:1")
        place.objects[home] = {one.ref.name: _text(one) for one in manifests}
        place.issued[wished.digest] = (home, place.objects[home])

    def fail(self, text: str) -> None:
        self.broken.append(f"at {self.clock.monotonic_s():.1f} s: {text}")


class Weather:
    """What befalls the requests of an agent, and who looks at what they do."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place

    async def before(self, call: Call) -> None:
        # When it is asked for: what comes to the desk while a request travels cannot call it back.
        if call.verb == "delete" and call.resource == "configmaps" and call.user == "agent":
            self._judge_deletion(call.name)
        await self._trouble(call)

    async def after(self, call: Call) -> None:
        if call.writes and call.resource == "configmaps":
            for home in (WEB, OTHER):
                owned = self._place.owned(home)
                self._place.was_there.update((home, name, text) for name, text in owned.items())
        await self._trouble(call)

    async def _trouble(self, call: Call) -> None:
        chance = self._world.chance
        if self._world.is_calm or call.verb == "watch":
            return
        if chance.random() < 0.1:
            await asyncio.sleep(chance.uniform(0.0, 0.5))
        if chance.random() < 0.02:
            raise Unreachable(f"{call.verb} {call.name}: no answer")

    def _judge_deletion(self, name: str) -> None:
        """A deletion needs a durable reason: a delivery that leaves by a tombstone, or a Bundle that does not list the object."""
        place = self._place
        try:
            live = place.cluster.get(CONFIG_MAPS, "apps", name)
        except NotFound:
            return
        labels = live["metadata"].get("labels") or {}
        owner = HomeName("Kustomization", "apps", labels.get("kustomize.toolkit.fluxcd.io/name", ""))
        if owner not in (WEB, OTHER):
            self._world.fail(f"{name}, which nobody owns, is to be deleted")
        for home in (WEB, OTHER):
            head = place.head(home)
            if head is None:
                continue
            is_listed = any(entry.ref.name == name for entry in head.entries)
            if is_listed and not head.leaving:
                self._world.fail(f"{name}, which {home} on the desk names, is to be deleted")
            if head.leaving and (home, head.assignment.uid) not in place.buried:
                self._world.fail(f"{home} leaves without a tombstone")


class Hub:
    """One life of the hub."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.boards = Boards()
        self.router = Router(self.boards)
        self.tasks = Tasks()
        self._lines: list[Line] = []

    async def run(self) -> None:
        world = self._world
        async with self.tasks:
            self.tasks.start(self.router.run(), name="router")
            self.tasks.start(self._judge_reports(), name="reports")
            self.tasks.start(self._judge_presence(), name="presence")
            for place in world.places:
                for home in place.wishes:
                    self.boards.wishes.put((place.id, home), Hold(reason=HoldReason.STARTING))
            await asyncio.sleep(world.chance.uniform(0.0, 3.0))
            for place in world.places:
                for home in place.wishes:
                    self.say(place, home)
            world.hub = self
            try:
                await self.tasks.wait_for_failure()
            finally:
                world.hub = None
                for line in self._lines:
                    line.cut()

    def say(self, place: Place, home: HomeName) -> None:
        """Say what is wished: of tombstones, which are stored until each was carried out, the oldest."""
        wish, graves = place.wishes[home], place.graves.get(home)
        if isinstance(wish, Tombstone) and graves:
            wish = replace(wish, uid=graves[0])
        self.boards.wishes.put((place.id, home), wish)

    def _note_gone(self, place: Place, report: Report) -> None:
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

    def open(self, place: Place, line: Line) -> None:
        """Serve a session."""
        self._lines.append(line)
        self.tasks.start(self._serve(place, line), name="session")

    async def _serve(self, place: Place, line: Line) -> None:
        session = HubSession(
            Peer(cluster=place.id, fingerprint="SHA256:1", not_after=START + timedelta(days=90)),
            registry=Terms(place),
            content=self._world.content,
            boards=self.boards,
            wishes=self.router.board(place.id),
            allowance=self.router.allowance(place.id),
            clock=self._world.clock,
            version="0.1.0",
            alive_interval_s=ALIVE_S,
            greeting_timeout_s=5.0,
        )
        try:
            await session.run(line.hub)
        except CartwheelError:
            line.cut()
        await line.hub.close()

    async def _judge_reports(self) -> None:
        """A report of Ready speaks of a Bundle that was there in truth."""
        places = {place.id: place for place in self._world.places}
        with self.boards.reports.reader() as reader:
            while True:
                for (cluster, home), report in (await reader.next()).items():
                    if report is None:
                        continue
                    self._note_gone(places[cluster], report)
                    if report.stage is Stage.READY:
                        self._judge_ready(places[cluster], home, report.bundle)

    def _judge_ready(self, place: Place, home: HomeName, bundle: Digest) -> None:
        _, texts = place.issued[bundle]
        missing = [name for name, text in texts.items() if (home, name, text) not in place.was_there]
        if missing:
            self._world.fail(f"{place.id} says that {home} is Ready, but {missing} were never there")

    async def _judge_presence(self) -> None:
        """Nobody is believed to be there who has been cut off for longer than it takes to notice."""
        while True:
            await asyncio.sleep(1.0)
            for place in self._world.places:
                seen = self.boards.presence.get(place.id)
                since = place.cut_off_s
                if seen is None or not seen.connected or since is None:
                    continue
                if self._world.clock.monotonic_s() - since > BLIND_S:
                    self._world.fail(
                        f"{place.id} is believed to be connected, but was cut off at {since:.1f} s"
                    )


class Terms:
    """The terms of sessions as they are stored on Clusters."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def check(self, peer: Peer) -> None:
        return

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        self._place.term = max(self._place.term, hello.term) + 1
        return self._place.term


class Agent:
    """One life of an agent."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place
        api = place.cluster.api("agent")
        clock, randomness = world.clock, SeededRandomness(world.chance.randrange(1 << 30))
        self._randomness = randomness
        self._desk = Desk(api, NAMESPACE)
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
        if hub is None or line is None or line.is_broken or line.is_frozen:
            raise Transient("no answer", reason="UNAVAILABLE")
        if not all(hub.router.names(self._place.id, one) for one in wanted):
            raise Transient("no assignment names it", reason="NOT_FOUND")
        return {one: world.content[one] for one in wanted}

    async def _dial(self) -> None:
        place, world = self._place, self._world
        me = Identity(cluster=place.id, instance="pod", version="0.1.0", kubernetes_version="v1.36.3")
        while True:
            hub = world.hub
            if hub is not None:
                line = Line(delay_s=self._delay_s, copies=self._copies)
                place.line, place.cut_off_s = line, None
                hub.open(place, line)
                session = AgentSession(
                    me,
                    desk=self._desk,
                    content=self,
                    worker=self._reconciler,
                    reports=self._reports,
                    notices=self._notices,
                    clock=world.clock,
                    randomness=self._randomness,
                )
                try:
                    await session.run(line.agent)
                except CartwheelError:
                    pass
                finally:
                    place.cut()
                    line.cut()
            await asyncio.sleep(world.chance.uniform(0.2, 2.0))

    def _delay_s(self) -> float:
        chance = self._world.chance
        return 0.0 if self._world.is_calm or chance.random() < 0.7 else chance.uniform(0.0, 2.0)

    def _copies(self) -> int:
        # A message that comes twice: after the greeting, which is once by its nature.
        line = self._place.line
        is_greeted = line is not None and len(line.down.said) > 1 and len(line.up.said) > 1
        return 2 if is_greeted and not self._world.is_calm and self._world.chance.random() < 0.1 else 1


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


def _text(manifest: Manifest) -> str:
    text: str = json.loads(manifest.body)["data"]["text"]
    return text
