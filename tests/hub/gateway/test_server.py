"""Both listeners over real gRPC on the loopback: who is let in, who may fetch what, and what ends a session."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from agent.desk import Desk
from agent.kit.board import Board
from agent.kit.clock import SystemClock, SystemRandomness
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.resources import SECRETS
from agent.link.channel import Broken, Channel, EnrolmentRefused, enroll, recover
from agent.link.dial import Dial, DialSettings
from agent.link.identity import Credentials, IdentityStore
from agent.link.session import Identity
from agent.link.session import Session as AgentSession
from agent.model.assignment import Order
from agent.model.link import Hello
from agent.model.names import ClusterId, Digest, HomeName, timestamp
from agent.model.recovery import statement
from agent.model.report import Report
from agent.notices import Notices
from hub.gateway.ca import Authority, Issued, make_authority
from hub.gateway.door import DoorSettings
from hub.gateway.enroll import Enrolment
from hub.gateway.pace import WRITE_BYTES, PaceSettings
from hub.gateway.recover import Recovery
from hub.gateway.router import Router
from hub.gateway.server import Gateway, ListenSettings
from hub.gateway.session import Peer, Refusal, Session
from hub.model import jointoken
from hub.model.jointoken import JoinToken
from hub.model.metadata import Metadata, Uid
from hub.model.wish import Assigned, Boards
from protos.v1 import content_pb2, link_pb2, link_pb2_grpc
from tests.agent.wishes import WEB, Contents, assignment, blobs, bundle, config_map
from tests.fakes.cluster import Cluster
from tests.hub.gateway.link import Notebook

NAMESPACE = "cartwheel-system"
ONE, OTHER = ClusterId("id-of-one"), ClusterId("id-of-other")


@dataclass
class Clusters:
    """The hub's Clusters: one key each, which may be revoked."""

    keys: dict[ClusterId, str] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    renewals: list[datetime] = field(default_factory=list)
    recoveries: list[datetime] = field(default_factory=list)
    term: int = 0
    removed: bool = False

    async def register(self, token: JoinToken, key_fingerprint: str, not_after: str) -> ClusterId:
        id_ = ClusterId(f"id-of-{token.cluster_name}")
        self.keys[id_] = key_fingerprint
        return id_

    async def renewed(self, peer: Peer, issued: Issued) -> None:
        self.ends[peer.fingerprint] = issued.not_after
        self.renewals.append(issued.not_after)

    def check(self, peer: Peer) -> None:
        if self.removed:
            raise Refusal("this cluster was removed from the fleet", reason="ClusterRemoved")
        if self.keys.get(peer.cluster) != peer.fingerprint:
            raise Refusal("the certificate was revoked", reason="Revoked")
        if datetime.now(UTC) >= max(peer.not_after, self.ends.get(peer.fingerprint, peer.not_after)):
            raise Refusal("the certificate has ended", reason="CertificateExpired")

    def check_open(self, peer: Peer) -> None:
        self.check(peer)

    def check_recoverable(self, peer: Peer) -> None:
        if peer.cluster not in self.keys:
            raise Refusal("this cluster was removed from the fleet", reason="ClusterRemoved")
        if self.keys[peer.cluster] != peer.fingerprint:
            raise Refusal("the certificate was revoked", reason="Revoked")

    async def recovered(self, peer: Peer, issued: Issued) -> None:
        self.recoveries.append(issued.not_after)

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        self.check(peer)
        self.term = max(self.term, hello.term) + 1
        return self.term


