"""The way to a server in the same process: what a client sends is answered at once, without a network between."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import unquote

import msgspec

from agent.kube.transport import Lines, Outgoing, Reply
from hub.sandbox.server import Server
from hub.sandbox.wire import Answer, Request


class LocalTransport:
    """Carries requests to a server under a bearer token; see `agent.kube.transport.Transport`."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._token = token

    async def send(self, request: Outgoing, *, timeout_s: float) -> Reply:
        answer = await self._server.answer(_request(request, self._token)).settled()
        return Reply(status=answer.status, headers=_headers(answer), body=answer.body)

    @asynccontextmanager
    async def stream(self, request: Outgoing, *, silence_s: float) -> AsyncIterator[Lines]:
        yield _LocalLines(await self._server.answer(_request(request, self._token)).settled())

    async def close(self) -> None:
        """There is nothing to give up."""


class _LocalLines:
    """An answer that goes on."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = _headers(answer)

    async def read(self) -> bytes:
        return self._answer.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._answer.stream is not None:
            async for value in self._answer.stream:
                yield msgspec.json.encode(value)


def _request(request: Outgoing, token: str) -> Request:
    return Request(
        method=request.method,
        path=unquote(request.path),
        query={name: [value] for name, value in request.query.items()},
        headers={name.lower(): value for name, value in request.headers.items()}
        | {"authorization": f"Bearer {token}"},
        body=request.body or b"",
    )


def _headers(answer: Answer) -> Mapping[str, str]:
    return {"content-type": answer.media_type} | {
        name.lower(): value for name, value in answer.headers.items()
    }
