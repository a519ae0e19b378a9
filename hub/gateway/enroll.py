"""Lets new agents in: checks the join token, registers the key with the Cluster, issues the certificate; renews it later.

The order is safety: the token is marked as used by this key first, then the key is registered, then the certificate is given. An agent
that was killed in between shows the same token with the same key and gets through again for a quarter of an hour.
"""

import base64
import contextlib
import logging
from datetime import timedelta
from typing import Protocol

from agent.kit.clock import Clock
from agent.kit.errors import Stalled
from agent.kube.api import Api, Object
from agent.kube.errors import Conflict, NotFound
from agent.kube.resources import SECRETS
from agent.model.names import ClusterId, timestamp
from hub.gateway.ca import Authority, Issued, fingerprint, request_key
from hub.gateway.session import Peer
from hub.model import jointoken
from hub.model.jointoken import JoinToken, TokenRefused

_LOG = logging.getLogger(__name__)
FIELD_MANAGER = "cartwheel-hub"


class Clusters(Protocol):
    """The Clusters, as far as enrolment needs them."""

    async def register(self, token: JoinToken, key_fingerprint: str, not_after: str) -> ClusterId:
        """Make the key the one of the token's Cluster, and return its id. Raises Stalled when that Cluster is no more."""
        ...

    async def renewed(self, peer: Peer, issued: Issued) -> None:
        """Store that a key's certificate lasts longer."""
        ...


class Enrolment:
    """Issues certificates."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        authority: Authority,
        clusters: Clusters,
        *,
        clock: Clock,
        lifetime: timedelta,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._authority = authority
        self._clusters = clusters
        self._clock = clock
        self._lifetime = lifetime

    @property
    def ca(self) -> bytes:
        return self._authority.certificate

    async def enroll(self, token: str, request: bytes) -> tuple[Issued, ClusterId]:
        """Return a certificate for a token's cluster. Raises Stalled (TokenRefused, RequestRefused) with the reason to tell."""
        key = fingerprint(request_key(request))
        stored = await self._use(token, key)
        now = self._clock.now()
        cluster = await self._clusters.register(stored, key, timestamp(now + self._lifetime))
        await self._end_others(stored)
        issued = self._authority.issue_agent(request, cluster, now=now, lifetime=self._lifetime)
        name = f"Cluster/{stored.cluster_namespace}/{stored.cluster_name}"
        _LOG.info("enrolled", extra={"cluster": name, "cluster_id": cluster, "key": key})
        return issued, cluster

    async def renew(self, peer: Peer, request: bytes) -> Issued:
        """Return a new certificate over the same key. Raises Stalled."""
        if fingerprint(request_key(request)) != peer.fingerprint:
            raise Stalled("a renewal must be over the registered key; enrol to change it", reason="OtherKey")
        now = self._clock.now()
        issued = self._authority.issue_agent(request, peer.cluster, now=now, lifetime=self._lifetime)
        await self._clusters.renewed(peer, issued)
        return issued

    async def _use(self, text: str, key: str) -> JoinToken:
        """Check a token and mark it as used by a key."""
        name = jointoken.NAME_PREFIX + jointoken.token_id(text)
        try:
            value = await self._api.get(SECRETS, self._namespace, name)
        except NotFound:
            jointoken.check(text, None, key, self._clock.now())
            raise
        stored = _read(value)
        jointoken.check(text, stored, key, self._clock.now())
        if stored.used_by:
            return stored
        used = {"used-by": key, "used-at": timestamp(self._clock.now())}
        data = {
            **value["data"],
            **{name: base64.b64encode(one.encode()).decode() for name, one in used.items()},
        }
        labels = {**(value["metadata"].get("labels") or {}), jointoken.USED_FOR: stored.cluster_uid}
        marked = {**value, "metadata": {**value["metadata"], "labels": labels}, "data": data}
        try:
            await self._api.replace(SECRETS, self._namespace, marked, field_manager=FIELD_MANAGER)
        except Conflict as problem:
            raise TokenRefused(
                "the join token is being used by another agent", reason="TokenUsed"
            ) from problem
        return stored

    async def _end_others(self, newest: JoinToken) -> None:
        """Delete the tokens that were used for the Cluster before: whoever used one must not come back by it for its quarter of an hour."""
        # Those of one Cluster alone: a fleet that comes at once would read all tokens for each of its agents.
        label = f"{jointoken.USED_FOR}={newest.cluster_uid}"
        for value in (await self._api.list(SECRETS, self._namespace, label_selector=label)).items:
            with contextlib.suppress(TokenRefused, NotFound):
                other = _read(value)
                if other.used_by and other.id != newest.id and other.cluster_uid == newest.cluster_uid:
                    await self._api.delete(
                        SECRETS, self._namespace, other.secret_name, uid=value["metadata"]["uid"]
                    )


def _read(value: Object) -> JoinToken:
    data = {name: base64.b64decode(text).decode() for name, text in (value.get("data") or {}).items()}
    try:
        return JoinToken.of_data(data)
    except KeyError as problem:
        raise TokenRefused(
            f"Secret {value['metadata']['name']} holds no complete join token", reason="TokenUnknown"
        ) from problem
