"""What leads from 127.0.0.1 to the Pods of our Services: a listener per node port and load balancer port.

`partition` holds back all bytes, also of connections that come later, and closes nothing: the network is gone, nobody is told.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

Target = Callable[[], tuple[str, int] | None]


class Proxies:
    """The listeners of one plane."""

    def __init__(self) -> None:
        self._servers: dict[int, asyncio.Server] = {}
        self._targets: dict[int, Target] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self._flow = asyncio.Event()
        self._flow.set()
        self.problems: dict[int, str] = {}
        """Ports that could not be had, and why."""

    def partition(self) -> None:
        self._flow.clear()

    def heal(self) -> None:
        self._flow.set()

    async def serve(self, wanted: Mapping[int, Target]) -> None:
        """Listen on exactly these ports; each connection asks for its target when it comes."""
        self._targets = dict(wanted)
        for port in self._servers.keys() - wanted.keys():
            self._servers.pop(port).close()
        for port in wanted.keys() - self._servers.keys():
            try:
                self._servers[port] = await asyncio.start_server(self._on(port), "127.0.0.1", port)
                self.problems.pop(port, None)
            except OSError as problem:
                self.problems[port] = str(problem)

    async def close(self) -> None:
        self._flow.set()
        await self.serve({})
        for writer in self._connections:
            writer.transport.abort()

    def _on(
        self, port: int
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            try:
                await self._connect(port, reader, writer)
            except OSError:
                writer.transport.abort()
            finally:
                self._connections.discard(writer)
                writer.close()

        return connect

    async def _connect(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flow.wait()
        target = self._targets[port]() if port in self._targets else None
        if target is None:  # no Pod is ready: refused, as far as one who has accepted can
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_connection(*target)
        self._connections.add(inner_writer)
        try:
            await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))
        finally:
            self._connections.discard(inner_writer)
            inner_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flow.wait()
                writer.write(data)
                await writer.drain()
        finally:
            await self._flow.wait()  # also the end of a connection is news that a cut network does not carry
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()
