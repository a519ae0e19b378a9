"""The hub's program: leads, or waits behind the hub that leads. Puts the stages together; they meet in the store and on boards.

State: none of its own. Whatever ends one part ends the process, and the next one starts from what the API server has.
"""

import asyncio
import base64
import logging
from contextlib import AsyncExitStack

from aiohttp import web

from agent.kit.clock import Clock, SystemClock, SystemRandomness
from agent.kit.errors import Stalled, Transient
from agent.kit.http import ProbeServer
from agent.kit.logs import log_to_stdout
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.access import from_kubeconfig, in_cluster, shrink_tls_buffers
from agent.kube.api import Api
from agent.kube.client import Client
from agent.kube.errors import NotFound
from agent.kube.lease import Leadership, LeaseSettings
from agent.kube.resources import SECRETS
from agent.kube.transport import HttpTransport
from agent.version import VERSION
from hub.artifacts.blobs import Blobs
from hub.artifacts.contents import Contents
from hub.artifacts.server import artifact_application
from hub.artifacts.staging import sweep_staging
from hub.artifacts.storage import ArtifactStorage
from hub.build.render import RenderLimits, RenderPool, find_render
from hub.clusters.controller import ClusterController
from hub.clusters.departure import ClusterSettings
from hub.delivery.controller import Controller
from hub.delivery.settings import DeliverySettings, SopsSettings
from hub.gateway.ca import Authority
from hub.gateway.enroll import Enrolment
from hub.gateway.recover import Recovery
from hub.gateway.registry import ClusterRegistry
from hub.gateway.router import Router
from hub.gateway.server import Gateway, ListenSettings
from hub.gateway.session import Peer, Session
from hub.model.cluster import ClusterName
from hub.model.installation import (
    CA_CERTIFICATE_KEY,
    CA_KEY_KEY,
    CA_SECRET,
    CLUSTERS_NAMESPACE,
    MANAGEMENT_CLUSTER,
)
from hub.model.wish import Boards
from hub.settings import Settings
from hub.sources.controller import SourceSettings
from hub.sources.kinds.git import GitFetcher, GitRepositories
from hub.sources.kinds.oci import OciRepositories
from hub.sources.service import ServiceSettings, SourceService, StoredSecrets
from hub.sources.shelf import Shelf
from hub.sources.workers import Workers
from hub.status.writer import StatusSettings, StatusWriter
from hub.store import Store

_LOG = logging.getLogger(__name__)
LEASE = "cartwheel-hub"
STOPPING = "stopping"
_USER_AGENT = f"cartwheel-hub/{VERSION}"


