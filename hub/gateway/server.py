"""The two listeners: enrolment under the hub's certificate alone, sessions for registered certificates only.

Python's gRPC cannot ask for an optional client certificate, hence two. What the session listener answers is here, beside it only `door` and
`refusing` know grpc.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import grpc
import grpc.aio

from agent import wire
from agent.kit.clock import Clock
from agent.kit.errors import CartwheelError, Stalled, Transient
from agent.kit.telemetry import Telemetry
from agent.model.link import Down, Up
from agent.model.names import ClusterId, Digest
from hub.gateway.ca import Authority, read_certificate
from hub.gateway.door import Door, DoorSettings
from hub.gateway.enroll import Enrolment
from hub.gateway.pace import FETCH_BYTES, MESSAGE_BYTES, WRITE_BYTES, Pace, Paces, PaceSettings
from hub.gateway.recover import Recovery
from hub.gateway.refusing import Context, or_refuse, refuse
from hub.gateway.router import Router
from hub.gateway.session import Content, Peer, Refusal, Session
from hub.gateway.traffic import Traffic
from protos.v1 import content_pb2, link_pb2

_LOG = logging.getLogger(__name__)

_BROKEN = (
    grpc.aio.AioRpcError,
    grpc.aio.UsageError,
    grpc.aio.InternalError,
    asyncio.InvalidStateError,
    RuntimeError,
)
CHUNK_BYTES = 256 << 10
MAX_DIGESTS = 256
MAX_MESSAGE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """Where to listen, under which names, and the link's times."""

    host: str
    session_port: int
    enrol_port: int
    names: tuple[str, ...]
    keepalive_s: float = 30.0
    server_certificate_lifetime: timedelta = timedelta(days=365)
    max_sessions: int = 10_000
    max_calls_each: int = 64
    """So many calls at once are one cluster's: one that is in foreign hands must not use up what is for all."""
    handshake_s: float = 10.0
    pace: PaceSettings = field(default_factory=PaceSettings)
    door: DoorSettings = field(default_factory=DoorSettings)


class Admission(Protocol):
    """To whom more is open than a session."""

    def check_open(self, peer: Peer) -> None:
        """Raise Refusal for a certificate that may not fetch and renew."""
        ...


