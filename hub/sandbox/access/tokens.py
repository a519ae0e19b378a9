"""Tokens of ServiceAccounts: JSON Web Tokens signed with a key of the cluster's own. What they name is looked up at each use."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from agent.kit.clock import Clock
from agent.kube.api import Object
from hub.sandbox.access.impersonation import AUTHENTICATED, account_groups
from hub.sandbox.access.rules import quoted_list
from hub.sandbox.wire import Caller
from hub.sandbox.wording import quoted

ISSUER = "https://kubernetes.default.svc"
API_AUDIENCES = (ISSUER,)
Read = Callable[[str, str, str], Object | None]
"""Returns an object of the core group by its plural, namespace (empty where there is none) and name."""
_CURVE = ec.SECP256R1()
_NUMBER_BYTES = 32
_LEEWAY_S = 60
_EXTRA = "authentication.kubernetes.io/"
_BOUND = {"pod": "pods", "secret": "secrets", "node": "nodes"}
_INVALIDATED = "service account token has been invalidated"


class Rejected(Exception):
    """A token that is good for nothing here, and why; `is_foreign` where it is no ServiceAccount's at all."""

    def __init__(self, why: str, *, is_foreign: bool = False) -> None:
        super().__init__(why)
        self.is_foreign = is_foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Who a token is, and for which of the asked audiences it is meant."""

    caller: Caller
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is made for. `bound` are the objects it ends with, by kind in lower case."""

    account: Object
    audiences: Sequence[str]
    valid_s: int
    bound: Mapping[str, Object]


class AccountTokens:
    """Issues and checks the tokens of one cluster; owns its key, which is made when first needed."""

    def __init__(self, *, clock: Clock, read: Read, new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._read = read
        self._new_id = new_id

    def issue(self, grant: Grant) -> str:
        """Make a token."""
        account, issued = grant.account["metadata"], int(self._clock.now().timestamp())
        bound = {kind: _reference(grant.bound[kind]) for kind in sorted(grant.bound)}
        claims = {
            "aud": list(grant.audiences),
            "exp": issued + grant.valid_s,
            "iat": issued,
            "iss": ISSUER,
            "jti": self._new_id(),
            "kubernetes.io": {
                "namespace": account["namespace"],
                **bound,
                "serviceaccount": _reference(grant.account),
            },
            "nbf": issued,
            "sub": f"system:serviceaccount:{account['namespace']}:{account['name']}",
        }
        signed = f"{_encoded({'alg': 'ES256', 'kid': self._key_id})}.{_encoded(claims)}"
        return f"{signed}.{_base64(self._signature(signed.encode()))}"

    def authenticate(self, token: str, audiences: Iterable[str] = API_AUDIENCES) -> Authenticated:
        """Return who a token is. Raises Rejected."""
        claims = self._verified(token)
        asked = tuple(audiences)
        shared = tuple(one for one in asked if one in claims["aud"])
        if not shared:
            wrong = f"token audiences {quoted_list(claims['aud'])} is invalid for the target audiences"
            raise Rejected(f"{wrong} {quoted_list(asked)}")
        self._check_time(claims)
        return Authenticated(caller=self._caller(claims), audiences=shared)

    def _verified(self, token: str) -> Any:
        head, _, rest = token.partition(".")
        body, _, signature = rest.partition(".")
        try:
            claims = msgspec.json.decode(_plain(body))
            is_ours = claims["iss"] == ISSUER
        except (msgspec.DecodeError, ValueError, KeyError, TypeError) as problem:
            raise Rejected("no token of a ServiceAccount", is_foreign=True) from problem
        if not is_ours:
            raise Rejected("issued elsewhere", is_foreign=True)
        try:
            raw = _plain(signature)
            numbers = (int.from_bytes(raw[:_NUMBER_BYTES], "big"), int.from_bytes(raw[_NUMBER_BYTES:], "big"))
            proof = utils.encode_dss_signature(*numbers)
            self._key.public_key().verify(proof, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError) as problem:
            raise Rejected("go-jose/go-jose: error in cryptographic primitive") from problem
        return claims

    def _check_time(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now().timestamp()
        if now - _LEEWAY_S > claims["exp"]:
            raise Rejected("service account token has expired")
        if now + _LEEWAY_S < claims["nbf"]:
            raise Rejected("service account token is not valid yet")

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        named = claims["kubernetes.io"]
        namespace, account = named["namespace"], named["serviceaccount"]
        found = self._read("serviceaccounts", namespace, account["name"])
        if found is None:
            raise Rejected(f"serviceaccounts {quoted(account['name'])} not found")
        uid = found["metadata"]["uid"]
        if uid != account["uid"]:
            raise Rejected(f"service account UID ({uid}) does not match claim ({account['uid']})")
        if self._is_deleted(found):
            raise Rejected(f"service account {namespace}/{account['name']} has been deleted")
        extra = {f"{_EXTRA}credential-id": (f"JTI={claims['jti']}",)}
        for kind in ("pod", "secret", "node"):
            if kind in named:
                self._check_bound(kind, named)
                pair = ("name", "uid") if kind != "secret" else ()
                extra |= {f"{_EXTRA}{kind}-{key}": (named[kind][key],) for key in pair if key in named[kind]}
        return Caller(
            name=claims["sub"], uid=uid, groups=(*account_groups(namespace), AUTHENTICATED), extra=extra
        )

    def _check_bound(self, kind: str, named: Mapping[str, Any]) -> None:
        if kind == "node" and "pod" in named:
            # The node of a Pod's token only tells where the Pod is.
            return
        claimed = named[kind]
        found = self._read(_BOUND[kind], "" if kind == "node" else named["namespace"], claimed["name"])
        if found is None or (found["metadata"]["uid"] == claimed["uid"] and self._is_deleted(found)):
            raise Rejected(_INVALIDATED)
        uid = found["metadata"]["uid"]
        if uid != claimed["uid"]:
            claim = f"service account {kind} ref claim ({claimed['uid']})"
            raise Rejected(f"{kind} UID ({uid}) does not match {claim}")

    def _is_deleted(self, value: Object) -> bool:
        """Tell whether an object has been on its way out for longer than clocks may differ."""
        since = value["metadata"].get("deletionTimestamp")
        now = self._clock.now().timestamp()
        return since is not None and datetime.fromisoformat(since).timestamp() < now - _LEEWAY_S

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        # From the cluster's own ids, not the system's chance: what a simulation plays again has the same tokens.
        seed = sha256(f"{self._new_id()}{self._new_id()}".encode()).digest()
        return ec.derive_private_key(int.from_bytes(seed[1:], "big") + 1, _CURVE)

    @cached_property
    def _key_id(self) -> str:
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return _base64(sha256(self._key.public_key().public_bytes(encoding, form)).digest())

    def _signature(self, signed: bytes) -> bytes:
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        numbers = utils.decode_dss_signature(self._key.sign(signed, algorithm))
        return b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)


def _reference(value: Object) -> Mapping[str, str]:
    metadata = value["metadata"]
    return {key: metadata[key] for key in ("name", "uid") if metadata.get(key)}


def _encoded(value: Any) -> str:
    return _base64(msgspec.json.encode(value))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
