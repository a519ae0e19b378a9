"""A whole fleet in one process: the hub's and the agents' own programs on API servers in memory, with a real Git server, the real renderer
and real gRPC between them. Times are divided by twenty; whoever waits waits for what is to come.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from agent.kit.clock import SystemClock, SystemRandomness
from agent.kit.http import ProbeServer
from agent.kit.settings import Environment
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.api import Resource
from agent.kube.lease import Leadership, LeaseSettings
from agent.kube.resources import SECRETS
from agent.main import Agent
from agent.settings import read_settings
from hub.gateway.ca import make_authority
from hub.main import Hub
from hub.model.installation import CA_SECRET, CLUSTERS_NAMESPACE, NAMESPACE
from hub.model.kinds import TYPES, Kind
from hub.resources import resource_of
from hub.sandbox.installing import register
from hub.sandbox.ports import free_port
from hub.settings import Settings
from tests.fakes.cluster import Cluster
from tests.fakes.hands import at_once
from tests.fakes.spans import Spans
from tests.hub.build.adapter import renderer
from tests.hub.sources.git_server import GitServer, Repository

SCALE = "0.05"
PATIENCE_S = 20.0
STUCK_AFTER_S = 2.0
LEASE_S = 10.0
"""So long a successor waits for a lease that was not given back."""


@dataclass
class Program:
    """One hub or agent with its cluster and what it tells of itself."""

    cluster: Cluster
    telemetry: Telemetry
    running: asyncio.Task[Any] | None = None
    probes: ProbeServer | None = None

    async def stop(self) -> None:
        """Ask the program to stop, as SIGTERM does, and wait until it has."""
        assert self.running is not None
        self.running.cancel()
        await asyncio.wait((self.running,))
        self.running = None

    async def scrape(self) -> dict[str, float]:
        """Return every sample of /metrics: `name{label="value"}`, with the labels by name, as Prometheus writes them."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families((await self.ask("/metrics"))[1]):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    def count(self, name: str, **labels: str) -> float:
        """Return one sample as it is now."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0

    async def ask(self, path: str) -> tuple[int, str]:
        """Ask the program's probe server; return status and text."""
        assert self.probes is not None
        while not self.probes.port:
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{self.probes.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


@dataclass
class Fleet:
    """One hub, its Git server, and the agents that were added."""

    root: Path
    server: GitServer
    tasks: Tasks
    clock: SystemClock = field(default_factory=SystemClock)
    spans: Spans = field(default_factory=Spans)
    agents: dict[str, Program] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.repository = Repository(self.root / "served" / "app.git")
        first = free_port(count=3)
        self.ports = {"SESSION": first, "ENROL": first + 1, "ARTIFACT": first + 2}
        self.certificate, key = make_authority(now=self.clock.now())
        self.hub = self._program(with_kinds=True)
        self.management = self.hub.cluster
        self.management.add_namespace(CLUSTERS_NAMESPACE)
        secret = {"ca.crt": self.certificate.decode(), "ca.key": key.decode()}
        self.put(SECRETS, {**named(CA_SECRET, NAMESPACE), "stringData": secret}, namespace=NAMESPACE)

    def _program(self, *, with_kinds: bool = False) -> Program:
        cluster = Cluster(self.clock, with_kinds=with_kinds)
        cluster.add_namespace(NAMESPACE)
        return Program(
            cluster=cluster, telemetry=Telemetry(self.spans.tracer(self.clock), stuck_after_s=STUCK_AFTER_S)
        )

    def put(self, resource: Resource, value: dict[str, Any], *, namespace: str = CLUSTERS_NAMESPACE) -> None:
        """Have an object in the management cluster."""
        self.management.create(resource, namespace, value, manager="kubectl")

    def start_hub(self) -> None:
        """Run the hub."""
        self._run_hub(self.hub, "hub-0")

    def another_hub(self) -> Program:
        """Run a second hub, which waits behind the first."""
        program = Program(
            cluster=self.management,
            telemetry=Telemetry(self.spans.tracer(self.clock), stuck_after_s=STUCK_AFTER_S),
        )
        self._run_hub(program, "hub-1")
        return program

    def _run_hub(self, program: Program, instance: str) -> None:
        variables = {
            "DATA": str(self.root / instance),
            "HOST": "127.0.0.1",
            "ADDRESS": self._address("SESSION"),
            "ENROL_ADDRESS": self._address("ENROL"),
            "ARTIFACT_ADDRESS": self._address("ARTIFACT"),
            "RENDER": str(renderer()),
            "RENDERERS": "1",
            "GIT_WORKERS": "1",
            **{f"{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        hub = Hub(
            Settings.from_environment(environment(instance, variables)),
            self.management.api("hub"),
            self._leadership(self.management, instance),
            program.telemetry,
        )
        self._run(program, hub)

    def add(self, name: str) -> Program:
        """Register a cluster, labelled `tier=prod`, and run its agent."""
        token = at_once(register(self.management.door, name, {"tier": "prod"}, clock=self.clock))
        bootstrap = self.root / name
        bootstrap.mkdir()
        (bootstrap / "token").write_text(token)
        (bootstrap / "ca.crt").write_bytes(self.certificate)
        program = self.agents[name] = self._program()
        self._run_agent(program, name, f"agent-{name}-0")
        return program

    def another_agent(self, name: str) -> Program:
        """Run a second agent in a cluster, which waits behind the first."""
        first = self.agents[name]
        program = Program(
            cluster=first.cluster,
            telemetry=Telemetry(self.spans.tracer(self.clock), stuck_after_s=STUCK_AFTER_S),
        )
        self._run_agent(program, name, f"agent-{name}-1")
        return program

    def _run_agent(self, program: Program, name: str, instance: str) -> None:
        variables = {
            "BOOTSTRAP": str(self.root / name),
            "ADDRESS": self._address("SESSION"),
            "ENROL_ADDRESS": self._address("ENROL"),
        }
        agent = Agent(
            read_settings(environment(instance, variables)),
            program.cluster.api("agent"),
            self._leadership(program.cluster, instance),
            clock=self.clock,
            randomness=SystemRandomness(),
            telemetry=program.telemetry,
        )
        self._run(program, agent)

    def _run(self, program: Program, runs: Hub | Agent) -> None:
        program.probes = ProbeServer("127.0.0.1", 0, ready=lambda: runs.problem, telemetry=program.telemetry)

        async def run() -> None:
            assert program.probes is not None
            await program.probes.start()
            try:
                await runs.run()
            finally:
                await program.probes.stop()

        program.running = self.tasks.start(run(), name=str(type(runs)))

    def _leadership(self, cluster: Cluster, instance: str) -> Leadership:
        settings = LeaseSettings(duration_s=LEASE_S, deadline_s=LEASE_S * 2 / 3, retry_s=0.2, request_s=0.5)
        return Leadership(cluster.api(instance), NAMESPACE, "cartwheel", instance, settings, clock=self.clock)

    def _address(self, port: str) -> str:
        return f"127.0.0.1:{self.ports[port]}"

    def deliver(self, name: str = "app", **spec: Any) -> None:
        """Have the source, the Fleet of all clusters, and a Kustomization of the whole repository."""
        where = {"namespace": CLUSTERS_NAMESPACE}
        source = {"url": self.server.url("app.git"), "interval": "20s", "ref": {"branch": "main"}}
        self.put(
            resource_of(Kind.GIT_REPOSITORY), form(Kind.GIT_REPOSITORY, {"name": "app", **where}, source)
        )
        fleet = {"clusterSelector": {"matchLabels": {"tier": "prod"}}}
        self.put(resource_of(Kind.FLEET), form(Kind.FLEET, {"name": "prod", **where}, fleet))
        wanted = {
            "interval": "10m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "app"},
            **spec,
        }
        metadata = {"name": name, "labels": {"fleet.cartwheel.dev/fleet": "prod"}, **where}
        self.put(resource_of(Kind.KUSTOMIZATION), form(Kind.KUSTOMIZATION, metadata, wanted))

    def annotate(self, kind: Kind, annotations: dict[str, str], name: str = "app") -> None:
        """Annotate a resource as a person does."""
        resource = resource_of(kind)
        self.management.patch(
            resource,
            CLUSTERS_NAMESPACE,
            name,
            {"metadata": {"annotations": annotations}},
            manager="kubectl",
        )

    def status(self, kind: Kind, name: str = "app") -> dict[str, Any]:
        """Return a resource's status."""
        found: dict[str, Any] = self.management.get(resource_of(kind), CLUSTERS_NAMESPACE, name)
        return dict(found.get("status") or {})

    def is_applied(self, commit: str, name: str = "app") -> bool:
        """Tell whether a Kustomization is Ready at a commit."""
        status = self.status(Kind.KUSTOMIZATION, name)
        ready = [one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"]
        return ready == ["True"] and str(status.get("lastAppliedRevision", "")).endswith(commit)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._check()
                await asyncio.sleep(0.02)

    def _check(self) -> None:
        """Raise what a program died of."""
        for program in (self.hub, *self.agents.values()):
            if program.running is not None and program.running.done():
                program.running.result()


@asynccontextmanager
async def fleet(root: Path) -> AsyncIterator[Fleet]:
    """Run a hub until the block ends."""
    with GitServer(root / "served") as server:
        async with Tasks() as tasks:
            found = Fleet(root=root, server=server, tasks=tasks)
            found.start_hub()
            yield found


def environment(instance: str, variables: dict[str, str]) -> Environment:
    """Return the environment of one program."""
    given = {f"CARTWHEEL_{name}": value for name, value in variables.items()}
    # What goes on may take its time although all waiting is short.
    common = {"POD_NAME": instance, "CARTWHEEL_TIME_SCALE": SCALE, "CARTWHEEL_STOP_GRACE_S": "80"}
    return Environment({**common, **given})


def form(kind: Kind, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as people write it."""
    return {"apiVersion": TYPES[kind].api_version, "kind": str(kind), "metadata": metadata, "spec": spec}


def named(name: str, namespace: str) -> dict[str, Any]:
    """Return the beginning of a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
