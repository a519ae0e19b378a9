"""The transit engine of Vault and OpenBao, with a token."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hub.build.key_services.asking import Reply, post
from hub.build.sops.errors import KeyRefused
from hub.build.sops.metadata import SealedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTransit:
    """Whoever the token is for."""

    token: str = field(repr=False)
    timeout_s: float

    async def open(self, sealed: SealedKey) -> bytes:
        """Return what is encrypted with a key of the engine. Raises KeyRefused."""
        facts = dict(sealed.facts)
        address, engine, key = (
            facts.get(name, "").strip("/") for name in ("vault_address", "engine_path", "key_name")
        )
        if not address.startswith(("https://", "http://")) or not engine or not key:
            raise KeyRefused("the document names no address, engine and key")
        url = f"{address}/v1/{quote(engine)}/decrypt/{quote(key, safe='')}"
        body = json.dumps({"ciphertext": sealed.sealed}).encode()
        reply = await post(
            url, body, {"X-Vault-Token": self.token, "X-Vault-Request": "true"}, timeout_s=self.timeout_s
        )
        return _opened(reply)


def _opened(reply: Reply) -> bytes:
    try:
        said: dict[str, Any] = json.loads(reply.body or b"{}")
        if reply.status == 200:
            return base64.b64decode(said["data"]["plaintext"], validate=True)
        errors = "; ".join(str(one)[:200] for one in said.get("errors") or ())
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        # Its answer may be the key, if not as it should be.
        raise KeyRefused(f"it answered {reply.status}, and not as Vault does") from None
    raise KeyRefused(f"it answered {reply.status}: {errors or 'no reason given'}")