class Hub:
    """One hub process's parts. `run` until cancelled or until it may not lead any more."""

    def __init__(self, settings: Settings, client: Api, leadership: Leadership, telemetry: Telemetry) -> None:
        self._settings = settings
        self._client = client
        self._leadership = leadership
        self._telemetry = telemetry
        self._clock = SystemClock()
        self._randomness = SystemRandomness()
        self._boards = Boards()
        self._blobs = Blobs()
        self._store = Store(
            client, clock=self._clock, randomness=self._randomness, backoff=settings.watch_backoff
        )
        self._problem = "starting"

    @property
    def problem(self) -> str:
        """Return why this hub is not ready, empty when it is."""
        return self._problem or ("" if self._leadership.holds else "another hub may lead")

    async def run(self) -> None:
        """Wait to lead, then serve until the lease is lost (raises Transient)."""
        await self._leadership.acquire(self._wait_behind)
        try:
            await self._lead()
        finally:
            self._problem = STOPPING
            await self._leadership.release()

    def _wait_behind(self, holder: str) -> None:
        self._problem = f"{holder} leads"

    async def _lead(self) -> None:
        self._problem = "listing its resources"
        async with AsyncExitStack() as stack, Tasks() as tasks:
            leading = tasks.start(self._leadership.keep(), name="lease")
            starting = tasks.start(self._start(stack, tasks), name="start")
            await tasks.run_until(starting)
            self._problem = ""
            _LOG.info("serving", extra={"version": VERSION})
            try:
                await tasks.run_until(leading)
            except asyncio.CancelledError:
                # Asked to stop: what is worked on ends first, while the lease is still kept.
                self._problem = STOPPING
                await self._telemetry.loops.drain(self._settings.stop_grace_s)
                raise
        raise Transient("another hub may lead now; starting over", reason="LeaseLost")

    async def _start(self, stack: AsyncExitStack, tasks: Tasks) -> None:
        tasks.start(self._store.run(), name="store")
        await self._store.wait_until_complete()
        storage = ArtifactStorage(self._settings.data / "artifacts")
        contents = Contents(self._settings.data / "artifacts")
        await self._serve_artifacts(stack, storage)
        sweep_staging(storage.root)
        shelf = Shelf(storage, contents, address=self._settings.artifact_address)
        tasks.start(self._clusters().run(), name="clusters")
        tasks.start(self._sources(stack, shelf).run(), name="sources")
        tasks.start(self._deliveries(stack, shelf).run(), name="deliveries")
        tasks.start(self._status().run(), name="status")
        await self._start_gateway(stack, tasks)

    def _clusters(self) -> ClusterController:
        settings = ClusterSettings(
            backoff=self._settings.backoff,
            return_within_s=self._settings.unknown_after_s,
            certificate_lifetime=self._settings.certificate_lifetime,
        )
        return ClusterController(
            settings,
            store=self._store,
            boards=self._boards,
            clock=self._clock,
            randomness=self._randomness,
            telemetry=self._telemetry,
        )

    def _deliveries(self, stack: AsyncExitStack, shelf: Shelf) -> Controller:
        settings = self._settings
        return Controller(
            DeliverySettings(
                management=ClusterName(namespace=CLUSTERS_NAMESPACE, name=MANAGEMENT_CLUSTER),
                backoff=settings.backoff,
                tools={"cartwheel": VERSION},
                dependency_retry_s=settings.dependency_retry_s,
                workers=settings.workers,
                scale=settings.scale,
                sops=SopsSettings(
                    age_secret=settings.sops_age_secret
                    and f"{settings.namespace}/{settings.sops_age_secret}",
                    requires_mac=settings.sops_requires_mac,
                    service_timeout_s=settings.sops_service_timeout_s,
                    aws_endpoint=settings.sops_aws_endpoint,
                    gcp_endpoint=settings.sops_gcp_endpoint,
                ),
            ),
            store=self._store,
            boards=self._boards,
            blobs=self._blobs,
            renderer=self._renderers(stack),
            trees=shelf,
            clock=self._clock,
            randomness=self._randomness,
            telemetry=self._telemetry,
        )

    def _status(self) -> StatusWriter:
        settings = StatusSettings(
            backoff=self._settings.backoff,
            interval_s=self._settings.status_interval_s,
            unknown_after_s=self._settings.unknown_after_s,
        )
        return StatusWriter(
            settings,
            store=self._store,
            boards=self._boards,
            clock=self._clock,
            randomness=self._randomness,
            telemetry=self._telemetry,
        )

    def _sources(self, stack: AsyncExitStack, shelf: Shelf) -> SourceService:
        settings = self._settings
        workers = Workers(parallel=settings.git_workers)
        stack.push_async_callback(workers.close)
        secrets = StoredSecrets(self._store)
        return SourceService(
            self._store,
            (GitRepositories(GitFetcher(workers), secrets), OciRepositories(workers, secrets)),
            shelf,
            clock=self._clock,
            randomness=self._randomness,
            telemetry=self._telemetry,
            settings=ServiceSettings(
                sources=SourceSettings(interval_scale=settings.scale), backoff=settings.backoff
            ),
        )

    def _renderers(self, stack: AsyncExitStack) -> RenderPool:
        pool = RenderPool(
            find_render(self._settings.render),
            self._settings.renderers,
            RenderLimits(time_s=self._settings.render_time_s),
        )
        stack.push_async_callback(pool.close)
        return pool

    async def _serve_artifacts(self, stack: AsyncExitStack, storage: ArtifactStorage) -> None:
        runner = web.AppRunner(artifact_application(storage), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._settings.host or None, self._settings.artifact_port).start()

    async def _start_gateway(self, stack: AsyncExitStack, tasks: Tasks) -> None:
        settings = self._settings
        registry = ClusterRegistry(self._store, clock=self._clock, hub=settings.instance)
        router = Router(self._boards)
        authority = await self._authority()
        enrolment = Enrolment(
            self._client,
            settings.namespace,
            authority,
            registry,
            clock=self._clock,
            lifetime=settings.certificate_lifetime,
        )

        recovery = Recovery(
            authority,
            registry,
            names=_names(settings),
            clock=self._clock,
            lifetime=settings.certificate_lifetime,
        )

        def session(peer: Peer) -> Session:
            return Session(
                peer,
                registry=registry,
                content=self._blobs,
                boards=self._boards,
                wishes=router.board(peer.cluster),
                allowance=router.allowance(peer.cluster),
                clock=self._clock,
                version=VERSION,
                alive_interval_s=settings.alive_interval_s,
                greeting_timeout_s=settings.greeting_timeout_s,
                telemetry=self._telemetry,
            )

        listen = ListenSettings(
            host=_bind_host(settings.host),
            session_port=settings.session_port,
            enrol_port=settings.enrol_port,
            names=_names(settings),
            keepalive_s=settings.keepalive_s,
        )
        gateway = Gateway(
            listen,
            authority=authority,
            enrolment=enrolment,
            recovery=recovery,
            admission=registry,
            router=router,
            content=self._blobs,
            session=session,
            may_serve=lambda: self._leadership.holds,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        tasks.start(router.run(), name="router")
        await gateway.start()
        stack.push_async_callback(gateway.stop)

    async def _authority(self) -> Authority:
        namespace = self._settings.namespace
        try:
            value = await self._client.get(SECRETS, namespace, CA_SECRET)
            data = value.get("data") or {}
            parts = [base64.b64decode(data[key]) for key in (CA_CERTIFICATE_KEY, CA_KEY_KEY)]
        except (NotFound, KeyError) as problem:
            raise Stalled(
                f"Secret {namespace}/{CA_SECRET} holds no certificate authority; run `hub install`",
                reason="NoAuthority",
            ) from problem
        return Authority(*parts)


async def serve(settings: Settings) -> None:
    """Run a hub until cancelled, with its probes."""
    log_to_stdout(settings.log_level)
    shrink_tls_buffers()
    clock = SystemClock()
    telemetry = Telemetry.of_program(
        traces=settings.traces,
        service="cartwheel-hub",
        instance=settings.instance,
        version=VERSION,
        stuck_after_s=settings.stuck_after_s,
        clock=clock,
    )
    async with telemetry as told:
        await _serve(settings, told, clock)


async def _serve(settings: Settings, telemetry: Telemetry, clock: Clock) -> None:
    access = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(clock)
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
        hub = Hub(settings, client, leadership, telemetry)
        probes = ProbeServer(
            settings.host, settings.http_port, ready=lambda: hub.problem, telemetry=telemetry
        )
        await probes.start()
        try:
            await hub.run()
        finally:
            await asyncio.shield(probes.stop())


def leadership_of(settings: Settings, client: Api, clock: Clock) -> Leadership:
    """Return what makes one hub the leading one."""
    lease = LeaseSettings(
        duration_s=settings.lease_duration_s,
        deadline_s=settings.lease_deadline_s,
        retry_s=settings.lease_retry_s,
        request_s=settings.lease_request_s,
    )
    return Leadership(client, settings.namespace, LEASE, settings.instance, lease, clock=clock)


def _bind_host(host: str) -> str:
    if not host:
        return "[::]"
    return f"[{host}]" if ":" in host else host


def _names(settings: Settings) -> tuple[str, ...]:
    """Return every name under which agents may reach the listeners."""
    hosts = [address.rpartition(":")[0].strip("[]") for address in (settings.address, settings.enrol_address)]
    service = f"cartwheel-hub.{settings.namespace}.svc"
    return tuple(dict.fromkeys((*hosts, service, f"{service}.cluster.local", "localhost", "127.0.0.1")))
