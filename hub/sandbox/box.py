"""A fleet in a box: one management and some workload clusters in memory, with a hub and agents, all in this process.

    async with box(plan, clock=SystemClock()) as fleet:
        fleet.kubeconfig  # a context for every cluster

Hub and agents are the programs of production: they enrol with a token, speak mTLS gRPC over loopback, and reach their API servers under
the rights that an installation gives them. State: everything below the plan's folder, and the servers' memory.
"""

import base64
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from agent.kit.clock import Clock
from agent.kit.settings import PREFIX, Environment
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.api import Api, Object
from agent.kube.client import Client
from hub.main import Hub, leadership_of
from hub.model import installation
from hub.sandbox.apiservices.aggregator import aggregating
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.http import served
from hub.sandbox.installing import accounts, install_agent, install_hub, make_agent, register
from hub.sandbox.life.life import Life
from hub.sandbox.local import LocalTransport
from hub.sandbox.ports import free_port
from hub.sandbox.relay import Relay, relaying
from hub.sandbox.server import Server
from hub.sandbox.tls import Loopback, loopback
from hub.settings import Settings

ADMIN_TOKEN = "admin"  # noqa: S105  (of servers that only this machine reaches)
_ADDRESSES = {"": "SESSION", "ENROL_": "ENROL", "ARTIFACT_": "ARTIFACT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be in the box. `workloads` are clusters by name, with their labels; the rights are those of an installation's manifests."""

    folder: Path
    render: Path
    workloads: Mapping[str, Mapping[str, str]]
    hub_rights: Sequence[Object]
    agent_rights: Sequence[Object]
    management: str = installation.MANAGEMENT_CLUSTER
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One cluster of the box: its server, and how its API is reached from outside and from within."""

    name: str
    server: Server
    address: str
    api: Api


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A fleet that runs. `wires` are between the agents and the hub."""

    members: Mapping[str, Member]
    management: Member
    kubeconfig: Path
    wires: Mapping[str, Sequence[Relay]]

    def cut(self, name: str) -> None:
        """Cut a cluster off from the hub. Raises KeyError."""
        for wire in self.wires[name]:
            wire.cut()

    def mend(self, name: str) -> None:
        """Let a cluster reach the hub again. Raises KeyError."""
        for wire in self.wires[name]:
            wire.mend()


@asynccontextmanager
async def box(plan: Plan, *, clock: Clock) -> AsyncIterator[Box]:
    """Start everything, and take all of it down at the end of the block."""
    certificate = loopback(clock.now())
    async with AsyncExitStack() as stack:
        names = (plan.management, *plan.workloads)
        tasks = await stack.enter_async_context(Tasks())
        members = {name: await _member(stack, name, certificate, clock) for name in names}
        for name, member in members.items():
            tasks.start(Life(member.server, clock, authority=certificate.ca).run(), name=f"life of {name}")
            await stack.enter_async_context(aggregating(member.server, clock=clock, routes={}))
        management = members[plan.management]
        kubeconfig = plan.folder / "kubeconfig"
        write_kubeconfig(kubeconfig, members.values(), certificate, current=plan.management)
        builder = _Builder(plan, members, clock=clock, tasks=tasks)
        for name in names:
            for port in ("SESSION", "ENROL"):
                wire = await stack.enter_async_context(relaying(builder.ports[port]))
                builder.wires.setdefault(name, []).append(wire)
        await builder.install()
        yield Box(members=members, management=management, kubeconfig=kubeconfig, wires=builder.wires)


async def _member(stack: AsyncExitStack, name: str, certificate: Loopback, clock: Clock) -> Member:
    server = new_cluster(clock, {ADMIN_TOKEN: admin(), **accounts()})
    address = await stack.enter_async_context(served(server, certificate.context))
    return Member(
        name=name,
        server=server,
        address=address,
        api=Client(LocalTransport(server, ADMIN_TOKEN), clock=clock),
    )


class _Builder:
    """Brings hub and agents into the clusters of a box."""

    def __init__(self, plan: Plan, members: Mapping[str, Member], *, clock: Clock, tasks: Tasks) -> None:
        self._plan = plan
        self._members = members
        self._clock = clock
        self._tasks = tasks
        self._management = members[plan.management]
        self.wires: dict[str, list[Relay]] = {}
        first = free_port(count=3)
        self.ports = {"SESSION": first, "ENROL": first + 1, "ARTIFACT": first + 2}

    async def install(self) -> None:
        """Install the hub, then an agent in every cluster."""
        authority = await install_hub(self._management.api, self._plan.hub_rights, clock=self._clock)
        self._run_hub()
        for name, member in self._members.items():
            await self._add(name, member, authority)

    async def _add(self, name: str, member: Member, authority: bytes) -> None:
        """Register a cluster, and run its agent."""
        await install_agent(member.api, self._plan.agent_rights, clock=self._clock)
        labels = self._plan.workloads.get(name, {})
        token = await register(self._management.api, name, labels, clock=self._clock)
        bootstrap = self._plan.folder / "agents" / name
        bootstrap.mkdir(parents=True)
        (bootstrap / installation.TOKEN_KEY).write_text(token)
        (bootstrap / installation.CA_CERTIFICATE_KEY).write_bytes(authority)
        self._run_agent(name, member, bootstrap)

    def _run_hub(self) -> None:
        instance = f"{installation.HUB}-0"
        addresses = {f"{name}ADDRESS": self._address(port) for name, port in _ADDRESSES.items()}
        variables = {
            "DATA": str(self._plan.folder / "hub"),
            "HOST": "127.0.0.1",
            "RENDER": str(self._plan.render),
            **addresses,
            **{f"{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        named = {f"{PREFIX}{name}": value for name, value in variables.items()}
        environment = Environment({"POD_NAME": instance, **named, **self._plan.environment})
        settings = Settings.from_environment(environment)
        api = Client(LocalTransport(self._management.server, installation.HUB), clock=self._clock)
        leadership = leadership_of(settings, api, self._clock)
        self._tasks.start(Hub(settings, api, leadership, Telemetry()).run(), name="hub")

    def _run_agent(self, name: str, member: Member, bootstrap: Path) -> None:
        session, enrol = (f"127.0.0.1:{one.port}" for one in self.wires[name])
        given = {one.removeprefix(PREFIX): value for one, value in self._plan.environment.items()}
        variables = {"BOOTSTRAP": str(bootstrap), "ADDRESS": session, "ENROL_ADDRESS": enrol, **given}
        transport = LocalTransport(member.server, installation.AGENT)
        agent = make_agent(transport, f"{installation.AGENT}-{name}", variables, clock=self._clock)
        self._tasks.start(agent.run(), name=f"agent {name}")

    def _address(self, port: str) -> str:
        return f"127.0.0.1:{self.ports[port]}"


def write_kubeconfig(path: Path, members: Iterable[Member], certificate: Loopback, *, current: str) -> None:
    """Write a kubeconfig with a context of each cluster's name."""
    authority = base64.b64encode(certificate.ca.encode()).decode()
    members = tuple(members)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
        "clusters": [
            {"name": one.name, "cluster": {"server": one.address, "certificate-authority-data": authority}}
            for one in members
        ],
        "contexts": [
            {"name": one.name, "context": {"cluster": one.name, "user": "admin"}} for one in members
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
