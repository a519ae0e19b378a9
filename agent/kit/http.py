"""The small HTTP server that every program has: /healthz, /readyz, /metrics. State: none but the sockets.

It answers on the program's own event loop: one that is held up is no more alive than one whose workers do not move.
"""

from collections.abc import Callable

import prometheus_client
from aiohttp import web

from agent.kit.telemetry import Telemetry


class ProbeServer:
    """Answers probes and scrapes until stopped. `ready` says why the program is not ready, empty when it is."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ready: Callable[[], str],
        telemetry: Telemetry,
    ) -> None:
        self._host = host
        self._port = port
        self._ready = ready
        self._telemetry = telemetry
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _verdict(self._telemetry.loops.problem)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(self._ready())

    async def _metrics(self, _: web.Request) -> web.Response:
        body = prometheus_client.generate_latest(self._telemetry.registry)
        return web.Response(body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})


def _verdict(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)
