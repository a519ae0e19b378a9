"""Gives an agent whose certificate ended while it was away another one over the same key, for a proof that it still has it.

A certificate of this authority, whatever its end, says who asks; the signature over a challenge says that the key is there; the Cluster says
whether the key is still the registered one. That is what the session listener asks for but the date, and so the answers are the same: also
a cluster that was removed long ago hears it, for the authority's signature is all that has to be remembered of it.

As in a renewal the new certificate is over the registered key only. Another key is a person's to let in, with a join token.

State: which clusters are being answered, and how fast each may ask.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from agent.kit.clock import Clock
from agent.kit.errors import Stalled, Transient
from agent.model.names import ClusterId
from agent.model.recovery import statement
from hub.gateway.ca import Authority, Holder, Issued
from hub.gateway.pace import WRITE_BYTES, Paces, PaceSettings
from hub.gateway.session import Peer, Refusal

_LOG = logging.getLogger(__name__)


class RecoveryRefused(Stalled):
    """The agent gets no certificate."""


class Registered(Protocol):
    """The Clusters and their keys."""

    def check_recoverable(self, peer: Peer) -> None:
        """Raise Refusal unless the key is the registered one of a Cluster that stays."""
        ...

    async def recovered(self, peer: Peer, issued: Issued) -> None:
        """Store that the key has a certificate again. Raises Refusal when it is not the registered one any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What an agent answers to a challenge: its last certificate, the server's name as it dialled it, and the signature over all three."""

    certificate: bytes
    server: str
    signature: bytes


class Recovery:
    """Answers proofs. `names` are those under which this hub is dialled."""

    def __init__(
        self,
        authority: Authority,
        clusters: Registered,
        *,
        names: Iterable[str],
        clock: Clock,
        lifetime: timedelta,
        pace: PaceSettings | None = None,
    ) -> None:
        self._authority = authority
        self._clusters = clusters
        self._names = frozenset(name.lower() for name in names)
        self._paces = Paces(pace or PaceSettings(), clock)
        self._clock = clock
        self._lifetime = lifetime
        self._answering: set[ClusterId] = set()

    async def recover(self, challenge: bytes, proof: Proof) -> Issued:
        """Return another certificate for whoever has the registered key. Raises Stalled with the reason to tell."""
        # 1. Before the key is proven nobody is told anything, and nothing is kept.
        holder = self._proven(challenge, proof)
        peer = Peer(cluster=holder.cluster, fingerprint=holder.fingerprint, not_after=holder.not_after)
        if peer.cluster in self._answering:
            raise Transient("this cluster is being answered already", reason="TooManyCalls")
        self._answering.add(peer.cluster)
        try:
            # 2. What costs is for registered keys, each at its pace; the Cluster says so again in the moment of writing.
            self._clusters.check_recoverable(peer)
            await self._paces.of(peer.cluster).spend(WRITE_BYTES)
            issued = self._authority.issue_again(holder, now=self._clock.now(), lifetime=self._lifetime)
            await self._clusters.recovered(peer, issued)
        except Refusal as refusal:
            _LOG.info("not recovered", extra={"cluster_id": peer.cluster, "reason": refusal.reason})
            raise RecoveryRefused(str(refusal), reason=refusal.reason) from refusal
        finally:
            self._answering.discard(peer.cluster)
        _LOG.info("recovered", extra={"cluster_id": peer.cluster, "key": peer.fingerprint})
        return issued

    def _proven(self, challenge: bytes, proof: Proof) -> Holder:
        if proof.server.lower() not in self._names:
            raise RecoveryRefused("the proof is for another server", reason="OtherServer")
        holder = self._authority.holder(proof.certificate)
        if not holder.has_signed(proof.signature, statement(challenge, proof.certificate, proof.server)):
            raise RecoveryRefused("the signature is not by the certificate's key", reason="NotProven")
        return holder
