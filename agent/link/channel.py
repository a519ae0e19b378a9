"""gRPC as a Stream, and the calls beside it: content by digest, enrolment, renewal, recovery. The only file of the link that knows grpc."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import grpc
import grpc.aio

from agent import wire
from agent.kit.errors import Stalled, Transient
from agent.link.identity import Credentials
from agent.model.content import digest_of
from agent.model.link import Down, Up
from agent.model.names import Digest
from agent.model.recovery import server_name, statement
from protos.v1 import content_pb2, link_pb2, link_pb2_grpc

MAX_MESSAGE_BYTES = 16 << 20
MAX_DIGESTS = 256
_SESSION = "/cartwheel.v1.Link/Session"


class Broken(Transient):
    """The connection to the hub failed."""


class EnrolmentRefused(Stalled):
    """The hub does not take this agent."""


def keep_polling() -> None:
    """Have gRPC's poller run as long as the program; to be called on the running loop.

    It would end with the last channel, wherever that is collected as garbage, and be waited for there: one operation that is not over
    would stop the program for ever.
    """
    grpc.aio.init_grpc_aio()


def _options(keepalive_s: float) -> list[tuple[str, int]]:
    interval_ms = int(keepalive_s * 1000)
    # Without the ping timeout a frozen hub would be noticed a minute late.
    return [
        ("grpc.keepalive_time_ms", interval_ms),
        ("grpc.http2.ping_timeout_ms", max(interval_ms // 3, 1000)),
        ("grpc.keepalive_timeout_ms", max(interval_ms // 3, 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]


class Channel:
    """A connection to the session listener under the agent's certificate."""

    def __init__(
        self, address: str, credentials: Credentials, *, keepalive_s: float, call_timeout_s: float
    ) -> None:
        tls = grpc.ssl_channel_credentials(
            root_certificates=credentials.ca,
            private_key=credentials.key,
            certificate_chain=credentials.certificate,
        )
        self._channel = grpc.aio.secure_channel(address, tls, options=_options(keepalive_s))
        self._address = address
        self._call_timeout_s = call_timeout_s
        self._stub = link_pb2_grpc.LinkStub(self._channel)

    def open(self) -> "GrpcStream":
        """Begin a session."""
        return GrpcStream(self._channel.stream_stream(_SESSION)(), self._address)

    async def fetch(self, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Return blobs by digest, each checked. Raises Broken, and Stalled for what the hub says it has not."""
        wanted = list(digests)
        found: dict[Digest, bytes] = {}
        for at in range(0, len(wanted), MAX_DIGESTS):
            found.update(await self._fetch(wanted[at : at + MAX_DIGESTS]))
        return found

    async def _fetch(self, digests: list[Digest]) -> Mapping[Digest, bytes]:
        parts: dict[Digest, bytearray] = {}
        try:
            call = self._stub.Fetch(content_pb2.FetchRequest(digests=digests), timeout=self._call_timeout_s)
            async for chunk in call:
                part = parts.setdefault(Digest(chunk.digest), bytearray())
                if chunk.offset_bytes != len(part):
                    raise Broken("the hub sent content out of order", reason="ContentDamaged")
                part.extend(chunk.data)
        except grpc.aio.AioRpcError as problem:
            raise _broken(problem, f"fetch from {self._address}") from problem
        blobs = {digest: bytes(part) for digest, part in parts.items()}
        for digest in digests:
            if digest_of(blobs.get(digest, b"")) != digest:
                raise Broken(
                    f"the hub's content for {digest} is not what it should be", reason="ContentDamaged"
                )
        return blobs

    async def renew(self, request: bytes) -> tuple[bytes, bytes]:
        """Return a new certificate and the CA, PEM."""
        try:
            reply = await self._stub.Renew(link_pb2.RenewRequest(csr=request), timeout=self._call_timeout_s)
        except grpc.aio.AioRpcError as problem:
            raise _broken(problem, f"renew at {self._address}") from problem
        return reply.certificate, reply.ca

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()


class GrpcStream:
    """The agent's end of a session."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[bytes, bytes]", address: str) -> None:
        self._call = call
        self._address = address
        self._writing = asyncio.Lock()

    async def send(self, message: Up) -> None:
        try:
            # gRPC breaks a stream on which two write at once.
            async with self._writing:
                await self._call.write(wire.encode_up(message))
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError) as problem:
            raise await self._failure(problem) from problem
        except (RuntimeError, asyncio.InvalidStateError) as problem:  # written after the end
            raise Broken(f"the session with {self._address} has ended", reason="Ended") from problem

    async def receive(self) -> Down | None:
        try:
            data = await self._call.read()
        except grpc.aio.AioRpcError as problem:
            raise _broken(problem, f"session with {self._address}") from problem
        if data is grpc.aio.EOF:
            return None
        return wire.decode_down(data)

    async def close(self) -> None:
        """Say that nothing more comes; gRPC leaks memory for streams that clients cancel."""
        try:
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError):
            self._call.cancel()
        except (RuntimeError, asyncio.InvalidStateError):
            return  # It has ended already.

    async def _failure(self, problem: Exception) -> Transient:
        if isinstance(problem, grpc.aio.AioRpcError):
            return _broken(problem, f"session with {self._address}")
        return Broken(f"the session with {self._address} failed: {problem}", reason="Ended")


