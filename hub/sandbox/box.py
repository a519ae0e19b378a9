"""A fleet in a box: one management and some workload clusters in memory, with a hub and agents, all in this process.

    async with box(plan, clock=SystemClock()) as fleet:
        fleet.kubeconfig  # a context for every cluster

Hub and agents are the programs of production: they enrol with a token, speak mTLS gRPC over loopback, and reach their API servers under
the rights that an installation gives them. State: everything below the plan's folder, and the servers' memory.
"""

import base64
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import yaml

from agent.kit.clock import Clock, SystemRandomness
from agent.kit.settings import Environment
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.api import Api, Object, Resource
from agent.kube.client import Client
from agent.kube.discovery import Discovery
from agent.kube.lease import Leadership, LeaseSettings
from agent.kube.resources import SECRETS
from agent.main import Agent
from agent.settings import read_settings
from hub.crds import packaged
from hub.gateway.ca import make_authority
from hub.main import Hub
from hub.model import installation, jointoken
from hub.model.cluster import Cluster
from hub.model.kinds import TYPES, Kind
from hub.sandbox.apiservices.aggregator import aggregating
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.http import served
from hub.sandbox.life.life import Life
from hub.sandbox.local import LocalTransport
from hub.sandbox.ports import free_port
from hub.sandbox.relay import Relay, relaying
from hub.sandbox.server import Server
from hub.sandbox.tls import Loopback, loopback
from hub.sandbox.wire import Caller
from hub.settings import Settings

ADMIN_TOKEN = "admin"  # noqa: S105  (of servers that only this machine reaches)
_MANAGER = "cartwheel-sandbox"
CLUSTERS = Resource(
    group=TYPES[Kind.CLUSTER].group,
    version=TYPES[Kind.CLUSTER].version,
    plural=TYPES[Kind.CLUSTER].plural,
    kind=str(Kind.CLUSTER),
    namespaced=True,
)


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
    accounts = {
        one: Caller(
            name=f"system:serviceaccount:{installation.NAMESPACE}:{one}",
            groups=("system:serviceaccounts", f"system:serviceaccounts:{installation.NAMESPACE}"),
        )
        for one in (installation.HUB, installation.AGENT)
    }
    server = new_cluster(clock, {ADMIN_TOKEN: admin(), **accounts})
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
        self._certificate, self._key = make_authority(now=clock.now())
        self.wires: dict[str, list[Relay]] = {}
        first = free_port(count=3)
        self.ports = {"SESSION": first, "ENROL": first + 1, "ARTIFACT": first + 2}

    async def install(self) -> None:
        """Install the hub, then an agent in every cluster."""
        api = self._management.api
        await _apply(api, [dict(one) for one in packaged()], clock=self._clock)
        await _apply(
            api,
            [_namespace(installation.NAMESPACE), _namespace(installation.CLUSTERS_NAMESPACE)],
            clock=self._clock,
        )
        await _apply(api, self._plan.hub_rights, clock=self._clock)
        await self._secret(
            installation.CA_SECRET,
            {
                installation.CA_CERTIFICATE_KEY: self._certificate.decode(),
                installation.CA_KEY_KEY: self._key.decode(),
            },
        )
        self._run_hub()
        for name, member in self._members.items():
            await self._add(name, member, dict(self._plan.workloads.get(name, {})))

    async def _add(self, name: str, member: Member, labels: Mapping[str, str]) -> None:
        """Register a cluster, and run its agent."""
        await _apply(
            member.api, [_namespace(installation.NAMESPACE), *self._plan.agent_rights], clock=self._clock
        )
        metadata = {"name": name, "namespace": installation.CLUSTERS_NAMESPACE, "labels": dict(labels)}
        body = {"apiVersion": CLUSTERS.api_version, "kind": CLUSTERS.kind, "metadata": metadata, "spec": {}}
        made = await self._management.api.create(
            CLUSTERS, installation.CLUSTERS_NAMESPACE, body, field_manager=_MANAGER
        )
        text, stored = jointoken.make(
            id_=secrets.token_hex(5),
            secret=secrets.token_urlsafe(32),
            cluster=Cluster.parse(made).metadata,
            now=self._clock.now(),
            valid_for=jointoken.AGAIN,
        )
        await self._secret(stored.secret_name, stored.data())
        bootstrap = self._plan.folder / "agents" / name
        bootstrap.mkdir(parents=True)
        (bootstrap / installation.TOKEN_KEY).write_text(text)
        (bootstrap / installation.CA_CERTIFICATE_KEY).write_bytes(self._certificate)
        self._run_agent(name, member, bootstrap)

    async def _secret(self, name: str, data: Mapping[str, str]) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": installation.NAMESPACE},
            "stringData": dict(data),
        }
        await self._management.api.create(SECRETS, installation.NAMESPACE, body, field_manager=_MANAGER)

    def _run_hub(self) -> None:
        variables = {
            "DATA": str(self._plan.folder / "hub"),
            "HOST": "127.0.0.1",
            "ARTIFACT_ADDRESS": self._address("ARTIFACT"),
            "RENDER": str(self._plan.render),
            **{f"{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        instance = f"{installation.HUB}-0"
        api = Client(LocalTransport(self._management.server, installation.HUB), clock=self._clock)
        hub = Hub(
            Settings.from_environment(self._environment(instance, variables)),
            api,
            self._leadership(api, instance, installation.HUB),
            Telemetry(),
        )
        self._tasks.start(hub.run(), name="hub")

    def _run_agent(self, name: str, member: Member, bootstrap: Path) -> None:
        instance = f"{installation.AGENT}-{name}"
        api = Client(LocalTransport(member.server, installation.AGENT), clock=self._clock)
        session, enrol = (f"127.0.0.1:{one.port}" for one in self.wires[name])
        dials = {"BOOTSTRAP": str(bootstrap), "ADDRESS": session, "ENROL_ADDRESS": enrol}
        agent = Agent(
            read_settings(self._environment(instance, dials)),
            api,
            self._leadership(api, instance, installation.AGENT),
            clock=self._clock,
            randomness=SystemRandomness(),
            telemetry=Telemetry(),
        )
        self._tasks.start(agent.run(), name=f"agent {name}")

    def _leadership(self, api: Api, instance: str, lease: str) -> Leadership:
        settings = LeaseSettings(duration_s=15.0, deadline_s=10.0, retry_s=2.0, request_s=4.0)
        return Leadership(api, installation.NAMESPACE, lease, instance, settings, clock=self._clock)

    def _environment(self, instance: str, variables: Mapping[str, str]) -> Environment:
        common = {"ADDRESS": self._address("SESSION"), "ENROL_ADDRESS": self._address("ENROL")}
        given = {f"CARTWHEEL_{name}": value for name, value in {**common, **variables}.items()}
        return Environment({"POD_NAME": instance, **given, **self._plan.environment})

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


async def _apply(api: Api, objects: Iterable[Object], *, clock: Clock) -> None:
    """Apply objects of any kind, in their order."""
    discovery = Discovery(api, clock=clock)
    for one in objects:
        group, _, version = one["apiVersion"].rpartition("/")
        resource = await discovery.resolve(group, version, one["kind"])
        metadata, body = one["metadata"], msgspec.json.encode(one)
        namespace = metadata.get("namespace", "")
        await api.apply(resource, namespace, metadata["name"], body, field_manager=_MANAGER)


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
