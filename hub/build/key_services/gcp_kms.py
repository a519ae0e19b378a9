"""Google Cloud KMS, with the key of a service account: it signs for a token (RFC 7523), and the token opens."""

import asyncio
import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from agent.kit.clock import Clock
from hub.build.key_services.asking import Reply, post
from hub.build.sops.errors import KeyRefused
from hub.build.sops.metadata import SealedKey

ENDPOINT: Final = "https://cloudkms.googleapis.com"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE: Final = "https://www.googleapis.com/auth/cloudkms"
_LIFETIME_S: Final = 3600
_NAME = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+\Z", re.A)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Whom the key is of, and where it is exchanged for a token."""

    email: str
    key: RSAPrivateKey = field(repr=False)
    key_id: str
    token_uri: str


class GcpKms:
    """Whoever the service account is."""

    def __init__(
        self, account: ServiceAccount, *, clock: Clock, timeout_s: float, endpoint: str = ""
    ) -> None:
        self._account = account
        self._clock = clock
        self._timeout_s = timeout_s
        self._endpoint = (endpoint or ENDPOINT).rstrip("/")
        self._token = ""
        self._asking = asyncio.Lock()

    async def open(self, sealed: SealedKey) -> bytes:
        """Return what is encrypted with a key. Raises KeyRefused."""
        if _NAME.match(sealed.name) is None:
            raise KeyRefused("the document names no resource that is a key")
        async with self._asking:
            self._token = self._token or await self._new_token()
        url = f"{self._endpoint}/v1/{sealed.name}:decrypt"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        body = json.dumps({"ciphertext": sealed.sealed}).encode()
        reply = await post(url, body, headers, timeout_s=self._timeout_s)
        if reply.status != 200:
            raise KeyRefused(f"it answered {reply.status}: {_reason(reply)}")
        try:
            return base64.b64decode(json.loads(reply.body)["plaintext"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            # Its answer may be the key, if not as it should be.
            raise KeyRefused("it answered 200, and not as KMS does") from None

    async def _new_token(self) -> str:
        body = urlencode({"grant_type": _GRANT, "assertion": self._assertion()}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = await post(self._account.token_uri, body, headers, timeout_s=self._timeout_s)
        if reply.status != 200:
            raise KeyRefused(f"the service account gets no token: {reply.status} {_reason(reply)}")
        try:
            return str(json.loads(reply.body)["access_token"])
        except (ValueError, KeyError, TypeError):
            raise KeyRefused("the service account gets no token: there is none in the answer") from None

    def _assertion(self) -> str:
        now = int(self._clock.now().timestamp())
        head = {"alg": "RS256", "typ": "JWT", "kid": self._account.key_id}
        claims = {
            "iss": self._account.email,
            "scope": _SCOPE,
            "aud": self._account.token_uri,
            "iat": now,
            "exp": now + _LIFETIME_S,
        }
        text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_base64(self._account.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _reason(reply: Reply) -> str:
    """Return what an answer gives as its reason, which Google writes in two ways."""
    try:
        said: Any = json.loads(reply.body)
        error = said["error"]
        return str(error["message"] if isinstance(error, dict) else said.get("error_description") or error)[
            :200
        ]
    except (ValueError, KeyError, TypeError):
        return "no reason given"
