"""An agent and the hub joined by a line, with a desk that is real and a worker that only notes what it is told."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta

from agent.desk import Desk
from agent.kit.board import Board
from agent.kit.errors import Transient
from agent.kit.tasks import Tasks
from agent.link.session import Identity
from agent.link.session import Session as AgentSession
from agent.model.assignment import Order
from agent.model.content import Manifest
from agent.model.link import Down, Hello, Up
from agent.model.names import ClusterId, Digest, HomeName
from agent.model.report import Report
from agent.notices import Notices
from hub.gateway.allowance import Allowance
from hub.gateway.session import Peer, Refusal
from hub.gateway.session import Session as HubSession
from hub.model.wish import Assigned, Boards, Presence, Wish
from tests.agent.wishes import CLUSTER, WEB, Contents, assignment, blobs, bundle
from tests.fakes.clock import START, FakeClock, SeededRandomness
from tests.fakes.cluster import Cluster
from tests.fakes.line import Line

NAMESPACE = "cartwheel-system"
ALIVE_S = 5.0
ME = Identity(cluster=CLUSTER, instance="pod-1", version="0.1.0", kubernetes_version="v1.36.3")
PEER = Peer(cluster=CLUSTER, fingerprint="SHA256:1", not_after=START + timedelta(days=90))


class Terms:
    """A registry that knows every peer until it is told otherwise."""

    def __init__(self) -> None:
        self.term = 0
        self.next_term = 0
        self.refusal: Refusal | None = None

    def check(self, peer: Peer) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        self.check(peer)
        self.term = self.next_term or max(self.term, hello.term) + 1
        return self.term


class Store(Contents):
    """The hub's content, which the agent fetches, too; `fetched` counts."""

    fetched = 0
    others: frozenset[Digest] = frozenset()
    """What was wished for in other clusters alone."""

    def kept(self, _: object, digest: Digest) -> bytes | None:
        return None if digest in self.others else self.get(digest)

    async def fetch(self, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        digests = list(digests)
        missing = [digest for digest in digests if digest not in self]
        if missing:
            raise Transient(f"no assignment names {missing[0]}", reason="NOT_FOUND")
        self.fetched += len(digests)
        return {digest: self[digest] for digest in digests}


class Notebook:
    """A worker that works on nothing."""

    def __init__(self) -> None:
        self.woken: list[HomeName] = []
        self.revisions: dict[HomeName, str] = {}

    def wake(self, home: HomeName) -> None:
        self.woken.append(home)

    def moved(self, home: HomeName, revision: str) -> None:
        self.revisions[home] = revision

    def is_healthy(self, home: HomeName) -> bool:
        return False


class Link:
    """Both ends. `connect` begins a session, which goes on until the block ends."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.cluster.add_namespace(NAMESPACE)
        self.desk = Desk(self.cluster.api("agent"), NAMESPACE)
        self.worker = Notebook()
        self.reports: Board[HomeName, Report] = Board()
        self.notices = Notices()
        self.boards = Boards()
        self.wishes: Board[HomeName, Wish] = Board()
        self.allowance = Allowance(CLUSTER, self.boards)
        self.registry = Terms()
        self.content = Store()
        self.lines: list[Line] = []
        self.ends: list[BaseException | None] = []
        self.tasks = Tasks()

    async def __aenter__(self) -> "Link":
        await self.desk.load()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.tasks.close()

    def wish(
        self,
        manifests: Iterable[Manifest],
        *,
        revision: str = "main@sha1:1",
        home: HomeName = WEB,
        uid: str = "uid-1",
    ) -> Assigned:
        """Wish for manifests, and have the content for it."""
        manifests = list(manifests)
        wished = bundle(manifests)
        self.content.update(blobs(manifests))
        self.content[wished.base.digest] = wished.base.encode()
        self.content[wished.overlay.digest] = wished.overlay.encode()
        wish = Assigned(
            assignment=assignment(manifests, home=home, uid=uid, order=Order(0, 0)),
            bundle=wished,
            revision=revision,
        )
        self.wishes.put(home, wish)
        return wish

    def connect_alone(self) -> Line:
        """Begin a session whose agent is the test, which may say what no agent would."""
        line = Line()
        self.lines.append(line)
        hub = HubSession(
            PEER,
            registry=self.registry,
            content=self.content,
            boards=self.boards,
            wishes=self.wishes,
            allowance=self.allowance,
            clock=self.clock,
            version="0.1.0",
            alive_interval_s=ALIVE_S,
            greeting_timeout_s=10.0,
        )
        self.tasks.start(self._serve(hub, line), name="hub")
        return line

    def connect(self) -> Line:
        """Begin a session over a new line."""
        line = self.connect_alone()
        agent = AgentSession(
            ME,
            desk=self.desk,
            content=self.content,
            worker=self.worker,
            reports=self.reports,
            notices=self.notices,
            clock=self.clock,
            randomness=SeededRandomness(),
        )
        self.tasks.start(self._run(agent, line), name="agent")
        return line

    async def _serve(self, hub: HubSession, line: Line) -> None:
        try:
            await hub.run(line.hub)
        except Transient:
            line.cut()
        await line.hub.close()

    async def _run(self, agent: AgentSession, line: Line) -> None:
        try:
            await agent.run(line.agent)
        except Transient as problem:
            self.ends.append(problem)
        else:
            self.ends.append(None)
        await line.agent.close()

    async def settle(self, seconds: float = 1.0) -> None:
        """Let everything happen that is due within a time."""
        await asyncio.sleep(seconds)

    @property
    def presence(self) -> Presence:
        found = self.boards.presence.get(CLUSTER)
        assert found is not None
        return found

    def is_connected(self) -> bool:
        return self.presence.connected

    def holds(self, wish: Assigned) -> bool:
        """Tell whether the desk holds just this wish."""
        head = self.desk.get(wish.assignment.home)
        return head is not None and head.assignment.substance == wish.assignment.substance

    def said_down(self, kind: type[Down], line: int = -1) -> list[Down]:
        return [one for one in self.lines[line].down.said if isinstance(one, kind)]

    def said_up(self, kind: type[Up], line: int = -1) -> list[Up]:
        return [one for one in self.lines[line].up.said if isinstance(one, kind)]


def reported(link: Link, home: HomeName = WEB, cluster: ClusterId = CLUSTER) -> Report | None:
    """Return what the hub has heard last of a delivery."""
    return link.boards.reports.get((cluster, home))
