"""An agent without a hub and without a link, in a cluster in memory: desk, reconciler and observer work, and tests assign and look."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from agent.apply.engine import Engine
from agent.apply.server import EngineSettings, Server
from agent.desk import Desk, replace_assignment
from agent.health.assess import assess
from agent.kit.board import Board
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.kube.api import Object, Resource
from agent.kube.discovery import Discovery
from agent.model.assignment import Order
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.names import OWNER_NAME, OWNER_NAMESPACE, HomeName, ObjectRef, group_of
from agent.model.report import NoticeKind, Report
from agent.notices import Notices
from agent.observer import Observer
from agent.reconciler.reconciler import Reconciler
from agent.reconciler.settings import ReconcilerSettings
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.wishes import WEB, blobs, head
from tests.fakes.clock import FakeClock, SeededRandomness
from tests.fakes.cluster import Cluster

NAMESPACE = "cartwheel-system"
QUICK = Backoff(first_s=0.5, last_s=5.0)
LABELS = {OWNER_NAME: WEB.name, OWNER_NAMESPACE: WEB.namespace}


class Rig:
    """An agent without a hub; `assign` does what its session would."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.telemetry = Telemetry()
        self.cluster = Cluster(self.clock)
        for namespace in (NAMESPACE, "apps"):
            self.cluster.add_namespace(namespace)
        self.network = self.cluster.network
        self.begin()

    def begin(self) -> None:
        """Be as after a start: nothing in memory."""
        api, randomness = self.cluster.api("agent"), SeededRandomness()
        self.desk = Desk(api, NAMESPACE)
        self.reports: Board[HomeName, Report] = Board()
        self.notices = Notices()
        discovery = Discovery(api, clock=self.clock)
        self.observer = Observer(
            api, discovery, namespace="", clock=self.clock, randomness=randomness, backoff=QUICK
        )
        server = Server(
            api=api,
            resolver=discovery,
            watched=self.observer,
            assess=assess,
            settings=EngineSettings(),
            clock=self.clock,
        )
        self.reconciler = Reconciler(
            ReconcilerSettings(backoff=QUICK),
            desk=self.desk,
            engine=Engine(server),
            live=self.observer,
            reports=self.reports,
            notices=self.notices,
            clock=self.clock,
            randomness=randomness,
            telemetry=self.telemetry,
        )
        self.observer.worker = self.reconciler
        self.order = 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.desk.load()
        async with Tasks() as tasks:
            tasks.start(self.observer.run(), name="observer")
            tasks.start(self.reconciler.run(), name="reconciler")
            yield

    async def assign(self, manifests: Iterable[Manifest], **named: Any) -> Head:
        manifests = list(manifests)
        self.order += 1
        new = head(manifests, order=Order(1, self.order), **named)
        old = self.desk.get(new.home)
        saved = await self.desk.save(replace_assignment(old, new, was_healthy=False), blobs(manifests))
        self.reconciler.wake(new.home)
        return saved

    def report(self, home: HomeName = WEB) -> Report:
        found = self.reports.get(home)
        assert found is not None
        return found

    def names(self) -> set[str]:
        return {one["metadata"]["name"] for one in self.cluster.list(CONFIG_MAPS, "apps").items}

    def edit(self, name: str, text: str) -> None:
        live = self.cluster.get(CONFIG_MAPS, "apps", name)
        live["data"]["text"] = text
        self.cluster.replace(CONFIG_MAPS, "apps", live, manager="kubectl-edit")

    def text(self, name: str) -> str:
        return str(self.cluster.get(CONFIG_MAPS, "apps", name)["data"]["text"])

    async def told(self) -> list[NoticeKind]:
        return [notice.kind for notice in await self.notices.after(0)]

    def now(self, home: HomeName = WEB) -> Head:
        """Return a delivery as it is on the desk."""
        found = self.desk.get(home)
        assert found is not None
        return found

    def resource(self, ref: ObjectRef) -> Resource:
        return self.cluster.newest_kind(ref.group, ref.kind)

    def put_status(self, ref: ObjectRef, **status: Any) -> Object:
        """Have a controller write an object's status, for its present generation."""
        resource = self.resource(ref)
        live = self.cluster.get(resource, ref.namespace, ref.name)
        live["status"] = {"observedGeneration": live["metadata"]["generation"], **status}
        return self.cluster.replace(resource, ref.namespace, live, manager="controller", subresource="status")


def pods(image: str = "web:1", **spec: Any) -> dict[str, Any]:
    """Return a template for Pods of one container, labelled as all of them are here."""
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def workload(kind: str, api_version: str = "apps/v1", name: str = "web", **spec: Any) -> Manifest:
    """Return an object of a kind in namespace apps with the owner labels of the delivery WEB."""
    metadata = {"name": name, "namespace": "apps", "labels": LABELS}
    value = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    return Manifest.of(value, ObjectRef(group_of(api_version), kind, "apps", name))