class Place:
    """A gateway that listens, and the agents' side of the management cluster."""

    def __init__(self, lifetime: timedelta, **settings: Any) -> None:
        self.clock = SystemClock()
        self.cluster = Cluster(self.clock)
        self.cluster.add_namespace(NAMESPACE)
        self.clusters = Clusters()
        self.boards = Boards()
        self.router = Router(self.boards)
        self.content = Contents()
        self.may_serve = True
        self.authority = Authority(*make_authority(now=self.clock.now()))
        api = self.cluster.api("hub")
        self.gateway = Gateway(
            ListenSettings(host="127.0.0.1", session_port=0, enrol_port=0, names=("127.0.0.1",), **settings),
            authority=self.authority,
            enrolment=Enrolment(
                api, NAMESPACE, self.authority, self.clusters, clock=self.clock, lifetime=lifetime
            ),
            recovery=Recovery(
                self.authority, self.clusters, names=("127.0.0.1",), clock=self.clock, lifetime=lifetime
            ),
            admission=self.clusters,
            router=self.router,
            content=self.content,
            session=self._session,
            may_serve=lambda: self.may_serve,
            clock=self.clock,
        )

    def _session(self, peer: Peer) -> Session:
        return Session(
            peer,
            registry=self.clusters,
            content=self.content,
            boards=self.boards,
            wishes=self.router.board(peer.cluster),
            allowance=self.router.allowance(peer.cluster),
            clock=self.clock,
            version="0.1.0",
            alive_interval_s=0.3,
            greeting_timeout_s=5.0,
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.gateway.session_port}"

    @property
    def enrol_address(self) -> str:
        return f"127.0.0.1:{self.gateway.enrol_port}"

    def token(self, name: str, *, id_: str = "") -> str:
        text, stored = jointoken.make(
            id_=id_ or name,
            secret="secret",
            cluster=Metadata(namespace="apps", name=name, uid=Uid(f"uid-of-{name}")),
            now=self.clock.now(),
            valid_for=timedelta(hours=1),
        )
        metadata = {"name": stored.secret_name, "namespace": NAMESPACE}
        value = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": stored.data()}
        self.cluster.create(SECRETS, NAMESPACE, value, manager="setup")
        return text

    def age(self, name: str, age: timedelta) -> None:
        """Have a token used so long ago."""
        value = self.cluster.get(SECRETS, NAMESPACE, f"{jointoken.NAME_PREFIX}{name}")
        used = base64.b64encode(timestamp(self.clock.now() - age).encode()).decode()
        aged = {**value, "data": {**value["data"], "used-at": used}}
        self.cluster.replace(SECRETS, NAMESPACE, aged, manager="setup")

    async def kept(self, name: str) -> Credentials:
        """Return what an agent has saved of itself."""
        return await IdentityStore(self.cluster.api("agent"), name).load()

    def store(self, name: str) -> IdentityStore:
        """Return where an agent keeps its identity: each in a namespace of its own."""
        self.cluster.add_namespace(name)
        return IdentityStore(self.cluster.api("agent"), name)

    async def enrolled(self, name: str) -> Credentials:
        credentials = await self.store(name).load()
        certificate, ca = await enroll(
            self.enrol_address,
            self.authority.certificate,
            token=self.token(name),
            request=credentials.request(),
            timeout_s=5.0,
        )
        return replace(credentials, certificate=certificate, ca=ca)

    def channel(self, credentials: Credentials) -> Channel:
        return Channel(self.address, credentials, keepalive_s=30.0, call_timeout_s=5.0)

    def wish(self, cluster: ClusterId, text: str) -> Assigned:
        manifests = [config_map("a", text)]
        wished = bundle(manifests)
        self.content |= blobs(manifests)
        self.content[wished.base.digest] = wished.base.encode()
        self.content[wished.overlay.digest] = wished.overlay.encode()
        made = assignment(manifests, order=Order(0, 0), cluster=cluster)
        wish = Assigned(assignment=made, bundle=wished, revision="main@sha1:1")
        self.boards.wishes.put((cluster, WEB), wish)
        return wish


@asynccontextmanager
async def listening(lifetime: timedelta = timedelta(hours=1), **settings: Any) -> AsyncIterator[Place]:
    place = Place(lifetime, **settings)
    await place.gateway.start()
    async with Tasks() as tasks:
        tasks.start(place.router.run(), name="router")
        try:
            yield place
        finally:
            await place.gateway.stop()


