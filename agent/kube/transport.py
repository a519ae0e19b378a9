"""How requests reach an API server and answers come back. Over HTTP here; in memory where a whole server is (`hub/sandbox`).

State: a pool of connections for requests, and one connection per watch beside it, so that watches never keep requests waiting.
A request that may have taken effect is never sent twice; a read is, once, when a kept-alive connection turns out to be dead.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from agent.kube.access import Access
from agent.kube.errors import Unreachable

MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request: `path` as it is on the wire, `query` and `headers` by name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lines(Protocol):
    """An answer that goes on: the lines that come, or a whole refusal."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return all of a refusal's body."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """What carries requests of one identity. Everything raises Unreachable when there is no answer."""

    async def send(self, request: Outgoing, *, timeout_s: float) -> Reply:
        """Send a request and return the whole answer."""
        ...

    def stream(self, request: Outgoing, *, silence_s: float) -> AbstractAsyncContextManager[Lines]:
        """Send a request whose answer goes on; a server that is silent for so long is away."""
        ...

    async def close(self) -> None:
        """Give up all connections."""
        ...


class HttpTransport:
    """Requests over HTTP/1.1, by an identity that is asked anew for each."""

    def __init__(self, access: Access, *, connections: int = 64) -> None:
        self._access = access
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._watching: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        for session in (self._session, self._watching):
            if session is not None:
                await session.close()
        self._session = self._watching = None

    async def send(self, request: Outgoing, *, timeout_s: float) -> Reply:
        again = request.method == "GET"
        if self._session is None:
            self._session = self._connected(limit=self._connections)
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        while True:
            try:
                async with self._request(self._session, request, timeout) as answer:
                    body = await answer.read()
                    return Reply(status=answer.status, headers=_headers(answer), body=body)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as problem:
                # A kept-alive connection was closed under us; a read does no harm twice.
                if not again or isinstance(problem, aiohttp.ClientConnectorError):
                    raise _unreachable(request, problem) from problem
                again = False
            except (TimeoutError, aiohttp.ClientError, OSError) as problem:
                raise _unreachable(request, problem) from problem

    @asynccontextmanager
    async def stream(self, request: Outgoing, *, silence_s: float) -> AsyncIterator[Lines]:
        if self._watching is None:
            self._watching = self._connected(limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_s)
        try:
            async with self._request(self._watching, request, timeout) as answer:
                yield _HttpLines(answer)
        except (TimeoutError, aiohttp.ClientError, OSError) as problem:
            raise _unreachable(request, problem) from problem

    def _connected(self, *, limit: int) -> aiohttp.ClientSession:
        """Make a pool; only when it is needed, because it belongs to the running loop. Nothing of the environment is to come between."""
        connector = aiohttp.TCPConnector(limit=limit, ssl=self._access.tls or True)
        return aiohttp.ClientSession(connector=connector, trust_env=False)

    def _request(
        self, session: aiohttp.ClientSession, request: Outgoing, timeout: aiohttp.ClientTimeout
    ) -> Any:
        headers = dict(request.headers)
        if authorization := self._access.authorization():
            headers["Authorization"] = authorization
        return session.request(
            request.method,
            self._access.server + request.path,
            params=request.query,
            data=request.body,
            headers=headers,
            timeout=timeout,
        )


class _HttpLines:
    """The lines of an answer, of any length."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = _headers(answer)

    async def read(self) -> bytes:
        return await self._answer.read()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = bytearray()
        async for chunk in self._answer.content.iter_any():
            rest += chunk
            *lines, tail = rest.split(b"\n")
            for line in lines:
                if line:
                    yield bytes(line)
            rest = tail
            if len(rest) > MAX_LINE_BYTES:
                raise Unreachable(f"the API server sent a watch event of more than {MAX_LINE_BYTES} bytes")


def _headers(answer: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _unreachable(request: Outgoing, problem: Exception) -> Unreachable:
    return Unreachable(f"{request.method} {request.path}: {str(problem) or type(problem).__name__}")
