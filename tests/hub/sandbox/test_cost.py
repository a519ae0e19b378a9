"""What a cluster in memory costs that has fifty objects and nothing to do: a thousand of them live in one process."""

import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from agent.kit.tasks import Tasks
from agent.kube.resources import CONFIG_MAPS, DEPLOYMENTS, SECRETS
from hub.sandbox.life.life import Life
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.cluster import Cluster

MOST_BYTES = 2 << 20
CLUSTERS = 10
EVENTS_LAST_S = 3600.0
POD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}


def filled() -> Cluster:
    """Return a cluster with twenty-four ConfigMaps, twenty-four Secrets and two Deployments of two Pods."""
    cluster = Cluster(FakeClock())
    for number in range(24):
        metadata = {"name": f"settings-{number}", "labels": {"app": "web"}}
        common: dict[str, Any] = {"apiVersion": "v1", "metadata": metadata}
        cluster.create(CONFIG_MAPS, "default", common | {"kind": "ConfigMap", "data": {"text": "x" * 500}})
        cluster.create(SECRETS, "default", common | {"kind": "Secret", "stringData": {"key": "y" * 100}})
    for name in ("one", "two"):
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": POD}
        head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
        cluster.create(DEPLOYMENTS, "default", head | {"spec": spec})
    return cluster


@asynccontextmanager
async def alive(cluster: Cluster) -> AsyncIterator[Life]:
    """Let a cluster live, and for some time before anybody looks."""
    life = Life(cluster.server, cluster.clock)
    async with Tasks() as tasks:
        tasks.start(life.run(), name="life")
        await cluster.clock.sleep(2 * EVENTS_LAST_S)
        yield life


@in_virtual_time
async def test_an_idle_cluster_with_fifty_objects_costs_two_megabytes_at_most() -> None:
    async with alive(filled()):
        pass  # What all clusters share is read by the first.
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        async with AsyncExitStack() as stack:
            for _ in range(CLUSTERS):
                await stack.enter_async_context(alive(filled()))
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / CLUSTERS < MOST_BYTES


@in_virtual_time
async def test_an_idle_cluster_does_nothing() -> None:
    cluster = filled()
    async with alive(cluster) as life:
        assert cluster.get(DEPLOYMENTS, "default", "one")["status"]["availableReplicas"] == 2
        version = cluster.server.storage.version
        assert life.due_s is None
        await cluster.clock.sleep(10 * EVENTS_LAST_S)
        assert cluster.server.storage.version == version
