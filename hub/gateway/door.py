"""What the enrol listener answers: `Enroll` for a join token, `Recover` for the proof of a registered key.

Anybody may ask here, so everything is bounded: the size of a request, the calls at once and how long each may take, and how soon a refusal
comes. A challenge is kept nowhere but in its call, and ends with it: it serves once, over this connection, and costs no memory.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio

from agent.kit.clock import Clock
from agent.kit.errors import CartwheelError, Transient
from hub.gateway.ca import Issued
from hub.gateway.enroll import Enrolment
from hub.gateway.recover import Proof, Recovery
from hub.gateway.refusing import Context, or_refuse, refuse
from protos.v1 import link_pb2

MAX_REQUEST_BYTES = 16 << 10
NONCE_BYTES = 32
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """What anybody may use of the hub."""

    max_calls: int = 32
    max_recoveries: int = 16
    """So many of the calls at once, for each of them waits for its caller to sign; the others are left for join tokens."""
    idle_s: float = 10.0
    """Connections cost memory, and anybody may open some: those that say nothing end soon."""
    proof_s: float = 10.0
    """How long a challenge may be answered."""
    refusal_s: float = 0.25
    """A refusal is answered after that long: anybody may ask, and a question costs one to the API server or some arithmetic."""


class Door:
    """The calls of the enrol listener."""

    def __init__(
        self,
        settings: DoorSettings,
        *,
        enrolment: Enrolment,
        recovery: Recovery,
        may_serve: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._enrolment = enrolment
        self._recovery = recovery
        self._may_serve = may_serve
        self._clock = clock
        self._recovering = 0

    @property
    def options(self) -> list[tuple[str, int]]:
        """Return the listener's bounds, for gRPC."""
        idle_ms = int(self._settings.idle_s * 1000)
        return [
            ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
            ("grpc.max_connection_idle_ms", idle_ms),
            ("grpc.max_connection_age_ms", idle_ms * 6),
            # Who begins a call and never says what it wants would have it for ever.
            ("grpc.max_connection_age_grace_ms", idle_ms),
        ]

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the calls, for gRPC."""
        return grpc.method_handlers_generic_handler(
            "cartwheel.v1.Enrolment",
            {
                "Enroll": grpc.unary_unary_rpc_method_handler(
                    self._enroll,
                    request_deserializer=link_pb2.EnrollRequest.FromString,
                    response_serializer=link_pb2.EnrollReply.SerializeToString,
                ),
                "Recover": grpc.stream_stream_rpc_method_handler(
                    self._recover,
                    request_deserializer=link_pb2.Proof.FromString,
                    response_serializer=link_pb2.RecoverReply.SerializeToString,
                ),
            },
        )

    async def _enroll(self, request: link_pb2.EnrollRequest, context: Context) -> link_pb2.EnrollReply:
        issued, cluster = await or_refuse(
            context, self._slowly_refused(self._enrolment.enroll(request.token, request.csr))
        )
        return link_pb2.EnrollReply(certificate=issued.certificate, ca=self._enrolment.ca, cluster_id=cluster)

    async def _recover(self, _: AsyncIterator[link_pb2.Proof], context: Context) -> None:
        if self._recovering >= self._settings.max_recoveries:
            busy = Transient("too many agents ask at once; ask again", reason="Busy")
            await refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, busy)
        self._recovering += 1
        try:
            await self._challenge(context)
        finally:
            self._recovering -= 1

    async def _challenge(self, context: Context) -> None:
        nonce = secrets.token_bytes(NONCE_BYTES)
        challenge = link_pb2.Challenge(nonce=nonce, time_s=self._clock.now().timestamp())
        await context.write(link_pb2.RecoverReply(challenge=challenge))
        proof = await or_refuse(context, self._proof(context))
        if proof is None:
            return
        issued = await or_refuse(context, self._slowly_refused(self._answer(nonce, proof)))
        renewed = link_pb2.RenewReply(certificate=issued.certificate, ca=self._enrolment.ca)
        await context.write(link_pb2.RecoverReply(renewed=renewed))

    async def _proof(self, context: Context) -> Proof | None:
        """Return what the agent answers, None when it needs no other certificate."""
        try:
            async with asyncio.timeout(self._settings.proof_s):
                said = await context.read()
        except TimeoutError as problem:
            raise Transient("the challenge was not answered in time", reason="TooLate") from problem
        if said is grpc.aio.EOF:
            return None
        return Proof(certificate=said.certificate, server=said.server, signature=said.signature)

    async def _answer(self, nonce: bytes, proof: Proof) -> Issued:
        # A hub that was stopped and goes on knows the Clusters of then: it must tell nobody that theirs was removed.
        if not self._may_serve():
            raise Transient("another hub may lead now", reason="NotActing")
        return await self._recovery.recover(nonce, proof)

    async def _slowly_refused(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except CartwheelError:
            await self._clock.sleep(self._settings.refusal_s)
            raise
