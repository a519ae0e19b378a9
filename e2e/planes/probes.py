"""The probes of a container: asked in time, counted against their thresholds."""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from e2e.planes.door import Object

_UNTIL_READY_S = 0.2


class Probe:
    """One probe of a started container. `is_passing` and `has_failed` are as of the last asking."""

    def __init__(self, spec: Object, container: Object, address: str, pid: Callable[[], int | None]) -> None:
        self._spec = spec
        self._ports = {one.get("name"): one["containerPort"] for one in container.get("ports") or ()}
        self._address = address
        self._pid = pid
        self._next = time.monotonic() + spec.get("initialDelaySeconds", 0)
        self._passed = self._failed = 0
        self.is_passing = False

    @property
    def has_failed(self) -> bool:
        return bool(self._failed >= self._spec.get("failureThreshold", 3))

    async def ask_when_due(self) -> None:
        """Ask, unless it is too early. A probe that does not pass yet is asked often, so that nobody waits for a period."""
        if time.monotonic() < self._next:
            return
        try:
            async with asyncio.timeout(self._spec.get("timeoutSeconds", 1)):
                passes = await self._ask()
        except (OSError, TimeoutError, aiohttp.ClientError):
            passes = False
        self._passed, self._failed = (self._passed + 1, 0) if passes else (0, self._failed + 1)
        if self._passed >= self._spec.get("successThreshold", 1):
            self.is_passing = True
        elif self.has_failed:
            self.is_passing = False
        period_s = self._spec.get("periodSeconds", 10)
        self._next = time.monotonic() + period_s

    def hurry(self) -> None:
        """Be asked again soon: for readiness that is not there yet."""
        self._next = min(self._next, time.monotonic() + _UNTIL_READY_S)

    async def _ask(self) -> bool:
        match self._spec:
            case {"httpGet": get}:
                scheme = get.get("scheme", "HTTP").lower()
                url = f"{scheme}://{self._address}:{self._port(get['port'])}{get.get('path', '/')}"
                async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as answer:
                    return answer.status < 400
            case {"tcpSocket": socket}:
                _, writer = await asyncio.open_connection(self._address, self._port(socket["port"]))
                writer.close()
                return True
            case {"exec": run}:
                return await self._run(run["command"])
        raise ValueError(f"a probe of a kind that this runner does not know: {', '.join(self._spec)}")

    def _port(self, wanted: str | int) -> int:
        return int(self._ports.get(wanted, wanted))

    async def _run(self, command: list[str]) -> bool:
        pid = self._pid()
        if pid is None:
            return False
        process = await asyncio.create_subprocess_exec(
            "nsenter", f"--target={pid}", "--mount", "--pid", "--root", "--wd", "--", *command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
