"""Passes requests on to servers behind APIServices, as who asks: the server there believes the names because of the certificate.

State: a pool of connections, which belongs to the loop that first needs it.
"""

import ssl
from collections.abc import AsyncGenerator
from functools import lru_cache

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from hub.sandbox.access.impersonation import REPEATED
from hub.sandbox.apiservices.backends import Away, Backend
from hub.sandbox.tls import Identity
from hub.sandbox.wire import Answer, Caller, Request

USER, UID, GROUP, EXTRA = "X-Remote-User", "X-Remote-Uid", "X-Remote-Group", "X-Remote-Extra-"
PLAIN = "text/plain; charset=utf-8"
_HOPS = frozenset(
    {"connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_OURS = ("authorization", "content-length", "accept-encoding", "impersonate-", "x-remote-", "x-forwarded-")
_REDIRECTED = "the backend attempted to redirect this request, which is not permitted"
_SILENCE_S = 60.0


class Proxy:
    """The way to other servers. `identity` is what they know this one by."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._session: aiohttp.ClientSession | None = None
        self._context = lru_cache(maxsize=64)(self._trusting)

    async def close(self) -> None:
        """Give up all connections."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def pass_on(self, request: Request, backend: Backend, caller: Caller) -> Answer:
        """Return what a server answers to a request. Raises Away when it does not."""
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False, trust_env=False)
        try:
            reply = await self._session.request(
                request.method,
                _url(request, backend),
                skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type"),
                data=request.body or None,
                headers=_onward(request, backend, caller),
                ssl=self._context(backend.authority, backend.is_trusted),
                server_hostname=backend.name,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=_SILENCE_S),
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as problem:
            raise Away("FailedDiscoveryCheck", str(problem) or type(problem).__name__) from problem
        if reply.status in (301, 302, 303, 307, 308):
            reply.close()
            return Answer(status=502, text=_REDIRECTED, media_type=PLAIN)
        return await _answered(request, reply)

    def _trusting(self, authority: bytes, is_trusted: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=authority.decode() or None)
        if is_trusted:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._identity.into(context)
        return context


def _url(request: Request, backend: Backend) -> URL:
    query = [(name, value) for name, values in request.query.items() for value in values]
    return URL.build(scheme="https", authority=backend.host, path=request.path, query=query)


def _onward(request: Request, backend: Backend, caller: Caller) -> CIMultiDict[str]:
    """Return the headers that go on, with who asks in place of what proved it."""
    found: CIMultiDict[str] = CIMultiDict()
    for name, values in request.headers.items():
        if name not in _HOPS and not name.startswith(_OURS):
            found.extend((name, value) for value in values.split(REPEATED))
    found.extend(
        {
            "X-Forwarded-Host": backend.host,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Uri": request.path,
            USER: caller.name,
        }
    )
    if caller.uid:
        found.add(UID, caller.uid)
    found.extend((GROUP, group) for group in caller.groups)
    for key, extra in caller.extra.items():
        found.extend((EXTRA + _escaped(key), value) for value in extra)
    return found


def _escaped(key: str) -> str:
    """Return a key as a header's name can hold it."""
    plain = "!#$&'*+-.^_`|~"
    return "".join(
        one
        if one.isascii() and (one.isalnum() or one in plain)
        else "".join(f"%{part:02X}" for part in one.encode())
        for one in key
    )


async def _answered(request: Request, reply: aiohttp.ClientResponse) -> Answer:
    headers = {name: value for name, value in reply.headers.items() if _goes_back(name.lower())}
    media_type = reply.headers.get("Content-Type", "application/octet-stream")
    if reply.status < 300 and (request.is_asked("watch") or request.is_asked("follow")):
        return Answer(status=reply.status, stream=_lines(reply), media_type=media_type, headers=headers)
    try:
        body = await reply.read()
    except (TimeoutError, aiohttp.ClientError, OSError) as problem:
        raise Away("FailedDiscoveryCheck", str(problem) or type(problem).__name__) from problem
    return Answer(status=reply.status, content=body, media_type=media_type, headers=headers)


def _goes_back(name: str) -> bool:
    return name not in _HOPS and name not in ("content-length", "content-type", "date")


async def _lines(reply: aiohttp.ClientResponse) -> AsyncGenerator[msgspec.Raw]:
    """Yield the lines of an answer that goes on, until either end has enough."""
    async with reply:
        rest = b""
        async for chunk in reply.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield msgspec.Raw(line)
