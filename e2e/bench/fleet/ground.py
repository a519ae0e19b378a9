"""What every bench of a fleet stands on: a hub in a container, its management cluster in this process, and farms beside them.

State: whether the load is delivered. Benches run one after the other and leave the fleet as it is.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.kit.tasks import all_of
from e2e.bench.figure import say
from e2e.bench.fleet import load
from e2e.bench.fleet.management import Management, condition, managing
from e2e.bench.fleet.programs import FarmProcess, Served
from e2e.bench.fleet.worker import Plan
from e2e.bench.processes import connection_bytes, cpu_s, tree
from e2e.servers.git_http import GitHttp
from hub.cli.manifests import running_rights
from hub.model.kinds import Kind
from hub.sandbox.ports import free_port

_LOOK_S = 0.05
_BUSY = 0.25
_SETTLE_S = 120.0
_TIMEOUT_S = 600.0
_AT_ONCE = 8
PER_FARM = 500
LEASES = {
    "LEASE_DURATION_S": "150",
    "LEASE_DEADLINE_S": "100",
    "LEASE_RETRY_S": "20",
    "LEASE_REQUEST_S": "40",
}
"""An agent renews a Lease in its own cluster each two seconds; of hundreds in one process that would be all that is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSize:
    """Clusters, pushes, and seconds of looking on."""

    clusters: int
    pushes: int = 5
    quiet_s: float = 30.0

    @property
    def name(self) -> str:
        """Return what the figures of this size begin with."""
        return f"farm-{self.clusters}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What was used since some moment: seconds, CPU seconds by program, writes to the management cluster."""

    wall_s: float
    cpu: Mapping[str, float]
    writes: Counter[str]

    @property
    def changes(self) -> int:
        """Return how many writes there were but those of the hub's Lease."""
        return self.writes.total() - self.writes["leases"]


class Mark:
    """A moment from which on is counted what is used."""

    def __init__(self, ground: "FleetGround") -> None:
        self._ground = ground
        self._began, self._cpu = time.monotonic(), ground.cpu()
        self._writes = Counter(ground.management.writes)

    def used(self) -> Used:
        """Return what was used since."""
        cpu = self._ground.cpu()
        return Used(
            wall_s=time.monotonic() - self._began,
            cpu={name: cpu[name] - before for name, before in self._cpu.items()},
            writes=self._ground.management.writes - self._writes,
        )


class FleetGround:
    """A hub and its fleet. Use it as a context."""

    def __init__(self, folder: Path, git: GitHttp, size: FleetSize) -> None:
        self.size = size
        self.repository = git.repository(size.name)
        self.url = git.url(size.name)
        self._folder = folder / size.name
        self._stack = AsyncExitStack()
        self.farms: list[FarmProcess] = []
        self.session_port = free_port(count=3)

    async def __aenter__(self) -> Self:
        self.management: Management = await self._stack.enter_async_context(managing(self._folder))
        self.hub = self._hub()
        self.hub.start()
        self._stack.callback(self.hub.kill)
        await self.hub.until_ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _hub(self) -> Served:
        session, enrol, artifact = (f"127.0.0.1:{self.session_port + number}" for number in range(3))
        ports = {"SESSION_PORT": session, "ENROL_PORT": enrol, "ARTIFACT_PORT": artifact}
        return Served(
            "cartwheel-hub",
            ["hub", "serve"],
            self._folder,
            account=self.management.account,
            variables={
                "ADDRESS": session,
                "ENROL_ADDRESS": enrol,
                "ARTIFACT_ADDRESS": artifact,
                **{name: address.rpartition(":")[2] for name, address in ports.items()},
            },
        )

    async def build(self) -> None:
        """Register all clusters, and make them, with nothing in them yet but an agent's rights."""
        names = [f"cluster-{number:04}" for number in range(self.size.clusters)]
        say(f"registering {len(names)} clusters")
        tokens = {name: await self.management.add(name, {load.FARM: "yes"}) for name in names}
        await self.until(
            lambda: all(one["spec"].get("id") for one in self.management.all(Kind.CLUSTER)), "ids"
        )
        count = -(-len(names) // PER_FARM)
        for number in range(count):
            plan = self.plan({name: tokens[name] for name in names[number::count]})
            farm = await FarmProcess.start(self._folder / f"farm-{number}", plan)
            self._stack.push_async_callback(farm.end)
            self.farms.append(farm)
        say("making the clusters")
        await self.ask("build")

    def plan(self, tokens: Mapping[str, str]) -> Plan:
        """Return the plan of a farm."""
        return Plan(
            tokens=dict(tokens),
            authority=self.management.authority.decode(),
            session_port=self.session_port,
            enrol_port=self.session_port + 1,
            settings=LEASES,
            rights=running_rights()[1],
        )

    async def ask(self, *words: str) -> list[Any]:
        """Ask all farms at once; return their answers."""
        return await all_of([farm.ask(*words) for farm in self.farms], at_once=_AT_ONCE)

    async def create_load(self) -> str:
        """Create source, Fleet and delivery; return the commit that they are of."""
        commit = self.repository.commit(load.files(0), "Begin")
        for value in load.resources(self.url):
            await self.management.create(value)
        return commit

    async def push(self, text: str) -> tuple[str, float]:
        """Change a line, and say so as a webhook would; return the commit, and when that was."""
        commit = self.repository.commit(load.changed(text), text)
        began = time.monotonic()
        await self.management.fetch_now(load.SOURCE, text)
        return commit, began

    async def applied(self, text: str) -> list[float]:
        """Wait until every cluster has a text; return when each got it."""
        while True:
            times = [one for farm in self.farms for one in await farm.ask("applied", text)]
            if len(times) == self.size.clusters:
                return times
            await asyncio.sleep(_LOOK_S)

    async def requests(self) -> Counter[str]:
        """Return what the agents have asked of their API servers so far, by purpose."""
        total: Counter[str] = Counter()
        for farm in self.farms:
            total.update(await farm.ask("requests"))
        return total

    def link_bytes(self) -> int:
        """Return what went both ways over the open connections between agents and hub, TLS included."""
        return sum(sum(connection_bytes(farm.pid, self.session_port).values()) for farm in self.farms)

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds used so far, by program."""
        return {
            "hub": cpu_s(tree(self.hub.pid)),
            "farm": sum(cpu_s([farm.pid]) for farm in self.farms),
            "management": time.process_time(),
        }

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds of the management cluster. Raises RuntimeError with how everything stands."""
        end = time.monotonic() + _TIMEOUT_S
        while not holds():
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: not within {_TIMEOUT_S:g} s:\n{self._standing()}")
            await asyncio.sleep(_LOOK_S)

    async def look_again(self) -> None:
        """Let some time pass between two looks at something that is waited for."""
        await asyncio.sleep(_LOOK_S)

    def _standing(self) -> str:
        ready = (condition(one, "Ready") for one in self.management.all(Kind.KUSTOMIZATION))
        said = [f"{one.get('status')} {one.get('reason')}: {one.get('message')}" for one in ready]
        return "\n".join([f"{self.management.connected()} connected", *said, self.hub.tail()])

    async def settled(self) -> None:
        """Wait until the hub has little to do and writes nothing: what one bench set off does not count for the next."""
        end = time.monotonic() + _SETTLE_S
        while time.monotonic() < end:
            mark = Mark(self)
            await asyncio.sleep(2.0)
            used = mark.used()
            if used.cpu["hub"] < _BUSY * used.wall_s and not used.changes:
                return
