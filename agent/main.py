"""The agent's program: `agent run` works in its cluster until it is told to stop; `agent enroll` only gets the certificate."""

import asyncio
import logging
import sys

import click

from agent.apply.engine import Engine
from agent.apply.server import EngineSettings, Server
from agent.apply.stages import parse_kinds
from agent.desk import Desk
from agent.health.assess import assess
from agent.kit.board import Board
from agent.kit.clock import Clock, Randomness, SystemClock, SystemRandomness
from agent.kit.errors import CartwheelError, Transient
from agent.kit.http import ProbeServer
from agent.kit.logs import log_to_stdout
from agent.kit.program import until_stopped
from agent.kit.settings import PREFIX, SettingInvalid
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.access import Access, from_kubeconfig, in_cluster, shrink_tls_buffers
from agent.kube.api import Api
from agent.kube.client import Client
from agent.kube.discovery import Discovery
from agent.kube.errors import Forbidden
from agent.kube.lease import Leadership, LeaseSettings
from agent.kube.resources import NAMESPACES
from agent.kube.transport import HttpTransport
from agent.link.channel import Channel, keep_polling
from agent.link.dial import Dial, DialSettings
from agent.link.identity import IdentityStore
from agent.link.release import release_all
from agent.link.session import Identity, Session
from agent.model.names import ClusterId, HomeName
from agent.model.report import Report
from agent.notices import Notices
from agent.observer import Observer
from agent.reconciler.reconciler import Reconciler
from agent.reconciler.settings import ReconcilerSettings
from agent.settings import AgentSettings, read_settings
from agent.version import VERSION

_LOG = logging.getLogger(__name__)
LEASE = "cartwheel-agent"
STOPPING = "stopping"
_USER_AGENT = f"cartwheel-agent/{VERSION}"


