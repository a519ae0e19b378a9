"""Runs commands as a person would type them, against clusters in memory, on a clock that needs no time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from click.testing import CliRunner, Result

from agent.kit.tracing import NO_TRACE, Traceparent
from agent.kube.api import Api
from agent.kube.resources import DEPLOYMENTS, PODS
from hub.cli.client import Caller
from hub.cli.main import hub
from hub.model.kinds import Kind
from hub.resources import CLUSTERS
from tests.hub.management import Management

START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
Object = dict[str, Any]
SPECS: dict[str, Object] = {
    Kind.GIT_REPOSITORY: {"interval": "1m", "url": "https://example.com/web"},
    Kind.KUSTOMIZATION: {
        "interval": "1m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "web"},
    },
}
"""What is written of each kind at least."""


class Clock:
    """Time that passes only by sleeping; whatever else goes on in the world happens then."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.meanwhile: list[Callable[[], None]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.slept_s)

    def monotonic_s(self) -> float:
        return self.slept_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        for act in self.meanwhile:
            act()
        await asyncio.sleep(0)


@dataclass
class World:
    """Clusters by kubeconfig context; None is the management cluster."""

    clock: Clock = field(default_factory=Clock)
    is_bare: bool = False
    """Nothing of the hub is in the management cluster."""
    clusters: dict[str | None, Management] = field(init=False)
    dialled: list[tuple[str | None, str | None]] = field(default_factory=list)
    traceparent: Traceparent = NO_TRACE

    def __post_init__(self) -> None:
        self.clusters = {None: Management(self.clock, with_kinds=not self.is_bare)}
        if not self.is_bare:
            self.management.add_namespace("cartwheel-system")
            self.management.add_namespace("flux-system")

    @property
    def management(self) -> Management:
        return self.clusters[None]

    def add(self, context: str) -> Management:
        """Have another cluster there."""
        self.clusters[context] = Management(self.clock, with_kinds=False)
        return self.clusters[context]

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """Run `hub ARGUMENTS` and return how it ended."""

        @asynccontextmanager
        async def connect(kubeconfig: str | None, context: str | None) -> AsyncIterator[Api]:
            self.dialled.append((kubeconfig, context))
            yield self.clusters[context]

        caller = Caller(connect=connect, clock=self.clock, traceparent=self.traceparent)
        result = CliRunner().invoke(hub, list(arguments), obj=caller, input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit | KeyboardInterrupt):
            raise result.exception
        return result

    def controllers_run(self) -> None:
        """Let every cluster's controllers and the hub do their part from now on, at each look of a command."""
        self.clock.meanwhile.append(self._act)

    def _act(self) -> None:
        for api in self.clusters.values():
            for one in api.all(DEPLOYMENTS):
                api.put(DEPLOYMENTS, available(one))
            for one in api.all(PODS):
                api.put(PODS, one | {"status": pod_status(ready=True, state={"running": {}})})
            for one in api.all(CLUSTERS) if api is self.management else ():
                api.put(CLUSTERS, condition(condition(one, "Enrolled"), "Connected"))


def written(api: Management) -> list[str]:
    """Return the requests that could change something: `apply deployments/cartwheel-agent`."""
    return [f"{call.verb} {call.resource}/{call.name}" for call in api.cluster.writes]


def available(deployment: Object) -> Object:
    """Make a Deployment available."""
    deployment["status"] = {
        "observedGeneration": 9,
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
    }
    return deployment


def pod_status(*, ready: bool, state: Object) -> Object:
    """Return the status of a Pod of one container."""
    container = {
        "name": "main",
        "image": "x",
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }
    return {"containerStatuses": [container]}


def template(**labels: str) -> Object:
    """Return a template for Pods of one container."""
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]}}


def artifact(revision: str) -> Object:
    """Return what a source has fetched."""
    fetched = {"digest": "sha256:" + "0" * 64, "lastUpdateTime": "2026-01-31T08:00:00Z"}
    return {"path": "p", "url": "http://hub/p", "revision": revision, **fetched}


def condition(
    one: Object, type_: str, status: str = "True", message: str = "", reason: str = "Because"
) -> Object:
    """Set a condition of an object."""
    conditions = one.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [held for held in conditions if held["type"] != type_]
    conditions.append({"type": type_, "status": status, "reason": reason, "message": message})
    return one


def lease(renewed: str) -> Object:
    """Return the hub's Lease."""
    metadata = {"name": "cartwheel-hub", "namespace": "cartwheel-system"}
    return {"metadata": metadata, "spec": {"holderIdentity": "hub-0", "renewTime": renewed}}