@asynccontextmanager
async def opened(place: Place, credentials: Credentials) -> AsyncIterator[Channel]:
    channel = place.channel(credentials)
    try:
        yield channel
    finally:
        await channel.close()


def _shake_hands(port: int, version: ssl.TLSVersion, one: Credentials, folder: Path) -> str | None:
    """Return the version that was agreed on. Raises OSError when none was."""
    (folder / "client.pem").write_bytes(one.key + one.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(folder / "client.pem")
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), 5.0) as plain, context.wrap_socket(plain) as tls:
        return tls.version()


async def test_both_listeners_speak_tls_1_3_and_nothing_older(tmp_path: Path) -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        for port in (place.gateway.enrol_port, place.gateway.session_port):
            arguments = (one, tmp_path)
            newest = await asyncio.to_thread(_shake_hands, port, ssl.TLSVersion.TLSv1_3, *arguments)
            assert newest == "TLSv1.3"
            with pytest.raises(OSError, match=r"EOF|HANDSHAKE|reset"):
                await asyncio.to_thread(_shake_hands, port, ssl.TLSVersion.TLSv1_2, *arguments)


@asynccontextmanager
async def read_slowly(place: Place, credentials: Credentials, digest: Digest) -> AsyncIterator[Any]:
    """Fetch by hand: what is not read is not sent, since this reader takes no more in advance than it must."""
    tls = grpc.ssl_channel_credentials(credentials.ca, credentials.key, credentials.certificate)
    unhurried = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 << 10)]
    async with grpc.aio.secure_channel(place.address, tls, options=unhurried) as channel:
        yield link_pb2_grpc.LinkStub(channel).Fetch(content_pb2.FetchRequest(digests=[digest]))


async def test_a_used_token_and_a_wrong_one_are_refused_with_the_reason() -> None:
    async with listening() as place:
        await place.enrolled("one")
        thief = await place.store("thief").load()
        for token, reason in (("one.secret", "TokenUsed"), ("one.wrong", "TokenUnknown")):
            with pytest.raises(EnrolmentRefused) as refused:
                await enroll(
                    place.enrol_address,
                    place.authority.certificate,
                    token=token,
                    request=thief.request(),
                    timeout_s=5.0,
                )
            assert refused.value.reason == reason


async def test_content_is_for_those_whose_assignments_name_it() -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        await place.enrolled("other")
        mine, secret = place.wish(ONE, "mine"), place.wish(OTHER, "of the other")
        await asyncio.sleep(0.05)
        async with opened(place, one) as channel:
            wanted = [mine.assignment.bundle.base, *(entry.digest for entry in mine.bundle.entries)]
            assert (await channel.fetch(wanted)).keys() == set(wanted)
            for digest in (
                secret.assignment.bundle.base,
                secret.bundle.entries[0].digest,
                Digest("sha256:0"),
            ):
                with pytest.raises(Broken) as refused:
                    await channel.fetch([digest])
                assert refused.value.reason == "NOT_FOUND"


async def test_large_content_comes_in_pieces_and_whole() -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        wish = place.wish(ONE, "x" * 900_000)
        await asyncio.sleep(0.05)
        async with opened(place, one) as channel:
            digest = wish.bundle.entries[0].digest
            assert (await channel.fetch([digest]))[digest] == place.content[digest]


async def test_a_certificate_of_another_authority_and_none_are_not_let_in() -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        stranger = Authority(*make_authority(now=place.clock.now()))
        issued = stranger.issue_agent(one.request(), ONE, now=place.clock.now(), lifetime=timedelta(hours=1))
        for credentials in (replace(one, certificate=issued.certificate), await _server_like(place, one)):
            async with opened(place, credentials) as channel:
                with pytest.raises(Broken):
                    await channel.fetch([Digest("sha256:0")])