class Agent:
    """One agent of one cluster; several may live in one process."""

    def __init__(
        self,
        settings: AgentSettings,
        client: Api,
        leadership: Leadership,
        *,
        clock: Clock,
        randomness: Randomness,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry or Telemetry()
        self._settings = settings
        self._client = client
        self._leadership = leadership
        self._clock = clock
        self._randomness = randomness
        self._problem = "starting"
        dial = DialSettings(
            address=settings.address,
            enrol_address=settings.enrol_address,
            bootstrap=settings.bootstrap,
            keepalive_s=settings.keepalive_s,
            call_timeout_s=settings.call_timeout_s,
            backoff=settings.link_backoff,
        )
        self._desk = Desk(
            client, settings.namespace, acts=lambda: leadership.holds, telemetry=self._telemetry
        )
        self._discovery = Discovery(client, clock=clock)
        self._reports: Board[HomeName, Report] = Board()
        self._notices = Notices()
        identities = IdentityStore(client, settings.namespace)
        self._dial = Dial(
            dial,
            identities,
            self._session,
            removed=self._stop_guarding,
            clock=clock,
            randomness=randomness,
        )
        self._observer = Observer(
            client,
            self._discovery,
            namespace=settings.watch_namespace,
            clock=clock,
            randomness=randomness,
            backoff=settings.link_backoff,
        )
        server = Server(
            api=client,
            resolver=self._discovery,
            watched=self._observer,
            assess=assess,
            settings=_engine_settings(settings),
            clock=clock,
        )
        self._reconciler = Reconciler(
            ReconcilerSettings(
                dependency_retry_s=settings.dependency_retry_s,
                health_poll_s=settings.health_poll_s,
                catch_up_s=settings.catch_up_s,
                fight_window_s=settings.fight_window_s,
                in_use_wait_s=settings.in_use_wait_s,
                move_wait_s=settings.move_wait_s,
                workers=settings.workers,
                backoff=settings.backoff,
                scale=settings.scale,
            ),
            desk=self._desk,
            engine=Engine(server, telemetry=self._telemetry),
            live=self._observer,
            reports=self._reports,
            notices=self._notices,
            clock=clock,
            randomness=randomness,
            telemetry=self._telemetry,
        )
        self._observer.worker = self._reconciler
        self._kubernetes_version = ""
        self._namespace_uid = ""

    @property
    def problem(self) -> str:
        """Return why the agent is not ready, empty when it is."""
        fenced = "" if self._leadership.holds else "another agent may be acting"
        return self._problem or fenced or self._dial.problem

    async def run(self) -> None:
        """Wait to be the acting agent, then work until the lease is lost (raises Transient) or this is cancelled."""
        await self._leadership.acquire(self._wait_behind)
        try:
            await self._act()
        finally:
            self._problem = STOPPING
            await self._leadership.release()

    async def enroll(self) -> None:
        """Get the certificate, unless it is there."""
        await self._dial.identify()

    async def _act(self) -> None:
        async with Tasks() as tasks:
            leading = tasks.start(self._leadership.keep(), name="lease")
            await self._desk.load()
            self._kubernetes_version = await self._discovery.version()
            self._namespace_uid = await self._own_namespace()
            # The desk is worked on at once; the hub is not needed for that.
            tasks.start(self._observer.run(), name="observer")
            tasks.start(self._reconciler.run(), name="reconciler")
            tasks.start(self._link(), name="link")
            self._problem = ""
            try:
                await tasks.run_until(leading)
            except asyncio.CancelledError:
                # Asked to stop: what is worked on ends first, while the lease is still kept.
                self._problem = STOPPING
                await self._telemetry.loops.drain(self._settings.stop_grace_s)
                raise
        raise Transient("another agent may act now; starting over", reason="LeaseLost")

    async def _own_namespace(self) -> str:
        """Return the UID of the agent's namespace, empty when it has no right to read it."""
        try:
            value = await self._client.get(NAMESPACES, "", self._settings.namespace)
        except Forbidden:
            return ""
        return str(value["metadata"]["uid"])

    async def _link(self) -> None:
        await self._dial.run(await self._dial.identify())

    async def _stop_guarding(self, why: str) -> None:
        await release_all(self._desk, self._reconciler, why)

    def _session(self, cluster: ClusterId, channel: Channel) -> Session:
        me = Identity(
            cluster=cluster,
            instance=self._settings.instance,
            version=VERSION,
            kubernetes_version=self._kubernetes_version,
            namespace_uid=self._namespace_uid,
        )
        return Session(
            me,
            desk=self._desk,
            content=channel,
            worker=self._reconciler,
            reports=self._reports,
            notices=self._notices,
            clock=self._clock,
            randomness=self._randomness,
            telemetry=self._telemetry,
        )

    def _wait_behind(self, holder: str) -> None:
        self._problem = f"{holder} is the acting agent"


async def run(settings: AgentSettings) -> None:
    """Run an agent until cancelled, with its probes."""
    keep_polling()
    clock = SystemClock()
    telemetry = Telemetry.of_program(
        traces=settings.traces,
        service="cartwheel-agent",
        instance=settings.instance,
        version=VERSION,
        stuck_after_s=settings.stuck_after_s,
        clock=clock,
    )
    async with telemetry as told:
        await _run(settings, told, clock)


async def _run(settings: AgentSettings, telemetry: Telemetry, clock: Clock) -> None:
    access = _access(settings, clock)
    # A client of its own: the lease is renewed whatever the other requests wait for, and taken before anything may be written.
    leasing = Client(HttpTransport(access), clock=clock, user_agent=_USER_AGENT, telemetry=telemetry)
    leadership = leadership_of(settings, leasing, clock)
    client = Client(
        HttpTransport(access),
        clock=clock,
        timeout_s=settings.api_timeout_s,
        watch_timeout_s=settings.watch_timeout_s,
        user_agent=_USER_AGENT,
        may_write=lambda: leadership.holds,
        telemetry=telemetry,
    )
    async with leasing, client:
        agent = Agent(
            settings, client, leadership, clock=clock, randomness=SystemRandomness(), telemetry=telemetry
        )
        probes = ProbeServer(
            settings.http_host, settings.http_port, ready=lambda: agent.problem, telemetry=telemetry
        )
        await probes.start()
        try:
            await agent.run()
        finally:
            await probes.stop()


def leadership_of(settings: AgentSettings, client: Api, clock: Clock) -> Leadership:
    """Return what makes one agent of a cluster the acting one."""
    lease = LeaseSettings(
        duration_s=settings.lease_duration_s,
        deadline_s=settings.lease_deadline_s,
        retry_s=settings.lease_retry_s,
        request_s=settings.lease_request_s,
    )
    return Leadership(client, settings.namespace, LEASE, settings.instance, lease, clock=clock)


def _engine_settings(settings: AgentSettings) -> EngineSettings:
    try:
        early_kinds = parse_kinds(settings.early_kinds)
    except ValueError as problem:
        raise SettingInvalid(f"{PREFIX}CUSTOM_APPLY_STAGE_KINDS: {problem}") from problem
    return EngineSettings(
        stage_timeout_s=settings.stage_timeout_s,
        stage_poll_s=settings.stage_poll_s,
        early_kinds=early_kinds,
    )


def _access(settings: AgentSettings, clock: Clock) -> Access:
    return from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(clock)


@click.group()
@click.version_option(VERSION, prog_name="agent")
def main() -> None:
    """Cartwheel's agent: applies, prunes, health-checks and guards what the hub assigns to this cluster.

    It runs in the cluster, installed by `hub cluster add`, and is set up by its environment (CARTWHEEL_*).
    """


@main.command("run")
def run_command() -> None:
    """Work in this cluster until told to stop."""
    settings = _start()
    sys.exit(until_stopped(lambda: run(settings)))


@main.command("enroll")
def enroll_command() -> None:
    """Show the join token in CARTWHEEL_BOOTSTRAP to the hub, save the certificate, and end."""
    settings = _start()

    async def enroll() -> None:
        clock, randomness = SystemClock(), SystemRandomness()
        async with Client(HttpTransport(_access(settings, clock)), clock=clock) as client:
            leadership = leadership_of(settings, client, clock)
            await Agent(settings, client, leadership, clock=clock, randomness=randomness).enroll()

    sys.exit(until_stopped(enroll))


def _start() -> AgentSettings:
    shrink_tls_buffers()
    try:
        settings = read_settings()
    except CartwheelError as problem:
        raise click.ClickException(str(problem)) from problem
    log_to_stdout(settings.log_level)
    return settings


if __name__ == "__main__":
    main()
