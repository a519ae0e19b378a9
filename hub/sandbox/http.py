"""A server in memory on a port of loopback, for clients of any kind.

    async with served(server, context) as address:  # "https://127.0.0.1:41234"
        ...

State: the open connections.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from hub.sandbox.access.impersonation import REPEATED
from hub.sandbox.server import Server
from hub.sandbox.wire import JSON, Answer, Broken, Request

_MAX_BODY = 3 << 20


@asynccontextmanager
async def served(server: Server, context: ssl.SSLContext, *, port: int = 0) -> AsyncIterator[str]:
    """Serve until the end of the block; yield the address. Port 0 takes a free one."""
    application = web.Application(client_max_size=_MAX_BODY)
    application.router.add_route("*", "/{path:.*}", _Ingress(server).answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Ingress:
    """Turns requests of HTTP into those of the server, and answers back."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def answer(self, incoming: web.Request) -> web.StreamResponse:
        request = Request(
            method=incoming.method,
            path=incoming.path,
            query={name: incoming.query.getall(name) for name in incoming.query},
            headers=_headers(incoming),
            body=await incoming.read(),
        )
        try:
            answer = await self._server.traffic.exchange(request)
        except Broken as broken:
            return await _broken(incoming, broken.sent)
        if answer.stream is None:
            return _whole(answer)
        return await _streamed(incoming, answer, answer.stream)


def _headers(incoming: web.Request) -> Mapping[str, str]:
    """Return headers by name in lower case; the values of one that came several times are joined."""
    names = dict.fromkeys(name.lower() for name in incoming.headers)
    return {name: REPEATED.join(incoming.headers.getall(name)) for name in names}


def _whole(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.media_type, **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _streamed(incoming: web.Request, answer: Answer, stream: AsyncGenerator[Any]) -> web.StreamResponse:
    """Send each value of a stream as a line, until it ends or nobody listens any more."""
    headers = {"Content-Type": answer.media_type, **answer.headers}
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(incoming)
    try:
        async with aclosing(stream):
            async for value in stream:
                await response.write(msgspec.json.encode(value) + b"\n")
        await response.write_eof()
    except Broken as broken:
        await response.write(broken.sent)
        _hang_up(incoming)
    except (ConnectionResetError, asyncio.CancelledError):
        # Whoever watched has left.
        pass
    return response


async def _broken(incoming: web.Request, sent: bytes) -> web.StreamResponse:
    """Send the beginning of an answer that says nowhere that it is all, or nothing, and close the connection."""
    response = web.StreamResponse(headers={"Content-Type": JSON})
    if sent:
        response.enable_chunked_encoding()
        await response.prepare(incoming)
        await response.write(sent)
    _hang_up(incoming)
    return response


def _hang_up(incoming: web.Request) -> None:
    if incoming.transport is not None:
        incoming.transport.close()