async def _server_like(place: Place, one: Credentials) -> Credentials:
    """A certificate of the right authority that names no cluster."""
    issued = place.authority.issue_server(("127.0.0.1",), now=place.clock.now(), lifetime=timedelta(hours=1))
    return replace(one, key=issued.key, certificate=issued.certificate)


async def test_a_revoked_certificate_is_refused_for_every_call() -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        place.clusters.keys.clear()
        async with opened(place, one) as channel:
            for call in (channel.fetch([Digest("sha256:0")]), channel.renew(one.request())):
                with pytest.raises(Broken) as refused:
                    await call
                assert refused.value.reason == "Revoked"


async def test_a_certificate_that_is_revoked_during_a_slow_fetch_gets_no_more_of_it() -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        wish = place.wish(ONE, "x" * 12_000_000)
        await asyncio.sleep(0.05)
        digest = wish.bundle.entries[0].digest
        async with read_slowly(place, one, digest) as call:
            got = len((await call.read()).data)
            await asyncio.sleep(0.1)  # Until the hub waits for the reader.
            place.clusters.keys.clear()

            async def read_on() -> None:
                nonlocal got
                while (chunk := await call.read()) is not grpc.aio.EOF:
                    got += len(chunk.data)

            with pytest.raises(grpc.aio.AioRpcError, match="Revoked"):
                await read_on()
            assert got < len(place.content[digest])


async def test_one_cluster_cannot_use_up_the_calls_of_all() -> None:
    async with listening(max_calls_each=3) as place:
        one, other = await place.enrolled("one"), await place.enrolled("other")
        wish = place.wish(OTHER, "of the other")
        await asyncio.sleep(0.05)
        async with opened(place, one) as channel, opened(place, other) as others:
            streams = [channel.open() for _ in range(3)]
            await asyncio.sleep(0.3)
            with pytest.raises(Broken, match="at most 3 of one cluster"):
                await channel.renew(one.request())
            assert await others.fetch([wish.assignment.bundle.base])
            for stream in streams:
                await stream.close()
            await asyncio.sleep(0.1)
            assert await channel.renew(one.request())


async def test_one_cluster_says_only_so_much_at_once() -> None:
    settings = PaceSettings(burst_bytes=WRITE_BYTES + 100_000, bytes_per_s=1000)
    async with listening(pace=settings) as place:
        one, other = await place.enrolled("one"), await place.enrolled("other")
        async with opened(place, one) as channel, opened(place, other) as others:
            for name, opener in ((ONE, channel), (OTHER, others)):
                stream = opener.open()
                await stream.send(
                    Hello(
                        protocol=1, agent_version="0", kubernetes_version="1", term=0, held=(), instance="pod"
                    )
                )
                size = 200_000 if name == ONE else 1
                await stream.send(replace(gone(name), message="x" * size))
            await until(lambda: place.boards.reports.get((OTHER, WEB)) is not None, 5.0)
            assert place.boards.reports.get((ONE, WEB)) is None


def gone(cluster: ClusterId) -> Report:
    return Report.gone(cluster, WEB, "uid-1", as_of=datetime.now(UTC))


async def test_the_open_door_takes_only_small_requests_and_few_at_once() -> None:
    async with listening(door=DoorSettings(max_calls=2, refusal_s=0.5)) as place:
        one = await place.enrolled("one")

        async def ask(request: bytes) -> str:
            with pytest.raises((Broken, EnrolmentRefused)) as refused:
                await enroll(
                    place.enrol_address,
                    place.authority.certificate,
                    token="one.x",
                    request=request,
                    timeout_s=5.0,
                )
            return refused.value.reason

        assert await ask(b"x" * 100_000) == "RESOURCE_EXHAUSTED"
        answers = await asyncio.gather(*(ask(one.request()) for _ in range(6)))
        assert sorted(set(answers)) == ["RESOURCE_EXHAUSTED", "TokenUnknown"]
        assert answers.count("TokenUnknown") <= 3


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""How a client of HTTP/2 begins, with settings that say nothing (RFC 9113, 3.4)."""


def _is_ended(port: int, *, shakes_hands: bool) -> bool:
    """Open a connection, say no more, and tell whether the server ends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), 5.0) as plain:
        if not shakes_hands:
            return plain.recv(1) == b""
        with context.wrap_socket(plain) as tls:
            tls.sendall(PREFACE)
            while tls.recv(4096):
                pass
            return True


