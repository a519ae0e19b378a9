"""Join tokens: the one word by which a new agent proves that it was asked for. Pure.

A token is `<id>.<secret>`. What is stored, in a Secret of the hub's namespace, is the hash of the secret half, the Cluster it is for (that very
one, not a later one of its name), until when it may be used, and the key that used it. The same token with the same key is taken again for a
quarter of an hour, so that an agent killed between asking and saving heals; any other second use is refused.
"""

import hashlib
import hmac
from datetime import datetime, timedelta

from agent.kit.errors import Stalled
from agent.model.names import timestamp
from hub.model.metadata import Metadata, Uid
from hub.model.value import Value

LABEL = "fleet.cartwheel.dev/secret"
LABEL_VALUE = "join-token"
USED_FOR = "fleet.cartwheel.dev/used-for"
"""On the Secret of a token that was used: the UID of the Cluster that it was used for."""
NAME_PREFIX = "cartwheel-join-"
AGAIN = timedelta(minutes=15)


class TokenRefused(Stalled):
    """A token does not open the door, and why; the text may be shown to whoever holds the token."""


class JoinToken(Value, frozen=True, kw_only=True):
    """What is stored of a token. Times are RFC 3339; `used_by` is the fingerprint of the public key that used it."""

    id: str
    hash: str
    cluster_namespace: str
    cluster_name: str
    cluster_uid: Uid
    expires: str
    used_by: str = ""
    used_at: str = ""
    revoked: bool = False

    @property
    def secret_name(self) -> str:
        return NAME_PREFIX + self.id

    def data(self) -> dict[str, str]:
        """Return the Secret's stringData."""
        return {
            "id": self.id,
            "hash": self.hash,
            "cluster-namespace": self.cluster_namespace,
            "cluster-name": self.cluster_name,
            "cluster-uid": self.cluster_uid,
            "expires": self.expires,
            "used-by": self.used_by,
            "used-at": self.used_at,
            "revoked": "true" if self.revoked else "",
        }

    @classmethod
    def of_data(cls, data: dict[str, str]) -> "JoinToken":
        """Read the Secret's decoded data. Raises KeyError when a key is missing."""
        return cls(
            id=data["id"],
            hash=data["hash"],
            cluster_namespace=data["cluster-namespace"],
            cluster_name=data["cluster-name"],
            cluster_uid=Uid(data["cluster-uid"]),
            expires=data["expires"],
            used_by=data.get("used-by", ""),
            used_at=data.get("used-at", ""),
            revoked=data.get("revoked") == "true",
        )


def make(
    *, id_: str, secret: str, cluster: Metadata, now: datetime, valid_for: timedelta
) -> tuple[str, JoinToken]:
    """Return the text for the agent, and what is to be stored. Both halves must come from a secure generator."""
    stored = JoinToken(
        id=id_,
        hash=_hash(secret),
        cluster_namespace=cluster.namespace,
        cluster_name=cluster.name,
        cluster_uid=cluster.uid,
        expires=timestamp(now + valid_for),
    )
    return f"{id_}.{secret}", stored


def token_id(text: str) -> str:
    """Return the id half of a token. Raises TokenRefused when it is none."""
    id_, dot, secret = text.strip().partition(".")
    if not (id_ and dot and secret and id_.isascii() and id_.isalnum()):
        raise TokenRefused(
            "this is no join token; make one with `hub cluster token`", reason="TokenMalformed"
        )
    return id_


def check(text: str, stored: JoinToken | None, fingerprint: str, now: datetime) -> None:
    """Pass, or raise TokenRefused with the reason."""
    secret = text.strip().partition(".")[2]
    if stored is None or not hmac.compare_digest(stored.hash, _hash(secret)):
        raise TokenRefused(
            "the hub knows no such join token; make one with `hub cluster token`", reason="TokenUnknown"
        )
    name = f"{stored.cluster_namespace}/{stored.cluster_name}"
    if stored.revoked:
        raise TokenRefused(f"the join token for cluster {name} was revoked", reason="TokenRevoked")
    if stored.used_by:
        again = stored.used_by == fingerprint and now - _read(stored.used_at) <= AGAIN
        if not again:
            raise TokenRefused(
                f"the join token for cluster {name} was used already; make another with `hub cluster token`",
                reason="TokenUsed",
            )
        return
    if now >= _read(stored.expires):
        raise TokenRefused(
            f"the join token for cluster {name} expired at {stored.expires}; make another with `hub cluster token`",
            reason="TokenExpired",
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