class Gateway:
    """Both listeners. `session` makes the session of a peer; agents hear of nothing that this hub says when it may not serve."""

    def __init__(
        self,
        settings: ListenSettings,
        *,
        authority: Authority,
        enrolment: Enrolment,
        recovery: Recovery,
        admission: Admission,
        router: Router,
        content: Content,
        session: Callable[[Peer], Session],
        may_serve: Callable[[], bool],
        clock: Clock,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._traffic = Traffic(telemetry or Telemetry())
        self._settings = settings
        self._authority = authority
        self._enrolment = enrolment
        self._door = Door(
            settings.door, enrolment=enrolment, recovery=recovery, may_serve=may_serve, clock=clock
        )
        self._admission = admission
        self._router = router
        self._content = content
        self._session = session
        self._may_serve = may_serve
        self._clock = clock
        self._servers: list[grpc.aio.Server] = []
        self._calls: Counter[ClusterId] = Counter()
        self._paces = Paces(settings.pace, clock)
        self.session_port = 0
        self.enrol_port = 0

    async def start(self) -> None:
        """Listen. Raises Transient when a port is taken."""
        settings = self._settings
        issued = self._authority.issue_server(
            settings.names, now=self._clock.now(), lifetime=settings.server_certificate_lifetime
        )
        pair = [(issued.key, issued.certificate)]
        mutual = grpc.ssl_server_credentials(pair, self._authority.certificate, require_client_auth=True)
        self.session_port = await self._listen(
            self._link(),
            mutual,
            settings.session_port,
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                # Agents and hubs may be set to other intervals; who pings often is no attacker, it holds a certificate.
                ("grpc.http2.max_ping_strikes", 0),
                ("grpc.max_connection_idle_ms", int(settings.keepalive_s * 2000)),
            ],
            calls=settings.max_sessions * 2,
        )
        self.enrol_port = await self._listen(
            self._door.handler(),
            grpc.ssl_server_credentials(pair),
            settings.enrol_port,
            options=self._door.options,
            calls=settings.door.max_calls,
        )

    async def stop(self) -> None:
        """End all sessions at once and stop listening: they would never end by themselves, and another hub waits to serve them."""
        for server in self._servers:
            await server.stop(None)

    async def _listen(
        self,
        handler: grpc.GenericRpcHandler,
        credentials: grpc.ServerCredentials,
        port: int,
        *,
        options: list[tuple[str, int]],
        calls: int,
    ) -> int:
        interval_ms = int(self._settings.keepalive_s * 1000)
        server = grpc.aio.server(
            options=[
                ("grpc.keepalive_time_ms", interval_ms),
                ("grpc.http2.ping_timeout_ms", max(interval_ms // 3, 1000)),
                ("grpc.keepalive_timeout_ms", max(interval_ms // 3, 1000)),
                ("grpc.http2.min_ping_interval_without_data_ms", interval_ms * 2 // 3),
                ("grpc.http2.max_pings_without_data", 0),
                ("grpc.so_reuseport", 0),
                ("grpc.server_handshake_timeout_ms", int(self._settings.handshake_s * 1000)),
                *options,
            ],
            maximum_concurrent_rpcs=calls,
        )
        server.add_generic_rpc_handlers((handler,))
        address = f"{self._settings.host}:{port}"
        try:
            bound: int = server.add_secure_port(address, credentials)
        except RuntimeError as problem:
            raise Transient(f"cannot listen on {address}: {problem}", reason="PortTaken") from problem
        await server.start()
        self._servers.append(server)
        return bound

    def _link(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "cartwheel.v1.Link",
            {
                "Session": grpc.stream_stream_rpc_method_handler(self._serve_session),
                "Fetch": grpc.unary_stream_rpc_method_handler(
                    self._serve_fetch,
                    request_deserializer=content_pb2.FetchRequest.FromString,
                    response_serializer=content_pb2.FetchChunk.SerializeToString,
                ),
                "Renew": grpc.unary_unary_rpc_method_handler(
                    self._serve_renew,
                    request_deserializer=link_pb2.RenewRequest.FromString,
                    response_serializer=link_pb2.RenewReply.SerializeToString,
                ),
            },
        )

    async def _serve_session(self, _: AsyncIterator[bytes], context: Context) -> None:
        async with self._caller(context, WRITE_BYTES) as peer:
            stream = _ServerStream(context, self._may_serve, self._traffic, self._paces.of(peer.cluster))
            try:
                with self._traffic.session():
                    await self._session(peer).run(stream)
            except CartwheelError as problem:
                _LOG.warning(
                    "session broken",
                    extra={"cluster_id": peer.cluster, "reason": problem.reason, "error": str(problem)},
                )
                await refuse(context, grpc.StatusCode.UNAVAILABLE, problem)

    async def _serve_fetch(self, request: content_pb2.FetchRequest, context: Context) -> None:
        digests = [Digest(digest) for digest in request.digests[: MAX_DIGESTS + 1]]
        if len(digests) > MAX_DIGESTS:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"TooMany: at most {MAX_DIGESTS} digests at once"
            )
        async with self._caller(context, FETCH_BYTES) as peer:
            for digest in digests:
                await self._send_blob(context, peer, digest)

    async def _send_blob(self, context: Context, peer: Peer, digest: Digest) -> None:
        # Asked anew each time: whoever reads slowly may have been revoked, or be assigned something else, in between.
        await self._check(context, peer)
        data = self._content.get(digest) if self._router.names(peer.cluster, digest) else None
        if data is None:
            # The same answer for what is not here and for what is another cluster's.
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"NotAssigned: no assignment of this cluster names {digest}"
            )
            raise Stalled("unreachable: abort raises", reason="NotAssigned")
        for at in range(0, max(len(data), 1), CHUNK_BYTES):
            await self._check(context, peer)
            part = data[at : at + CHUNK_BYTES]
            self._traffic.fetched(len(part))
            await context.write(
                content_pb2.FetchChunk(digest=digest, offset_bytes=at, total_bytes=len(data), data=part)
            )

    async def _serve_renew(self, request: link_pb2.RenewRequest, context: Context) -> link_pb2.RenewReply:
        async with self._caller(context, WRITE_BYTES) as peer:
            await self._check(context, peer)
            issued = await or_refuse(context, self._enrolment.renew(peer, request.csr))
        return link_pb2.RenewReply(certificate=issued.certificate, ca=self._enrolment.ca)

    @asynccontextmanager
    async def _caller(self, context: Context, cost_bytes: int) -> AsyncIterator[Peer]:
        """Give who calls, while the call lasts; one cluster has a share of all calls, and a pace."""
        peer = await self._peer(context)
        if self._calls[peer.cluster] >= self._settings.max_calls_each:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"TooManyCalls: at most {self._settings.max_calls_each} of one cluster at once",
            )
        self._calls[peer.cluster] += 1
        try:
            await self._paces.of(peer.cluster).spend(cost_bytes)
            yield peer
        finally:
            self._calls[peer.cluster] -= 1
            if not self._calls[peer.cluster]:
                del self._calls[peer.cluster]

    async def _check(self, context: Context, peer: Peer) -> None:
        try:
            self._admission.check_open(peer)
        except Refusal as refusal:
            await refuse(context, grpc.StatusCode.PERMISSION_DENIED, refusal)

    async def _peer(self, context: Context) -> Peer:
        """Return who the client's certificate says is calling; TLS has checked that the CA issued it."""
        found: list[bytes] = list(context.auth_context().get("x509_pem_cert", ()))
        cluster: ClusterId | None = None
        if found:
            cluster, key, not_after = read_certificate(found[0])
        if cluster is None:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "NoIdentity: the certificate names no cluster"
            )
            raise Stalled("unreachable: abort raises", reason="NoIdentity")
        return Peer(cluster=cluster, fingerprint=key, not_after=not_after)


class _ServerStream:
    """The hub's end of a session over gRPC."""

    def __init__(self, context: Context, may_serve: Callable[[], bool], traffic: Traffic, pace: Pace) -> None:
        self._context = context
        self._pace = pace
        self._may_serve = may_serve
        self._traffic = traffic
        self._writing = asyncio.Lock()

    async def send(self, message: Down) -> None:
        # A hub that was stopped and goes on must not say what it wished then: another may have taken its place.
        if not self._may_serve():
            raise Transient("another hub may lead now", reason="NotActing")
        try:
            # gRPC breaks a stream on which two write at once.
            async with self._writing:
                data = wire.encode_down(message)
                await self._context.write(data)
                self._traffic.said(len(data))
        except _BROKEN as problem:
            raise Transient(f"the agent's connection failed: {problem}", reason="Broken") from problem

    async def receive(self) -> Up | None:
        try:
            data = await self._context.read()
        except _BROKEN as problem:
            raise Transient(f"the agent's connection failed: {problem}", reason="Broken") from problem
        if data is grpc.aio.EOF:
            return None
        # Before it is read: reading is what costs.
        await self._pace.spend(max(len(data), MESSAGE_BYTES))
        return wire.decode_up(data)
