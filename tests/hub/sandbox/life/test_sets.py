"""StatefulSets keep their order, DaemonSets have a Pod on each node."""

import pytest

from agent.kube.api import Object
from agent.model.health import HealthStatus
from hub.sandbox.life.kinds import CLAIMS, DAEMON_SETS, NODES, PODS, REVISIONS, STATEFUL_SETS
from tests.fakes.clock import in_virtual_time
from tests.hub.sandbox.life.living import Living, image_patch, living, workload


def images(cluster: Living) -> dict[str, str]:
    return {one["metadata"]["name"]: one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)}


def claim(name: str = "data") -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": spec}


@in_virtual_time
async def test_a_stateful_set_becomes_ready() -> None:
    async with living() as cluster:
        await cluster.create(STATEFUL_SETS, workload(replicas=3, serviceName="web"))
        status = cluster.get(STATEFUL_SETS, "web")["status"]
        (revision,) = cluster.all(REVISIONS)
        assert cluster.health(STATEFUL_SETS, "web").status is HealthStatus.CURRENT
        assert status == {
            "observedGeneration": 1,
            "replicas": 3,
            "readyReplicas": 3,
            "currentReplicas": 3,
            "updatedReplicas": 3,
            "availableReplicas": 3,
            "collisionCount": 0,
            "currentRevision": revision["metadata"]["name"],
            "updateRevision": revision["metadata"]["name"],
        }
        assert set(images(cluster)) == {"web-0", "web-1", "web-2"}


