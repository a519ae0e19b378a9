"""Which certificate speaks for which Cluster, and the terms of sessions: what the gateway needs of the store.

State: none but the Clusters themselves.
"""

import msgspec

from agent.kit.clock import Clock
from agent.kit.errors import Stalled
from agent.kube.watch import Key
from agent.model.link import CLUSTER_REMOVED, Hello
from agent.model.names import ClusterId, timestamp
from hub.gateway.ca import Issued
from hub.gateway.session import Peer, Refusal
from hub.model.cluster import ENROLLED, Certificate, Cluster, ClusterStatus, SessionStatus
from hub.model.durations import instant
from hub.model.jointoken import JoinToken
from hub.store import Store


class ClusterRegistry:
    """The Clusters as the gateway sees them. `hub` names this process."""

    def __init__(self, store: Store, *, clock: Clock, hub: str) -> None:
        self._store = store
        self._clock = clock
        self._hub = hub

    def check(self, peer: Peer) -> None:
        """Raise Refusal unless the certificate is the registered one of a Cluster that is there, and has not ended."""
        cluster = self._registered(peer)
        certificate = cluster.status.certificate
        # A session goes on under the certificate with which it began while a renewed one is good.
        renewed = instant(certificate.not_after) if certificate.not_after else peer.not_after
        if self._clock.now() >= max(peer.not_after, renewed):
            raise Refusal(
                f"the certificate of cluster {_name(cluster)} has ended; its agent recovers it where it enrolled",
                reason="CertificateExpired",
            )

    def check_open(self, peer: Peer) -> None:
        """Raise Refusal as `check` does, and for a cluster that is being removed: nothing is open to that but the word to let go."""
        self.check(peer)
        _refuse_leaving(self._registered(peer))

    def check_recoverable(self, peer: Peer) -> None:
        """Raise Refusal unless the key is the registered one of a Cluster that stays, whether its certificate has ended or not."""
        _refuse_leaving(self._registered(peer))

    def _registered(self, peer: Peer) -> Cluster:
        """Return the Cluster whose registered key this is. Raises Refusal."""
        cluster = self._find(peer.cluster)
        if cluster is None:
            raise self._unknown(peer.cluster)
        if cluster.status.certificate.key_fingerprint != peer.fingerprint:
            raise _revoked(cluster)
        return cluster

    def _unknown(self, cluster_id: ClusterId) -> Refusal:
        """Say why a cluster is not known: it is gone only when every Cluster could be read and none has its id."""
        if self._store.clusters_of(cluster_id):
            return Refusal(
                "several Clusters have the id of this one, see their condition IdentityConflict; remove all but one",
                reason="IdentityConflict",
            )
        for unread in self._store.clusters.malformed.values():
            return Refusal(
                f"the Cluster may be one that cannot be read: {unread}", reason="ClusterUnreadable"
            )
        return Refusal(
            "this cluster was removed from the fleet, or its Cluster is gone; `hub cluster add NAME --context CONTEXT` takes it in again",
            reason=CLUSTER_REMOVED,
        )

    async def begin_session(self, peer: Peer, hello: Hello) -> int:
        """Store the next term on the Cluster, by a conditional write: of two hubs one gets it. Raises Refusal."""
        self.check(peer)
        cluster = self._find(peer.cluster)
        assert cluster is not None
        opened = 0

        def open_term(newest: Cluster) -> ClusterStatus:
            nonlocal opened
            certificate = _lived_in(newest, hello)
            opened = max(newest.status.session.term, hello.term) + 1
            session = SessionStatus(term=opened, hub=self._hub, since=timestamp(self._clock.now()))
            return msgspec.structs.replace(newest.status, session=session, certificate=certificate)

        await self._store.update_status(self._store.clusters, _key(cluster), open_term)
        if not opened:
            raise Refusal("this cluster was removed from the hub", reason=CLUSTER_REMOVED)
        return opened

    async def register(self, token: JoinToken, key_fingerprint: str, not_after: str) -> ClusterId:
        """Make the key the one of the token's Cluster, and return its id. Raises Stalled when that Cluster is no more."""
        key = (token.cluster_namespace, token.cluster_name)
        cluster = self._store.clusters.get(key)
        if cluster is None or cluster.metadata.is_being_deleted:
            raise Stalled(
                f"there is no Cluster {'/'.join(key)}; make it with `hub cluster add`",
                reason="ClusterUnknown",
            )
        if cluster.metadata.uid != token.cluster_uid:
            raise Stalled(
                f"the join token is for an earlier Cluster {'/'.join(key)}; make another with `hub cluster token`",
                reason="ClusterUnknown",
            )
        if cluster.spec.id is None:
            raise Stalled(f"Cluster {'/'.join(key)} has no id yet; try again", reason="ClusterNotReady")

        def enrol(newest: Cluster) -> ClusterStatus:
            if newest.metadata.uid != token.cluster_uid:
                return newest.status
            return self._enrolled(newest, Certificate(key_fingerprint=key_fingerprint, not_after=not_after))

        await self._store.update_status(self._store.clusters, key, enrol)
        return cluster.spec.id

    async def renewed(self, peer: Peer, issued: Issued) -> None:
        """Store that the key's certificate lasts longer, so that its sessions go on."""
        cluster = self._find(peer.cluster)
        if cluster is None:
            return

        def lasts(newest: Cluster) -> ClusterStatus:
            certificate = newest.status.certificate
            if certificate.key_fingerprint == peer.fingerprint:
                certificate = msgspec.structs.replace(certificate, not_after=timestamp(issued.not_after))
            return msgspec.structs.replace(newest.status, certificate=certificate)

        await self._store.update_status(self._store.clusters, _key(cluster), lasts)

    async def recovered(self, peer: Peer, issued: Issued) -> None:
        """Store that the key has a certificate again. Raises Refusal when it is not the registered one any more."""
        is_stored = False

        def recover(newest: Cluster) -> ClusterStatus:
            nonlocal is_stored
            certificate = newest.status.certificate
            if certificate.key_fingerprint != peer.fingerprint:
                raise _revoked(newest)
            is_stored = True
            lasting = msgspec.structs.replace(certificate, not_after=timestamp(issued.not_after))
            return self._enrolled(newest, lasting)

        await self._store.update_status(self._store.clusters, _key(self._registered(peer)), recover)
        if not is_stored:
            raise Refusal("this cluster was removed from the hub", reason=CLUSTER_REMOVED)

    def _enrolled(self, cluster: Cluster, certificate: Certificate) -> ClusterStatus:
        """Return the status of a Cluster whose agent was given this certificate."""
        conditions = cluster.conditions.mark_true(
            ENROLLED, "Enrolled", "the agent holds a certificate", now=self._clock.now()
        )
        return msgspec.structs.replace(cluster.status, conditions=conditions.items, certificate=certificate)

    def _find(self, cluster_id: ClusterId) -> Cluster | None:
        found = self._store.clusters_of(cluster_id)
        # One that is being removed speaks until its finalizer goes: its agent has to be told what leaves, and to say when it has.
        staying = tuple(one for one in found if not one.metadata.is_being_deleted) or found
        # Two Clusters of one id are a conflict that a person has to settle; neither may speak.
        return staying[0] if len(staying) == 1 else None


