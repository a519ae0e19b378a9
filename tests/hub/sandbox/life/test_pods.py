"""Pods are scheduled, run, fail and end by what their images say."""

import pytest

from agent.kube.api import Object
from agent.model.health import HealthStatus
from hub.sandbox.life.kinds import CLAIMS, NODES, PODS, REPLICA_SETS
from tests.fakes.clock import in_virtual_time
from tests.hub.sandbox.life.living import LABELS, Living, living, template, workload


def pod(image: str = "web:1", **spec: object) -> Object:
    return {"metadata": {"name": "one", "labels": LABELS}, "spec": template(image, **spec)["spec"]}  # type: ignore[arg-type]


def state(cluster: Living) -> Object:
    found: Object = cluster.get(PODS, "one")["status"]["containerStatuses"][0]
    return found


@in_virtual_time
async def test_a_pod_runs() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod())
        found = cluster.get(PODS, "one")
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT
        assert found["spec"]["nodeName"] == "node"
        assert found["status"]["phase"] == "Running"
        assert found["status"]["podIP"].startswith("10.244.")
        assert state(cluster)["ready"] is True
        assert cluster.conditions(PODS, "one") == dict.fromkeys(
            ("PodScheduled", "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"),
            ("True", ""),
        )


@in_virtual_time
async def test_no_two_pods_have_the_same_address() -> None:
    async with living() as cluster:
        await cluster.create(REPLICA_SETS, workload(replicas=30))
        assert len({one["status"]["podIP"] for one in cluster.all(PODS)}) == 30


@in_virtual_time
async def test_a_bad_image_is_tried_and_then_waited_for() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod("web:bad"))
        assert state(cluster)["state"]["waiting"]["reason"] == "ErrImagePull"
        await cluster.settle(12)
        assert state(cluster)["state"]["waiting"]["reason"] == "ImagePullBackOff"
        health = cluster.health(PODS, "one")
        assert (health.status, health.reason) == (HealthStatus.IN_PROGRESS, "PodPending")
        assert cluster.get(PODS, "one")["status"].get("podIP") is None
        assert {"Failed", "BackOff"} <= cluster.reasons()


@in_virtual_time
async def test_a_container_that_crashes_is_started_again_ever_more_rarely() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod("web:crash"))
        counts = [state(cluster)["restartCount"]]
        for seconds in (11, 20, 40, 80, 160, 300, 300):
            await cluster.settle(seconds)
            counts.append(state(cluster)["restartCount"])
        assert counts == [1, 2, 3, 4, 5, 6, 7, 8]
        health = cluster.health(PODS, "one")
        assert (health.status, health.reason) == (HealthStatus.FAILED, "ContainerCrashLooping")


@in_virtual_time
async def test_a_slow_image_is_created_for_a_while() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod("web:slow"), after_s=4)
        assert state(cluster)["state"]["waiting"]["reason"] == "ContainerCreating"
        await cluster.settle(2)
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT


@pytest.mark.parametrize(
    ("image", "phase"), [("web:1", "Succeeded"), ("web:fail", "Failed"), ("web:hang", "Running")]
)
def test_a_pod_that_is_meant_to_end_ends(image: str, phase: str) -> None:
    @in_virtual_time
    async def run() -> None:
        async with living() as cluster:
            await cluster.create(PODS, pod(image, policy="Never"), after_s=60)
            assert cluster.get(PODS, "one")["status"]["phase"] == phase

    run()


