"""The programs around a farm: hub and agent as an image has them, each in a container of its own, and the processes of the farm.

State: the processes. A container's disk is a folder in memory.
"""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

from agent.kube.access import SERVICE_ACCOUNT
from e2e.bench.fleet.worker import Plan
from e2e.planes.container import Container, ContainerPlan, Mount
from hub.sandbox.ports import free_port

_LOOK_S = 0.05
_START_S = 10.0
_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Under whom a program of ours reaches which API server: the port, and the folder with what a ServiceAccount's volume has."""

    port: int
    folder: Path

    @classmethod
    def make(cls, folder: Path, *, address: str, token: str, authority: str) -> Self:
        """Write the volume."""
        folder.mkdir(parents=True)
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_text(authority)
        return cls(port=int(address.rpartition(":")[2]), folder=folder)


class Served:
    """A hub or an agent in a container. `disk` is where it keeps what it may lose."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        account: Account,
        variables: Mapping[str, str],
        mounts: Sequence[Mount] = (),
    ) -> None:
        self._name = name
        self._folder = folder / name
        self.disk = self._folder / "disk"
        self.port = free_port()
        self._plan = ContainerPlan(
            command=command,
            env={
                "POD_NAME": f"{name}-0",
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": str(account.port),
                "CARTWHEEL_HOST": "127.0.0.1",
                "CARTWHEEL_HTTP_PORT": str(self.port),
                **{f"CARTWHEEL_{one}": value for one, value in variables.items()},
            },
            mounts=(
                Mount(source=account.folder, path=str(SERVICE_ACCOUNT), is_writable=False),
                Mount(source=self.disk, path="/data", is_writable=True),
                *mounts,
            ),
        )
        self._container: Container | None = None

    @property
    def pid(self) -> int:
        """Return the program's process. Raises LookupError when it does not run."""
        found = self._container.pid if self._container is not None else None
        if found is None:
            raise LookupError(f"{self._name} does not run:\n{self.tail()}")
        return found

    def start(self) -> None:
        """Start it on an empty disk."""
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir(parents=True)
        self._container = Container(self._name, self._plan, self._folder)

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self._container is not None:
            self._container.kill()

    def tail(self) -> str:
        """Return the end of what it logged."""
        log = self._folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.is_file() else ""

    async def until_running(self) -> None:
        """Wait until there is a process. Raises LookupError when there is none soon."""
        end_s = time.monotonic() + _START_S
        while self._container is None or self._container.pid is None:
            if time.monotonic() > end_s:
                raise LookupError(f"{self._name} does not run:\n{self.tail()}")
            await asyncio.sleep(_LOOK_S)

    async def until_ready(self, timeout_s: float = 90.0) -> None:
        """Wait until it says that it is. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while (await self._get("/readyz"))[0] != 200:
                await asyncio.sleep(_LOOK_S)

    async def metrics(self) -> Mapping[str, float]:
        """Return its metrics by their names with labels, as they are written."""
        _, text = await self._get("/metrics")
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    async def _get(self, path: str) -> tuple[int, str]:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""


class FarmProcess:
    """A process of `worker`, and the talk with it."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._talking = asyncio.Lock()

    @classmethod
    async def start(cls, folder: Path, plan: Plan) -> Self:
        """Start one for a plan."""
        folder.mkdir(parents=True)
        written = {name: getattr(plan, name) for name in plan.__struct_fields__}
        (folder / "plan.json").write_text(json.dumps(written))
        command = (sys.executable, "-m", "e2e.bench.fleet.worker", folder)
        with (folder / "errors").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=_LINE_BYTES,
            )
        return cls(process, folder)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, *words: str) -> Any:
        """Have it do something and return its answer. Raises RuntimeError when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._talking:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            line = await self._process.stdout.readline()
        if not line:
            ends = [(self._folder / name).read_text(errors="replace")[-3000:] for name in ("log", "errors")]
            raise RuntimeError("a farm has ended:\n" + "\n".join(ends))
        return json.loads(line)

    async def end(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