def _lived_in(cluster: Cluster, hello: Hello) -> Certificate:
    """Return the certificate with the namespace in which its key lives, as the first session says it. Raises Refusal for another one.

    An agent whose Secret was copied from another cluster would take that cluster's deliveries.
    """
    certificate = cluster.status.certificate
    if not hello.namespace_uid or hello.namespace_uid == certificate.namespace_uid:
        return certificate
    if certificate.namespace_uid:
        raise Refusal(
            f"the certificate of cluster {_name(cluster)} is shown by agent {hello.instance} of another cluster or namespace; "
            "run `hub cluster add` for that one, which brings it a key of its own",
            reason="OtherCluster",
        )
    return msgspec.structs.replace(certificate, namespace_uid=hello.namespace_uid)


def _revoked(cluster: Cluster) -> Refusal:
    metadata = cluster.metadata
    return Refusal(
        f"the certificate of cluster {_name(cluster)} was revoked; enrol again with "
        f"`hub cluster add {metadata.name} -n {metadata.namespace} --context CONTEXT`",
        reason="Revoked",
    )


def _refuse_leaving(cluster: Cluster) -> None:
    if cluster.metadata.is_being_deleted:
        raise Refusal(f"cluster {_name(cluster)} is being removed from the fleet", reason=CLUSTER_REMOVED)


def _key(cluster: Cluster) -> Key:
    return cluster.metadata.namespace, cluster.metadata.name


def _name(cluster: Cluster) -> str:
    return f"{cluster.metadata.namespace}/{cluster.metadata.name}"
