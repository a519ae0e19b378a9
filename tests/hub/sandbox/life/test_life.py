"""Life costs little, takes up what it finds, never comes to a stop and never runs in circles."""

import gc
import random
import tracemalloc
from collections.abc import Sequence

import pytest

from agent.kit.tasks import Tasks
from agent.kube.api import Object
from agent.model.health import HealthStatus
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.life.kinds import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
)
from hub.sandbox.life.life import Life
from hub.sandbox.storage import KindKey, TooOld
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.hub.sandbox.life.living import USER, Living, living, template, workload

_MOST_BYTES = 2 * 2**20
_WORKLOADS: Sequence[KindKey] = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS)
_IMAGES = ("web:1", "web:2", "web:bad", "web:crash", "web:slow", "web:fail", "web:hang")

_LAST = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:9"}]}}}}


def named(name: str, image: str = "web:1", replicas: int = 2) -> Object:
    """Return a workload that selects Pods of its own."""
    made = workload(image, name=name, replicas=replicas, serviceName="web")
    made["spec"]["selector"] = {"matchLabels": {"app": name}}
    made["spec"]["template"]["metadata"]["labels"] = {"app": name}
    return made


async def furnish(cluster: Living) -> None:
    """Put some fifty objects into a cluster."""
    for number in range(5):
        await cluster.create(DEPLOYMENTS, named(f"web-{number}"))
        service = {"selector": {"app": f"web-{number}"}, "ports": [{"port": 80}]}
        await cluster.create(SERVICES, {"metadata": {"name": f"web-{number}"}, "spec": service})
        await cluster.create(
            CONFIG_MAPS, {"metadata": {"name": f"web-{number}"}, "data": {"key": "value" * 50}}
        )


@in_virtual_time
async def test_a_cluster_with_fifty_objects_is_small() -> None:
    async with living() as first:
        # What all clusters share is there when the first one is.
        await furnish(first)
        gc.collect()
        tracemalloc.start()
        try:
            async with living() as cluster:
                await furnish(cluster)
                gc.collect()
                busy, _ = tracemalloc.get_traced_memory()
                await cluster.settle(2 * 3600)
                gc.collect()
                idle, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert busy < _MOST_BYTES
    assert idle < _MOST_BYTES / 2


@in_virtual_time
async def test_nothing_runs_when_nothing_happens() -> None:
    async with living() as cluster:
        await furnish(cluster)
        await cluster.settle(2 * 3600)
        version = cluster.server.storage.version
        assert cluster.life.due_s is None
        await cluster.settle(86400)
        assert cluster.server.storage.version == version


@in_virtual_time
async def test_who_follows_a_cluster_notices_nothing_when_its_history_is_forgotten() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload())
        await cluster.settle(200)
        version = cluster.server.storage.version
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"replicas": 2}}, after_s=200)
        assert cluster.server.storage.since(DEPLOYMENTS, version) != []
        version = cluster.server.storage.version
        await cluster.settle(1000)
        assert cluster.server.storage.since(DEPLOYMENTS, version) == []
        with pytest.raises(TooOld):
            cluster.server.storage.since(PODS, 1)


@in_virtual_time
async def test_life_begins_where_another_ended() -> None:
    clock = FakeClock()
    server = new_cluster(clock, {"secret": admin()})
    life = Life(server, clock)
    async with Tasks() as tasks:
        tasks.start(life.run(), name="first")
        cluster = Living(server, clock, life)
        await cluster.create(DEPLOYMENTS, workload("web:slow", replicas=2), after_s=2)
    await cluster.create(JOBS, {"metadata": {"name": "work"}, "spec": {"template": template(policy="Never")}})
    await cluster.settle(10)
    assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
    async with Tasks() as tasks:
        tasks.start(Life(server, clock).run(), name="second")
        await cluster.settle(10)
    assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT
    assert cluster.health(JOBS, "work").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_cluster_without_life_has_objects_only() -> None:
    clock = FakeClock()
    server = new_cluster(clock, {"secret": admin()})
    server.verbs.create(server.target(DEPLOYMENTS, ("default", "")), workload(), USER)
    await clock.sleep(100)
    assert server.storage.all(PODS) == []


@in_virtual_time
async def test_a_node_on_which_nothing_may_run_makes_pods_wait() -> None:
    async with living() as cluster:
        await cluster.change(NODES, "node", {"spec": {"unschedulable": True}})
        await cluster.create(DEPLOYMENTS, workload())
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
        await cluster.change(NODES, "node", {"spec": {"unschedulable": None}})
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happened_a_cluster_becomes_what_is_asked_for_at_last(seed: int) -> None:
    @in_virtual_time
    async def run() -> None:
        chance = random.Random(seed)
        async with living() as cluster:
            for _ in range(60):
                await _disturb(cluster, chance)
            await cluster.settle(60)
            for kind in _WORKLOADS:
                for value in cluster.all(kind):
                    if kind != REPLICA_SETS or not value["metadata"].get("ownerReferences"):
                        name = value["metadata"]["name"]
                        await cluster.change(kind, name, _LAST)
            # Pods of a StatefulSet that do not serve hold up the next template, and are not replaced by anybody.
            for pod in cluster.all(PODS):
                if pod["spec"]["containers"][0]["image"] != "web:9":
                    await cluster.delete(PODS, pod["metadata"]["name"], grace_s=0)
            await cluster.settle(2 * 3600)
            unready = [one["metadata"]["name"] for kind in _WORKLOADS for one in _unready(cluster, kind)]
            assert unready == []
            assert cluster.life.due_s is None

    run()


def _unready(cluster: Living, kind: KindKey) -> list[Object]:
    return [
        one
        for one in cluster.all(kind)
        if cluster.health(kind, one["metadata"]["name"]).status is not HealthStatus.CURRENT
    ]


async def _disturb(cluster: Living, chance: random.Random) -> None:
    """Do to a cluster what people do."""
    kind, image = chance.choice(_WORKLOADS), chance.choice(_IMAGES)
    name, after_s = f"{kind[1]}-{chance.randrange(2)}", chance.choice((0, 0.001, 3, 40))
    there = cluster.get(kind, name)
    if there is None:
        await cluster.create(kind, named(name, image, chance.randrange(4)), after_s=after_s)
        return
    match chance.randrange(6):
        case 0:
            propagation = chance.choice(("Background", "Foreground", "Orphan"))
            await cluster.delete(kind, name, propagation=propagation, after_s=after_s)
        case 1 if kind != DAEMON_SETS:
            await cluster.change(kind, name, {"spec": {"replicas": chance.randrange(4)}}, after_s=after_s)
        case 2:
            for pod in cluster.all(PODS)[:2]:
                if cluster.get(PODS, pod["metadata"]["name"]) is not None:
                    await cluster.delete(PODS, pod["metadata"]["name"], after_s=after_s)
        case _:
            changed = named(name, image)["spec"]["template"]
            await cluster.change(kind, name, {"spec": {"template": changed}}, after_s=after_s)
