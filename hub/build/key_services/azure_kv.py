"""Azure Key Vault, as an application with a client secret: the secret is exchanged for a token, and the token opens."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from hub.build.key_services.asking import Reply, post
from hub.build.sops.errors import KeyRefused
from hub.build.sops.metadata import SealedKey

AUTHORITY: Final = "https://login.microsoftonline.com"
_VERSION: Final = "7.4"
_DOMAINS: Final = tuple(
    f"{service}.{cloud}"
    for service in ("vault", "managedhsm")
    for cloud in ("azure.net", "azure.cn", "usgovcloudapi.net")
)
_NAME = re.compile(r"[A-Za-z0-9-]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application of a tenant, and where it is exchanged for a token."""

    tenant: str
    id: str
    secret: str = field(repr=False)
    authority: str = AUTHORITY


def scope_of(url: str) -> str | None:
    """Return what a token for a vault is to be good for; None for what is no vault of Azure, to which none may be shown."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    domain = next((one for one in _DOMAINS if host.endswith(f".{one}")), None)
    return f"https://{domain}/.default" if domain and parts.scheme == "https" and not parts.username else None


class AzureKeyVault:
    """Whoever the application is."""

    def __init__(
        self, application: Application, *, timeout_s: float, scope: Callable[[str], str | None] = scope_of
    ) -> None:
        self._application = application
        self._timeout_s = timeout_s
        self._scope = scope
        self._tokens: dict[str, str] = {}
        self._asking = asyncio.Lock()

    async def open(self, sealed: SealedKey) -> bytes:
        """Return what is encrypted with a key. Raises KeyRefused."""
        facts = dict(sealed.facts)
        url, name, version = (facts.get(one, "") for one in ("vault_url", "name", "version"))
        scope = self._scope(url)
        if scope is None:
            raise KeyRefused("the document names no vault of Azure")
        if not all(_NAME.match(one) for one in (name, version or "-")):
            raise KeyRefused("the document names no key of a vault")
        async with self._asking:
            if scope not in self._tokens:
                self._tokens[scope] = await self._new_token(scope)
        key = "/".join(one for one in ("keys", name, version) if one)
        headers = {"Authorization": f"Bearer {self._tokens[scope]}", "Content-Type": "application/json"}
        body = json.dumps({"alg": "RSA-OAEP-256", "value": sealed.sealed}).encode()
        target = f"{url.rstrip('/')}/{key}/decrypt?api-version={_VERSION}"
        return _opened(await post(target, body, headers, timeout_s=self._timeout_s))

    async def _new_token(self, scope: str) -> str:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self._application.id,
            "client_secret": self._application.secret,
            "scope": scope,
        }
        url = f"{self._application.authority.rstrip('/')}/{quote(self._application.tenant, safe='')}/oauth2/v2.0/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = await post(url, urlencode(asked).encode(), headers, timeout_s=self._timeout_s)
        try:
            said = json.loads(reply.body)
            if reply.status == 200:
                return str(said["access_token"])
            reason = str(said.get("error_description") or said.get("error") or "no reason given")[:200]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyRefused(f"the application gets no token: {reply.status}") from None
        raise KeyRefused(f"the application gets no token: {reply.status} {reason}")


def _opened(reply: Reply) -> bytes:
    try:
        said = json.loads(reply.body or b"{}")
        if reply.status == 200:
            text = said["value"]
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        reason = str(said["error"]["message"])[:200] if "error" in said else "no reason given"
    except (ValueError, KeyError, TypeError, binascii.Error):
        # Its answer may be the key, if not as it should be.
        raise KeyRefused(f"it answered {reply.status}, and not as Key Vault does") from None
    raise KeyRefused(f"it answered {reply.status}: {reason}")
