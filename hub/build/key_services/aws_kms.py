"""AWS KMS, with an access key. Requests are signed by version 4 of AWS's signatures."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from agent.kit.clock import Clock
from hub.build.key_services.asking import Reply, post
from hub.build.sops.errors import KeyRefused
from hub.build.sops.metadata import SealedKey

_ARN = re.compile(r"arn:(aws[a-z-]*):kms:([a-z0-9-]+):\d+:(?:key|alias)/.+\Z")
_SUFFIXES: Final = {"aws-cn": "amazonaws.com.cn"}
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An access key, for as long as its session lasts where it has one."""

    id: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKms:
    """Whoever the access key is for. `endpoint` is for one that is not AWS's own."""

    credentials: Credentials
    clock: Clock
    timeout_s: float
    endpoint: str = ""

    async def open(self, sealed: SealedKey) -> bytes:
        """Return what is encrypted with a key. Raises KeyRefused."""
        facts = dict(sealed.facts)
        found = _ARN.match(sealed.name)
        if found is None:
            raise KeyRefused("the document names no ARN of a key")
        if facts.get("role"):
            raise KeyRefused(
                "the document names a role to assume, which is not supported by this version of Cartwheel"
            )
        partition, region = found.groups()
        url = self.endpoint or f"https://kms.{region}.{_SUFFIXES.get(partition, 'amazonaws.com')}/"
        body = {"CiphertextBlob": sealed.sealed, "KeyId": sealed.name}
        if facts.get("context"):
            body["EncryptionContext"] = json.loads(facts["context"])
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.Decrypt"}
        signed = sign(self.credentials, url, region, headers, data, now=self.clock.now())
        return _opened(await post(url, data, signed, timeout_s=self.timeout_s))


def sign(
    credentials: Credentials, url: str, region: str, headers: dict[str, str], body: bytes, *, now: datetime
) -> dict[str, str]:
    """Return the headers of a POST to KMS with its signature among them."""
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    sent = headers | {"Host": urlsplit(url).netloc, "X-Amz-Date": time}
    if credentials.session:
        sent["X-Amz-Security-Token"] = credentials.session
    scope = f"{time[:8]}/{region}/kms/aws4_request"
    lower = {name.lower(): value for name, value in sent.items()}
    names = ";".join(sorted(lower))
    lines = "".join(f"{name}:{lower[name].strip()}\n" for name in sorted(lower))
    request = f"POST\n{urlsplit(url).path or '/'}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    text = f"{_ALGORITHM}\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    signature = _mac(key, text).hex()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _opened(reply: Reply) -> bytes:
    try:
        said: dict[str, Any] = json.loads(reply.body or b"{}")
        if reply.status == 200:
            return base64.b64decode(said["Plaintext"], validate=True)
        kind = str(said.get("__type", "")).rpartition("#")[2]
        reason = str(said.get("message") or said.get("Message") or "")
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        # Its answer may be the key, if not as it should be.
        raise KeyRefused(f"it answered {reply.status}, and not as KMS does") from None
    raise KeyRefused(f"it answered {reply.status} {kind[:100]}: {reason[:200] or 'no reason given'}")
