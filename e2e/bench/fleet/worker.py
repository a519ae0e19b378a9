"""A farm: many clusters in memory, each with an agent of production, all in this process: `python -m e2e.bench.fleet.worker FOLDER`.

FOLDER has plan.json, which says which clusters. Each line on standard input is a JSON list, a word with what belongs to it, and is answered
by a line of JSON; its end ends the farm. Times are those of the machine's monotonic clock, which whoever asks has, too.
"""

import asyncio
import logging
import os
import resource
import socket
import stat
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from agent.kit.clock import SystemClock
from agent.kit.tasks import Tasks, all_of
from agent.kube.client import Client
from agent.kube.transport import Lines, Outgoing, Reply
from agent.link.channel import keep_polling
from e2e.bench.fleet import load
from hub.model import installation
from hub.sandbox.box import ADMIN_TOKEN
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.installing import accounts, install_agent, make_agent
from hub.sandbox.life.life import Life
from hub.sandbox.local import LocalTransport
from hub.sandbox.server import Server
from hub.sandbox.storage import Change, KindKey

_AT_ONCE = 8
_CONFIG_MAPS: KindKey = ("", "configmaps")
_LEASES = "/leases/"
_OWN = f"/namespaces/{installation.NAMESPACE}/"


class Plan(msgspec.Struct):
    """The form of plan.json: join tokens by cluster, the hub's CA and ports, the agent's settings and rights."""

    tokens: dict[str, str]
    authority: str
    session_port: int
    enrol_port: int
    settings: dict[str, str]
    rights: list[dict[str, Any]]


class Farm:
    """The clusters and agents of this process."""

    def __init__(self, folder: Path, plan: Plan, tasks: Tasks) -> None:
        self._folder = folder
        self._plan = plan
        self._tasks = tasks
        self._clock = SystemClock()
        self._servers: dict[str, Server] = {}
        self._applied: dict[str, dict[str, float]] = {}
        self._requests: Counter[str] = Counter()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, word: str, *given: str) -> Any:
        """Do what is asked, and return what there is to say."""
        match word, given:
            case "build", ():
                await all_of([self._build(name) for name in self._plan.tokens], at_once=_AT_ONCE)
                return len(self._servers)
            case "start", ():
                for name in self._servers:
                    self._run_agent(name)
                return len(self._servers)
            case "applied", (text,):
                return list(self._applied.get(text, {}).values())
            case "requests", ():
                return dict(self._requests)
            case "cut", ():
                return cut(self._plan.session_port)
            case _:
                raise ValueError(f"not understood: {word} {given}")

    async def _build(self, name: str) -> None:
        server = new_cluster(self._clock, {ADMIN_TOKEN: admin(), **accounts()})
        self._servers[name] = server
        self._tasks.start(Life(server, self._clock).run(), name=f"life of {name}")
        api = Client(LocalTransport(server, ADMIN_TOKEN), clock=self._clock)
        await install_agent(api, self._plan.rights, clock=self._clock)

        def heard(kind: KindKey, change: Change) -> None:
            if kind == _CONFIG_MAPS and change.place == (load.PLACE, load.SETTINGS) and change.after:
                text = change.after["data"]["text"]
                self._applied.setdefault(text, {}).setdefault(name, time.monotonic())

        server.storage.follow(heard)

    def _run_agent(self, name: str) -> None:
        bootstrap = self._folder / name
        bootstrap.mkdir()
        (bootstrap / installation.TOKEN_KEY).write_text(self._plan.tokens[name])
        (bootstrap / installation.CA_CERTIFICATE_KEY).write_text(self._plan.authority)
        variables = {
            "BOOTSTRAP": str(bootstrap),
            "ADDRESS": f"127.0.0.1:{self._plan.session_port}",
            "ENROL_ADDRESS": f"127.0.0.1:{self._plan.enrol_port}",
            **self._plan.settings,
        }
        transport = _Counted(
            LocalTransport(self._servers[name], installation.AGENT), self._requests, self._turns
        )
        agent = make_agent(transport, f"agent-{name}", variables, clock=self._clock)
        self._tasks.start(agent.run(), name=f"agent {name}")


class _Counted:
    """Counts what agents ask of their API servers, what they keep for themselves apart from what they deliver."""

    def __init__(self, transport: LocalTransport, requests: Counter[str], turns: asyncio.Semaphore) -> None:
        self._transport = transport
        self._requests = requests
        self._turns = turns

    async def send(self, request: Outgoing, *, timeout_s: float) -> Reply:
        self._requests[_purpose(request.method, request.path, request.query)] += 1
        if _LEASES in request.path:
            return await self._transport.send(request, timeout_s=timeout_s)
        # A server in memory answers without letting others run: agents would be silent while each of hundreds does all it has to.
        async with self._turns:
            await asyncio.sleep(0)
            return await self._transport.send(request, timeout_s=timeout_s)

    def stream(self, request: Outgoing, *, silence_s: float) -> AbstractAsyncContextManager[Lines]:
        self._requests["watch"] += 1
        return self._transport.stream(request, silence_s=silence_s)

    async def close(self) -> None:
        await self._transport.close()


def _purpose(method: str, path: str, query: Mapping[str, str]) -> str:
    """Return what a request is for: its own state, reading, trying, writing, deleting."""
    if _OWN in path:
        return "own"
    if method == "GET" or "authorization.k8s.io" in path:
        return "read"
    if "dryRun" in query:
        return "try"
    return "delete" if method == "DELETE" else "write"


def cut(port: int) -> int:
    """Break every connection of this process to a port of loopback, as a network does; return how many."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
        except OSError:
            continue  # It was that of the folder itself.
        with socket.socket(fileno=os.dup(number)) as one:
            try:
                address = one.getpeername()
            except OSError:
                continue
            if isinstance(address, tuple) and address[1] == port:
                one.shutdown(socket.SHUT_RDWR)
                found += 1
    return found


async def run(folder: Path) -> None:
    """Serve until standard input ends."""
    keep_polling()
    plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Tasks() as tasks:
        farm = Farm(folder, plan, tasks)
        serving = tasks.start(_serve(farm, reader), name="serve")
        await tasks.run_until(serving)


async def _serve(farm: Farm, reader: asyncio.StreamReader) -> None:
    while line := await reader.readline():
        answer = await farm.answer(*msgspec.json.decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    home = Path(sys.argv[1])
    logging.basicConfig(filename=home / "log", level="INFO")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    asyncio.run(run(home))