@in_virtual_time
async def test_the_next_pod_waits_for_the_one_before() -> None:
    async with living() as cluster:
        await cluster.create(STATEFUL_SETS, workload("web:slow", replicas=2, serviceName="web"), after_s=3)
        assert set(images(cluster)) == {"web-0"}
        await cluster.settle(4)
        assert set(images(cluster)) == {"web-0", "web-1"}
        assert cluster.health(STATEFUL_SETS, "web").status is HealthStatus.IN_PROGRESS
        await cluster.settle(5)
        assert cluster.health(STATEFUL_SETS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_pods_in_parallel_wait_for_none() -> None:
    async with living() as cluster:
        parallel: Object = {"podManagementPolicy": "Parallel", "serviceName": "web"}
        await cluster.create(STATEFUL_SETS, workload("web:slow", replicas=3, **parallel))
        assert len(images(cluster)) == 3


@in_virtual_time
async def test_a_stateful_set_changes_from_the_last_pod_on() -> None:
    async with living() as cluster:
        await cluster.create(STATEFUL_SETS, workload(replicas=3, serviceName="web"))
        await cluster.change(STATEFUL_SETS, "web", image_patch("web:slow"), after_s=2)
        assert images(cluster) == {"web-0": "web:1", "web-1": "web:1", "web-2": "web:slow"}
        status = cluster.get(STATEFUL_SETS, "web")["status"]
        assert status["currentRevision"] != status["updateRevision"]
        assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
        await cluster.settle(20)
        assert set(images(cluster).values()) == {"web:slow"}
        assert cluster.health(STATEFUL_SETS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_bad_image_stops_a_stateful_set_at_its_last_pod() -> None:
    async with living() as cluster:
        await cluster.create(STATEFUL_SETS, workload(replicas=3, serviceName="web"))
        await cluster.change(STATEFUL_SETS, "web", image_patch("web:bad"), after_s=100)
        assert images(cluster) == {"web-0": "web:1", "web-1": "web:1", "web-2": "web:bad"}
        assert cluster.health(STATEFUL_SETS, "web").status is HealthStatus.IN_PROGRESS


@in_virtual_time
async def test_a_stateful_set_whose_pod_crashes_has_failed() -> None:
    async with living() as cluster:
        await cluster.create(STATEFUL_SETS, workload("web:crash", replicas=2, serviceName="web"))
        assert cluster.health(STATEFUL_SETS, "web").message == "1 pods have failed"


@in_virtual_time
async def test_only_the_pods_from_a_partition_on_change() -> None:
    async with living() as cluster:
        strategy: Object = {"updateStrategy": {"rollingUpdate": {"partition": 2}}, "serviceName": "web"}
        await cluster.create(STATEFUL_SETS, workload(replicas=3, **strategy))
        await cluster.change(STATEFUL_SETS, "web", image_patch("web:2"))
        assert images(cluster) == {"web-0": "web:1", "web-1": "web:1", "web-2": "web:2"}
        assert cluster.health(STATEFUL_SETS, "web").status is HealthStatus.CURRENT
        await cluster.delete(PODS, "web-0")
        assert images(cluster)["web-0"] == "web:1"


@in_virtual_time
async def test_each_pod_has_its_own_claim_which_stays() -> None:
    async with living() as cluster:
        own: Object = {"volumeClaimTemplates": [claim()], "serviceName": "web"}
        await cluster.create(STATEFUL_SETS, workload(replicas=2, **own))
        assert {one["metadata"]["name"] for one in cluster.all(CLAIMS)} == {"data-web-0", "data-web-1"}
        assert cluster.health(CLAIMS, "data-web-1").status is HealthStatus.CURRENT
        await cluster.change(STATEFUL_SETS, "web", {"spec": {"replicas": 1}})
        assert set(images(cluster)) == {"web-0"}
        assert len(cluster.all(CLAIMS)) == 2


@in_virtual_time
async def test_a_daemon_set_has_a_pod_on_each_node() -> None:
    async with living() as cluster:
        await cluster.create(DAEMON_SETS, workload())
        status = cluster.get(DAEMON_SETS, "web")["status"]
        assert cluster.health(DAEMON_SETS, "web").status is HealthStatus.CURRENT
        assert status == {
            "observedGeneration": 1,
            "currentNumberScheduled": 1,
            "desiredNumberScheduled": 1,
            "numberAvailable": 1,
            "numberMisscheduled": 0,
            "numberReady": 1,
            "updatedNumberScheduled": 1,
        }
        await cluster.create(NODES, {"metadata": {"name": "other"}, "spec": {}})
        assert {one["spec"]["nodeName"] for one in cluster.all(PODS)} == {"node", "other"}
        assert cluster.health(DAEMON_SETS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_daemon_set_replaces_its_pods() -> None:
    async with living() as cluster:
        await cluster.create(DAEMON_SETS, workload())
        await cluster.change(DAEMON_SETS, "web", image_patch("web:2"))
        assert list(images(cluster).values()) == ["web:2"]
        assert cluster.health(DAEMON_SETS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_daemon_set_replaces_one_pod_that_serves_at_a_time() -> None:
    async with living() as cluster:
        await cluster.create(NODES, {"metadata": {"name": "other"}, "spec": {}})
        await cluster.create(DAEMON_SETS, workload())
        await cluster.change(DAEMON_SETS, "web", image_patch("web:slow"), after_s=3)
        assert sorted(images(cluster).values()) == ["web:1", "web:slow"]
        await cluster.settle(10)
        assert set(images(cluster).values()) == {"web:slow"}


@pytest.mark.parametrize("image", ["web:bad", "web:crash"])
def test_a_daemon_set_that_does_not_serve_is_not_ready(image: str) -> None:
    @in_virtual_time
    async def run() -> None:
        async with living() as cluster:
            await cluster.create(DAEMON_SETS, workload(image), after_s=100)
            health = cluster.health(DAEMON_SETS, "web")
            assert (health.status, health.reason) == (HealthStatus.IN_PROGRESS, "LessAvailable")
            await cluster.change(DAEMON_SETS, "web", image_patch("web:2"))
            assert cluster.health(DAEMON_SETS, "web").status is HealthStatus.CURRENT

    run()


@in_virtual_time
async def test_a_daemon_set_has_a_pod_where_nothing_else_may_run() -> None:
    async with living() as cluster:
        await cluster.change(NODES, "node", {"spec": {"unschedulable": True}})
        await cluster.create(DAEMON_SETS, workload())
        assert cluster.health(DAEMON_SETS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_templates_that_a_set_had_are_kept_up_to_a_limit() -> None:
    async with living() as cluster:
        for kind in (DAEMON_SETS, STATEFUL_SETS):
            await cluster.create(kind, workload(name=kind[1], revisionHistoryLimit=1))
            for number in range(2, 6):
                await cluster.change(kind, kind[1], image_patch(f"web:{number}"))
        kept = [
            one["data"]["spec"]["template"]["spec"]["containers"][0]["image"]
            for one in cluster.all(REVISIONS)
        ]
        assert sorted(kept) == ["web:4", "web:4", "web:5", "web:5"]


@in_virtual_time
async def test_a_daemon_set_for_no_node_is_ready_without_pods() -> None:
    async with living() as cluster:
        value = workload()
        value["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "fast"}
        await cluster.create(DAEMON_SETS, value)
        assert cluster.all(PODS) == []
        assert cluster.health(DAEMON_SETS, "web").status is HealthStatus.CURRENT