@pytest.mark.parametrize("shakes_hands", [True, False], ids=["says nothing", "does not even shake hands"])
async def test_a_connection_to_the_open_door_that_says_nothing_ends_soon(shakes_hands: bool) -> None:
    async with listening(door=DoorSettings(idle_s=0.3), handshake_s=0.3) as place:
        port = place.gateway.enrol_port
        assert await asyncio.to_thread(_is_ended, port, shakes_hands=shakes_hands)


@dataclass
class Dialled:
    """An agent that dials, and its desk."""

    dial: Dial
    desk: Desk
    store: IdentityStore
    sessions: list[AgentSession] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)


class WrongClock(SystemClock):
    """A clock that is not the hub's."""

    def __init__(self, fast: timedelta) -> None:
        self._fast = fast

    def now(self) -> datetime:
        return super().now() + self._fast


async def dialled(
    place: Place, folder: Path, name: str, *, renew_at: float = 0.66, fast: timedelta = timedelta()
) -> Dialled:
    (folder / "token").write_text(place.token(name))
    (folder / "ca.crt").write_bytes(place.authority.certificate)
    store = place.store(name)
    desk = Desk(place.cluster.api("agent"), name)
    await desk.load()
    reports: Board[HomeName, Report] = Board()
    made: list[AgentSession] = []
    removals: list[str] = []
    clock = WrongClock(fast)

    async def removed(why: str) -> None:
        removals.append(why)

    def session(cluster: ClusterId, channel: Channel) -> AgentSession:
        me = Identity(cluster=cluster, instance="pod", version="0.1.0", kubernetes_version="v1.36.3")
        made.append(
            AgentSession(
                me,
                desk=desk,
                content=channel,
                worker=Notebook(),
                reports=reports,
                notices=Notices(),
                clock=clock,
                randomness=SystemRandomness(),
            )
        )
        return made[-1]

    settings = DialSettings(
        address=place.address,
        enrol_address=place.enrol_address,
        bootstrap=folder,
        call_timeout_s=5.0,
        backoff=Backoff(first_s=0.1, last_s=0.5),
        renew_at=renew_at,
    )
    dial = Dial(settings, store, session, removed=removed, clock=clock, randomness=SystemRandomness())
    return Dialled(dial=dial, desk=desk, store=store, sessions=made, removals=removals)


