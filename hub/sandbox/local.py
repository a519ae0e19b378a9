"""The way to a server in the same process: what a client sends is answered at once, without a network between."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import unquote

import msgspec

from agent.kube.errors import Unreachable
from agent.kube.transport import Lines, Outgoing, Reply
from hub.sandbox.server import Server
from hub.sandbox.wire import Answer, Broken, Request


class LocalTransport:
    """Carries requests to a server under a bearer token; see `agent.kube.transport.Transport`."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._token = token

    async def send(self, request: Outgoing, *, timeout_s: float) -> Reply:
        with _as_over_http(request):
            async with asyncio.timeout(timeout_s):
                return reply_of(await self._server.traffic.exchange(request_of(request, self._token)))

    @asynccontextmanager
    async def stream(self, request: Outgoing, *, silence_s: float) -> AsyncIterator[Lines]:
        with _as_over_http(request):
            async with asyncio.timeout(silence_s):
                answer = await self._server.traffic.exchange(request_of(request, self._token))
            try:
                yield _LocalLines(answer, silence_s)
            finally:
                if answer.stream is not None:
                    await answer.stream.aclose()

    async def close(self) -> None:
        """There is nothing to give up."""


class _LocalLines:
    """An answer that goes on. Raises Broken, and TimeoutError after a silence."""

    def __init__(self, answer: Answer, silence_s: float) -> None:
        self._answer = answer
        self._silence_s = silence_s
        self.status = answer.status
        self.headers = _headers(answer)

    async def read(self) -> bytes:
        return self._answer.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._answer.stream
        while stream is not None:
            try:
                async with asyncio.timeout(self._silence_s):
                    value = await anext(stream)
            except StopAsyncIteration:
                return
            yield msgspec.json.encode(value)


@contextmanager
def _as_over_http(request: Outgoing) -> Iterator[None]:
    """Raise what a client of HTTP would, where a connection breaks or an answer does not come."""
    try:
        yield
    except (Broken, TimeoutError) as problem:
        raise Unreachable(
            f"{request.method} {request.path}: {str(problem) or type(problem).__name__}"
        ) from problem


def request_of(request: Outgoing, token: str) -> Request:
    """Return a request as it arrives at a server."""
    return Request(
        method=request.method,
        path=unquote(request.path),
        query={name: [value] for name, value in request.query.items()},
        headers={name.lower(): value for name, value in request.headers.items()}
        | {"authorization": f"Bearer {token}"},
        body=request.body or b"",
    )


def reply_of(answer: Answer) -> Reply:
    """Return a whole answer as it arrives at a client."""
    return Reply(status=answer.status, headers=_headers(answer), body=answer.body)


def _headers(answer: Answer) -> Mapping[str, str]:
    return {"content-type": answer.media_type} | {
        name.lower(): value for name, value in answer.headers.items()
    }