@in_virtual_time
async def test_a_bad_container_that_comes_first_holds_up_the_others() -> None:
    async with living() as cluster:
        first: Object = {"initContainers": [{"name": "first", "image": "first:bad"}]}
        await cluster.create(PODS, pod(**first), after_s=20)
        status = cluster.get(PODS, "one")["status"]
        assert status["initContainerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
        assert state(cluster)["state"]["waiting"]["reason"] == "PodInitializing"
        assert status["phase"] == "Pending"


@in_virtual_time
async def test_one_bad_container_leaves_the_other_running_and_the_pod_not_ready() -> None:
    async with living() as cluster:
        value = pod()
        value["spec"]["containers"].append({"name": "beside", "image": "beside:bad"})
        await cluster.create(PODS, value)
        ready = {one["name"]: one["ready"] for one in cluster.get(PODS, "one")["status"]["containerStatuses"]}
        assert ready == {"web": True, "beside": False}
        assert cluster.conditions(PODS, "one")["Ready"] == ("False", "ContainersNotReady")


@in_virtual_time
async def test_a_better_image_heals_a_pod() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod("web:bad"), after_s=20)
        await cluster.change(PODS, "one", {"spec": pod("web:2")["spec"]})
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_pod_for_which_there_is_no_node_fails_after_a_while() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod(nodeSelector={"disk": "fast"}), after_s=5)
        assert cluster.health(PODS, "one").reason == "PodNotScheduled"
        await cluster.settle(15)
        assert cluster.health(PODS, "one").reason == "PodUnschedulable"
        assert "FailedScheduling" in cluster.reasons()
        await cluster.change(NODES, "node", {"metadata": {"labels": {"disk": "fast"}}})
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_pod_waits_for_its_claim() -> None:
    async with living() as cluster:
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
        await cluster.create(PODS, pod(volumes=[volume]))
        assert cluster.conditions(PODS, "one")["PodScheduled"] == ("False", "Unschedulable")
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await cluster.create(CLAIMS, {"metadata": {"name": "data"}, "spec": spec})
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_pod_that_is_deleted_ends_and_goes() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod())
        await cluster.delete(PODS, "one")
        assert cluster.get(PODS, "one") is None


@in_virtual_time
async def test_a_pod_that_hangs_takes_all_the_time_it_has_to_end() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod("web:hang"))
        await cluster.delete(PODS, "one", after_s=25)
        assert cluster.health(PODS, "one").status is HealthStatus.TERMINATING
        await cluster.settle(6)
        assert cluster.get(PODS, "one") is None


@in_virtual_time
async def test_a_deletion_that_leaves_no_time_ends_a_pod_that_hangs() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod("web:hang"))
        await cluster.delete(PODS, "one")
        await cluster.delete(PODS, "one", grace_s=0)
        assert cluster.get(PODS, "one") is None


@in_virtual_time
async def test_a_finalizer_that_nobody_takes_holds_a_pod() -> None:
    async with living() as cluster:
        value = pod()
        value["metadata"] = {**value["metadata"], "finalizers": ["example.org/stuck"]}
        await cluster.create(PODS, value)
        await cluster.delete(PODS, "one", after_s=1000)
        assert cluster.health(PODS, "one").status is HealthStatus.TERMINATING
        await cluster.change(PODS, "one", {"metadata": {"finalizers": None}})
        assert cluster.get(PODS, "one") is None


@in_virtual_time
async def test_a_replica_set_whose_pods_crash_has_failed() -> None:
    async with living() as cluster:
        await cluster.create(REPLICA_SETS, workload("web:crash", replicas=2))
        health = cluster.health(REPLICA_SETS, "web")
        assert (health.status, health.message) == (HealthStatus.FAILED, "2 pods have failed")


@in_virtual_time
async def test_a_replica_set_gives_up_those_first_that_do_not_serve() -> None:
    async with living() as cluster:
        await cluster.create(REPLICA_SETS, workload("web:bad", replicas=1))
        (bad,) = cluster.all(PODS)
        await cluster.change(REPLICA_SETS, "web", {"spec": {"template": template("web:2"), "replicas": 3}})
        await cluster.change(REPLICA_SETS, "web", {"spec": {"replicas": 2}})
        assert bad["metadata"]["name"] not in {one["metadata"]["name"] for one in cluster.all(PODS)}
        assert cluster.health(REPLICA_SETS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_pod_behind_a_gate_is_not_scheduled_until_that_opens() -> None:
    async with living() as cluster:
        await cluster.create(PODS, pod(schedulingGates=[{"name": "example.org/gate"}]))
        assert cluster.conditions(PODS, "one") == {"PodScheduled": ("False", "SchedulingGated")}
        await cluster.change(PODS, "one", {"spec": {"schedulingGates": None}})
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_replica_set_becomes_ready() -> None:
    async with living() as cluster:
        await cluster.create(REPLICA_SETS, workload(replicas=2))
        assert cluster.health(REPLICA_SETS, "web").status is HealthStatus.CURRENT