async def enroll(
    address: str, ca: bytes, *, token: str, request: bytes, timeout_s: float
) -> tuple[bytes, bytes]:
    """Show the join token, and return certificate and CA. Raises EnrolmentRefused, and Broken when there is no answer."""
    tls = grpc.ssl_channel_credentials(root_certificates=ca)
    async with grpc.aio.secure_channel(address, tls, options=_options(30.0)) as channel:
        stub = link_pb2_grpc.EnrolmentStub(channel)
        try:
            reply = await stub.Enroll(link_pb2.EnrollRequest(token=token, csr=request), timeout=timeout_s)
        except grpc.aio.AioRpcError as problem:
            raise _unanswered(problem, f"enrol at {address}") from problem
    return reply.certificate, reply.ca


async def recover(address: str, mine: Credentials, *, timeout_s: float) -> tuple[bytes, bytes] | None:
    """Prove the key, and return another certificate over it and the CA; None when the one there is good by the hub's clock.

    Raises EnrolmentRefused, and Broken when there is no answer.
    """
    tls = grpc.ssl_channel_credentials(root_certificates=mine.ca)
    async with grpc.aio.secure_channel(address, tls, options=_options(30.0)) as channel:
        call = link_pb2_grpc.EnrolmentStub(channel).Recover(timeout=timeout_s)
        try:
            challenge = (await _said(call)).challenge
            if mine.is_good_at(datetime.fromtimestamp(challenge.time_s, UTC)):
                await call.done_writing()
                return None
            server = server_name(address)
            signature = mine.sign(statement(challenge.nonce, mine.certificate, server))
            await call.write(link_pb2.Proof(certificate=mine.certificate, server=server, signature=signature))
            await call.done_writing()
            renewed = (await _said(call)).renewed
        except grpc.aio.AioRpcError as problem:
            raise _unanswered(problem, f"recover at {address}") from problem
        except (RuntimeError, asyncio.InvalidStateError) as problem:  # written after the end
            raise Broken(f"recover at {address}: the call has ended", reason="Ended") from problem
        except (ValueError, OverflowError) as problem:
            raise Broken(f"recover at {address}: the hub tells no time", reason="Malformed") from problem
    return renewed.certificate, renewed.ca


async def _said(
    call: "grpc.aio.StreamStreamCall[link_pb2.Proof, link_pb2.RecoverReply]",
) -> link_pb2.RecoverReply:
    said = await call.read()
    if not isinstance(said, link_pb2.RecoverReply):
        raise Broken("recover: the hub said nothing more", reason="Ended")
    return said


def _unanswered(problem: grpc.aio.AioRpcError, doing: str) -> Stalled | Transient:
    """Return what a call without a certificate failed with: refused by the hub, or not answered."""
    if problem.code() is not grpc.StatusCode.PERMISSION_DENIED:
        return _broken(problem, doing)
    reason, _, message = (problem.details() or "").partition(": ")
    return EnrolmentRefused(f"{doing}: the hub refused: {message}", reason=reason)


def _broken(problem: grpc.aio.AioRpcError, doing: str) -> Transient:
    details = problem.details() or problem.code().name
    if problem.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
        reason, _, message = details.partition(": ")
        return Broken(f"{doing}: refused: {message or details}", reason=reason if message else "Refused")
    return Broken(f"{doing}: {details}", reason=problem.code().name)
