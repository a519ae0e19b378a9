"""A Git server on loopback: the repositories below a folder over smart HTTP, by git's own http-backend.

State: the open connections; the repositories are git's. Anybody on this machine may read and push.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_MAX_BODY = 64 << 20
_END_OF_HEAD = b"\r\n\r\n"


@asynccontextmanager
async def serving_git(root: Path) -> AsyncIterator[str]:
    """Serve until the end of the block; yield the address below which repositories are named."""
    application = web.Application(client_max_size=_MAX_BODY)
    application.router.add_route("*", "/{path:.*}", _Backend(root).answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Backend:
    """Runs git's http-backend for each request, as a CGI program."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        asked = BackendRequest(
            root=self._root,
            method=request.method,
            path=request.path,
            query=request.query_string,
            length=len(body),
            header=lambda name: request.headers.get(name, ""),
        )
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env=asked.environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await process.communicate(body)
        status, headers, content = backend_answer(said)
        return web.Response(status=status, body=content, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRequest:
    """What git's http-backend has to know of a request; `header` returns one by its name, empty when there is none."""

    root: Path
    method: str
    path: str
    query: str
    length: int
    header: Callable[[str], str]

    def environment(self) -> Mapping[str, str]:
        """Return it as a CGI program is told it."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            # The repositories may belong to another user than the one who serves them.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "CONTENT_TYPE": self.header("Content-Type"),
            "CONTENT_LENGTH": str(self.length),
            "HTTP_CONTENT_ENCODING": self.header("Content-Encoding"),
            "GIT_PROTOCOL": self.header("Git-Protocol"),
            # Who is named here may push.
            "REMOTE_USER": "somebody",
            "REMOTE_ADDR": "127.0.0.1",
        }


def backend_answer(said: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and content of what git's http-backend said; 500 when it said nothing."""
    head, _, content = said.partition(_END_OF_HEAD)
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    status = int(headers.pop("Status", "200" if head else "500").split()[0])
    headers.pop("Content-Length", None)
    return status, headers, content