def errors(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Return what was logged as wrong, by its reason."""
    return {str(getattr(one, "reason", "")): str(getattr(one, "error", "")) for one in caplog.records}


async def until(is_so: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.02)


async def test_an_agent_enrols_gets_its_assignment_and_is_cut_off_within_five_seconds_when_revoked(
    tmp_path: Path,
) -> None:
    async with listening() as place, Tasks() as tasks:
        wish = place.wish(ONE, "mine")
        agent = await dialled(place, tmp_path, "one")
        tasks.start(agent.dial.run(await agent.dial.identify()), name="dial")
        await until(lambda: agent.desk.get(WEB) is not None, 5.0)
        head = agent.desk.get(WEB)
        assert head is not None
        assert head.assignment.substance == wish.assignment.substance
        place.clusters.keys.clear()
        await until(lambda: not _connected(place), 5.0)


async def test_a_hub_that_may_not_serve_says_nothing_more(tmp_path: Path) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        tasks.start(agent.dial.run(await agent.dial.identify()), name="dial")
        # The hub has the session before the agent has saved its term.
        await until(lambda: _connected(place) and agent.desk.term > 0, 5.0)
        term = agent.desk.term
        place.may_serve = False
        wish = place.wish(ONE, "decided before")
        await until(lambda: not _connected(place), 5.0)
        await asyncio.sleep(0.5)
        assert (agent.desk.get(WEB), agent.desk.term) == (None, term)
        place.may_serve = True
        await until(lambda: agent.desk.get(WEB) is not None, 5.0)
        head = agent.desk.get(WEB)
        assert head is not None
        assert head.assignment.substance == wish.assignment.substance


async def test_another_join_token_enrols_an_agent_anew_that_was_revoked(tmp_path: Path) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        credentials = await agent.dial.identify()
        tasks.start(agent.dial.run(credentials), name="dial")
        await until(lambda: _connected(place), 5.0)
        place.clusters.keys.clear()
        await until(lambda: not _connected(place), 5.0)
        (tmp_path / "token").write_text(place.token("one", id_="another"))
        await until(lambda: _connected(place), 10.0)
        now = await place.kept("one")
        assert (now.key, now.token_id) == (credentials.key, "another")
        assert now.certificate != credentials.certificate


async def test_another_join_token_that_opens_nothing_costs_an_enrolled_agent_nothing(tmp_path: Path) -> None:
    async with listening() as place:
        agent = await dialled(place, tmp_path, "one")
        credentials = await agent.dial.identify()
        for text in ("one.wrong", "other.secret", "nonsense"):
            (tmp_path / "token").write_text(text)
            assert await agent.dial.identify() == credentials
        (tmp_path / "token").unlink()
        assert await agent.dial.identify() == credentials


async def ended(place: Place, agent: Dialled, *, since: timedelta = timedelta(hours=1)) -> Credentials:
    """Enrol an agent, and leave it with a certificate that ended so long ago and a token that opens nothing any more."""
    credentials = await agent.dial.identify()
    then = place.clock.now() - since - timedelta(hours=1)
    issued = place.authority.issue_agent(credentials.request(), ONE, now=then, lifetime=timedelta(hours=1))
    place.age("one", timedelta(hours=2))
    return await agent.store.enrolled(credentials, issued.certificate, b"")


async def test_an_agent_whose_certificate_ended_recovers_by_itself(tmp_path: Path) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        before = await ended(place, agent)
        tasks.start(agent.dial.run(before), name="dial")
        await until(lambda: _connected(place), 5.0)
        now = await place.kept("one")
        assert (now.key, now.cluster, now.is_good_at(place.clock.now())) == (before.key, ONE, True)
        assert (len(place.clusters.recoveries), len(agent.sessions)) == (1, 1)


async def test_a_hub_that_is_away_is_asked_again_until_it_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        before = await ended(place, agent)
        place.may_serve = False
        dialling = tasks.start(agent.dial.run(before), name="dial")
        await until(lambda: "another hub may lead now" in errors(caplog).get("UNAVAILABLE", ""), 5.0)
        assert (place.clusters.recoveries, agent.removals, dialling.done()) == ([], [], False)
        place.may_serve = True
        await until(lambda: _connected(place), 5.0)


async def test_a_certificate_that_was_not_saved_is_recovered_again(tmp_path: Path) -> None:
    async with listening() as place, Tasks() as tasks:
        network = place.cluster.network
        agent = await dialled(place, tmp_path, "one")
        before = await ended(place, agent)
        network.cuts = lambda call: call.user == "agent" and call.is_write
        tasks.start(agent.dial.run(before), name="dial")
        await until(lambda: len(place.clusters.recoveries) >= 2, 5.0)
        assert (await place.kept("one")).certificate == before.certificate
        network.cuts = lambda call: False
        await until(lambda: _connected(place), 5.0)


async def test_a_revoked_agent_whose_certificate_ended_says_so_until_another_join_token_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        before = await ended(place, agent)
        place.clusters.keys[ONE] = "SHA256:another"
        dialling = tasks.start(agent.dial.run(before), name="dial")
        # The hub logs it first.
        await until(lambda: "the certificate ended at" in errors(caplog).get("Revoked", ""), 5.0)
        assert "the certificate was revoked" in errors(caplog)["Revoked"]
        assert (agent.sessions, agent.removals, place.clusters.recoveries) == ([], [], [])
        (tmp_path / "token").write_text(place.token("one", id_="another"))
        await until(lambda: _connected(place), 10.0)
        assert not dialling.done()


async def test_an_agent_whose_cluster_was_removed_hears_it_though_its_certificate_ended(
    tmp_path: Path,
) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        before = await ended(place, agent, since=timedelta(days=300))
        keys, place.clusters.keys = place.clusters.keys, {}
        tasks.start(agent.dial.run(before), name="dial")
        await until(lambda: bool(agent.removals), 5.0)
        assert "this cluster was removed from the fleet" in agent.removals[0]
        assert "this cluster was removed from the fleet" in agent.dial.problem
        # It goes on asking: a Cluster that is brought back from a backup has its agent again.
        place.clusters.keys = keys
        await until(lambda: _connected(place) and not agent.dial.problem, 10.0)


async def test_an_agent_whose_session_is_refused_because_its_cluster_was_removed_hears_it(
    tmp_path: Path,
) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        tasks.start(agent.dial.run(await agent.dial.identify()), name="dial")
        await until(lambda: _connected(place) and not agent.dial.problem, 5.0)
        place.clusters.removed = True
        await until(lambda: "was removed" in agent.dial.problem and bool(agent.removals), 5.0)


@pytest.mark.parametrize("days", [2, -2], ids=["fast", "slow"])
async def test_a_clock_that_is_wrong_in_the_cluster_costs_neither_the_session_nor_writes(
    tmp_path: Path, days: int
) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one", fast=timedelta(days=days))
        credentials = await agent.dial.identify()
        tasks.start(agent.dial.run(credentials), name="dial")
        await until(lambda: _connected(place), 5.0)
        await asyncio.sleep(1.0)
        assert _connected(place)
        assert place.clusters.recoveries == []
        assert len(place.clusters.renewals) <= 1
        assert (await place.kept("one")).key == credentials.key


async def test_a_certificate_that_ended_by_the_hubs_clock_alone_is_recovered(tmp_path: Path) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one", fast=-timedelta(hours=1, minutes=30))
        before = await ended(place, agent)
        assert before.is_good_at(place.clock.now() - timedelta(hours=1, minutes=30))
        tasks.start(agent.dial.run(before), name="dial")
        await until(lambda: _connected(place), 10.0)
        assert len(place.clusters.recoveries) == 1


async def test_a_hub_that_does_not_answer_is_not_taken_for_one_that_refuses_the_certificate(
    tmp_path: Path,
) -> None:
    async with listening() as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one")
        credentials = await agent.dial.identify()
        await place.gateway.stop()
        dialling = tasks.start(agent.dial.run(credentials), name="dial")
        await until(lambda: len(agent.sessions) > 4, 10.0)
        assert not dialling.done()
        assert (await place.kept("one")) == credentials


async def test_a_proof_serves_the_call_that_asked_for_it_alone() -> None:
    async with listening() as place:
        one = await place.enrolled("one")
        async with challenged(place) as (call, nonce), challenged(place) as (other, _):
            proof = _proof(one, nonce)
            await other.write(proof)
            with pytest.raises(grpc.aio.AioRpcError, match="NotProven"):
                await other.read()
            await call.write(proof)
            assert (await call.read()).renewed.certificate
        assert len(place.clusters.recoveries) == 1


def _proof(mine: Credentials, nonce: bytes) -> link_pb2.Proof:
    signature = mine.sign(statement(nonce, mine.certificate, "127.0.0.1"))
    return link_pb2.Proof(certificate=mine.certificate, server="127.0.0.1", signature=signature)


@asynccontextmanager
async def challenged(place: Place) -> AsyncIterator[tuple[Any, bytes]]:
    """Ask for a challenge, and leave it unanswered."""
    tls = grpc.ssl_channel_credentials(place.authority.certificate)
    async with grpc.aio.secure_channel(place.enrol_address, tls) as channel:
        call = link_pb2_grpc.EnrolmentStub(channel).Recover()
        yield call, (await call.read()).challenge.nonce


async def test_a_challenge_is_answered_soon_or_never() -> None:
    async with listening(door=DoorSettings(proof_s=0.2, refusal_s=0.0)) as place:
        one = await place.enrolled("one")
        async with challenged(place) as (call, nonce):
            with pytest.raises(grpc.aio.AioRpcError, match="TooLate"):
                await asyncio.wait_for(call.read(), 5.0)
            with pytest.raises(asyncio.InvalidStateError):
                await call.write(_proof(one, nonce))
        assert place.clusters.recoveries == []


async def test_unanswered_challenges_leave_room_for_join_tokens() -> None:
    async with listening(door=DoorSettings(max_calls=4, max_recoveries=2)) as place:
        one = await place.enrolled("one")
        async with challenged(place), challenged(place):
            with pytest.raises(Broken, match="ask again") as busy:
                await recover(
                    place.enrol_address, replace(one, certificate=_long_ended(place, one)), timeout_s=5.0
                )
            assert busy.value.reason == "RESOURCE_EXHAUSTED"
            await place.enrolled("other")
        assert await recover(
            place.enrol_address, replace(one, certificate=_long_ended(place, one)), timeout_s=5.0
        )


def _long_ended(place: Place, mine: Credentials) -> bytes:
    then = place.clock.now() - timedelta(days=9)
    return place.authority.issue_agent(mine.request(), ONE, now=then, lifetime=timedelta(hours=1)).certificate


async def test_a_call_to_the_open_door_that_never_says_what_it_wants_ends() -> None:
    async with listening(door=DoorSettings(idle_s=0.2)) as place:
        tls = grpc.ssl_channel_credentials(place.authority.certificate)
        async with grpc.aio.secure_channel(place.enrol_address, tls) as channel:
            call = channel.stream_unary("/cartwheel.v1.Enrolment/Enroll")()
            await call.wait_for_connection()
            with pytest.raises(grpc.aio.AioRpcError):
                async with asyncio.timeout(8.0):
                    await call


async def test_an_api_server_that_fails_for_a_while_stops_neither_enrolment_nor_sessions(
    tmp_path: Path,
) -> None:
    async with listening() as place, Tasks() as tasks:
        network = place.cluster.network
        agent = await dialled(place, tmp_path, "one")
        network.loses_answers = lambda call: call.user == "agent" and call.is_write
        identifying = tasks.start(agent.dial.identify(), name="identify")
        await until(lambda: bool(place.clusters.keys), 5.0)
        network.loses_answers = lambda call: False
        async with asyncio.timeout(5.0):
            credentials = await identifying
        dialling = tasks.start(agent.dial.run(credentials), name="dial")
        await until(lambda: _connected(place), 5.0)
        network.cuts = lambda call: call.user == "agent"
        place.clusters.keys.clear()
        await until(lambda: not _connected(place), 5.0)
        await asyncio.sleep(0.3)
        assert not dialling.done()


async def test_ten_renewals_lose_no_session(tmp_path: Path) -> None:
    async with listening(timedelta(seconds=3)) as place, Tasks() as tasks:
        agent = await dialled(place, tmp_path, "one", renew_at=0.35)
        credentials = await agent.dial.identify()
        renewed = place.clusters.renewals
        tasks.start(agent.dial.run(credentials), name="dial")
        await until(lambda: len(renewed) >= 10 and datetime.now(UTC) > credentials.lifetime[1], 30.0)
        assert len(agent.sessions) == 1
        assert _connected(place)
        assert (await IdentityStore(place.cluster.api("agent"), "one").load()).lifetime[1] >= renewed[-2]


def _connected(place: Place) -> bool:
    seen = place.boards.presence.get(ONE)
    return seen is not None and seen.connected
