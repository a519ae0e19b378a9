"""What one agent costs its cluster: memory, and CPU while nothing happens, in a process of its own as an image has it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agent.kit.clock import SystemClock
from agent.kit.tasks import Tasks
from agent.kube.client import Client
from e2e.bench import load as names
from e2e.bench.figure import Figure, say
from e2e.bench.fleet import load
from e2e.bench.fleet.ground import FleetGround
from e2e.bench.fleet.programs import Account, Served
from e2e.bench.processes import cpu_s, private_mb, rss_mb
from e2e.planes.container import Mount
from hub.cli.manifests import running_rights
from hub.model import installation
from hub.model.kinds import Kind
from hub.sandbox.box import ADMIN_TOKEN
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.http import served
from hub.sandbox.installing import accounts, install_agent
from hub.sandbox.life.life import Life
from hub.sandbox.local import LocalTransport
from hub.sandbox.tls import loopback

AIMS_MB = {500: 60.0, 2000: 70.0}
"""How many objects are watched, and the most memory that this may take."""

CLUSTER = "alone"
_BOOTSTRAP = "/etc/cartwheel"


async def measure(ground: FleetGround, folder: Path, sizes: Sequence[int]) -> list[Figure]:
    """Deliver more and more to one cluster, and look on each time."""
    figures = []
    async with _agent(ground, folder) as agent:
        delivered = 0
        for objects in sizes:
            wanted = objects // load.OBJECTS
            await _deliver(ground, delivered, wanted)
            delivered = wanted
            await _settled(agent)
            say(f"looking on for {ground.size.quiet_s:g} s, {objects} objects")
            before = cpu_s([agent.pid])
            await asyncio.sleep(ground.size.quiet_s)
            percent = (cpu_s([agent.pid]) - before) / ground.size.quiet_s * 100
            figures += [
                Figure(
                    name=f"agent-{objects}.rss",
                    value=rss_mb([agent.pid]),
                    unit="MB",
                    baseline=AIMS_MB[objects],
                ),
                Figure(name=f"agent-{objects}.private", value=private_mb(agent.pid), unit="MB"),
                Figure(name=f"agent-{objects}.idle.cpu", value=percent, unit="% of a core"),
            ]
    return figures


@asynccontextmanager
async def _agent(ground: FleetGround, folder: Path) -> AsyncIterator[Served]:
    """Run an agent in a container, its cluster in memory in this process."""
    clock = SystemClock()
    certificate = loopback(clock.now())
    server = new_cluster(clock, {ADMIN_TOKEN: admin(), **accounts()})
    api = Client(LocalTransport(server, ADMIN_TOKEN), clock=clock)
    await install_agent(api, running_rights()[1], clock=clock)
    bootstrap = folder / "bootstrap"
    bootstrap.mkdir(parents=True)
    (bootstrap / installation.TOKEN_KEY).write_text(await ground.management.add(CLUSTER, {load.FARM: "yes"}))
    (bootstrap / installation.CA_CERTIFICATE_KEY).write_bytes(ground.management.authority)
    async with Tasks() as tasks, served(server, certificate.context) as address:
        tasks.start(Life(server, clock).run(), name="life")
        account = Account.make(
            folder / "account", address=address, token=installation.AGENT, authority=certificate.ca
        )
        agent = Served(
            "cartwheel-agent",
            ["agent", "run"],
            folder,
            account=account,
            variables={
                "ADDRESS": f"127.0.0.1:{ground.session_port}",
                "ENROL_ADDRESS": f"127.0.0.1:{ground.session_port + 1}",
            },
            mounts=[Mount(source=bootstrap, path=_BOOTSTRAP, is_writable=False)],
        )
        agent.start()
        try:
            await ground.until(lambda: ground.management.connected() == 1, "connected")
            yield agent
        finally:
            agent.kill()


async def _deliver(ground: FleetGround, first: int, end: int) -> None:
    """Deliver so many times fifty objects, each by a Kustomization of its own."""
    say(f"delivering {end * load.OBJECTS} objects to one cluster")
    files: dict[str, str | bytes | None] = {}
    for number in range(first, end):
        files |= load.files(number)
    commit = ground.repository.commit(files, f"Up to {end}")
    if first == 0:
        for value in load.resources(ground.url):
            await ground.management.create(value)
        # It brings the namespace of the others.
        await ground.until(lambda: ground.management.is_ready(names.name(0), commit), "the first delivery")
    for number in range(max(first, 1), end):
        await ground.management.create(load.delivery(number))
    await ground.management.fetch_now(load.SOURCE, commit)

    def is_delivered() -> bool:
        found = [one["metadata"]["name"] for one in ground.management.all(Kind.KUSTOMIZATION)]
        return len(found) == end and all(ground.management.is_ready(one, commit) for one in found)

    await ground.until(is_delivered, f"{end} deliveries")


async def _settled(agent: Served) -> None:
    """Wait until it has little to do."""
    while True:
        before = cpu_s([agent.pid])
        await asyncio.sleep(1.0)
        if cpu_s([agent.pid]) - before < 0.05:
            return
