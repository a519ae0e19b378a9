"""Deployments become ready, move from one template to the next, and fail as they do on a real cluster."""

import pytest

from agent.kube.api import Object
from agent.model.health import HealthStatus
from hub.sandbox.life.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from tests.fakes.clock import in_virtual_time
from tests.hub.sandbox.life.living import image_patch, living, workload


@in_virtual_time
async def test_a_deployment_becomes_ready() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=3))
        status = cluster.get(DEPLOYMENTS, "web")["status"]
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT
        assert {key: one for key, one in status.items() if key != "conditions"} == {
            "observedGeneration": 1,
            "replicas": 3,
            "updatedReplicas": 3,
            "readyReplicas": 3,
            "availableReplicas": 3,
            "terminatingReplicas": 0,
        }
        assert cluster.conditions(DEPLOYMENTS, "web") == {
            "Available": ("True", "MinimumReplicasAvailable"),
            "Progressing": ("True", "NewReplicaSetAvailable"),
        }


@in_virtual_time
async def test_a_replica_set_belongs_to_its_deployment() -> None:
    async with living() as cluster:
        deployment = await cluster.create(DEPLOYMENTS, workload())
        (found,) = cluster.all(REPLICA_SETS)
        (pod,) = cluster.all(PODS)
        named = found["metadata"]["labels"]["pod-template-hash"]
        assert found["metadata"]["name"] == f"web-{named}"
        assert found["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
        assert found["metadata"]["annotations"] == {
            "deployment.kubernetes.io/desired-replicas": "1",
            "deployment.kubernetes.io/max-replicas": "2",
            "deployment.kubernetes.io/revision": "1",
        }
        assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": named}
        assert pod["metadata"]["name"].startswith(f"web-{named}-")
        assert cluster.get(DEPLOYMENTS, "web")["metadata"]["annotations"] == {
            "deployment.kubernetes.io/revision": "1"
        }


@in_virtual_time
async def test_a_new_template_takes_over_and_the_old_set_is_kept_empty() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=4))
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:2"))
        images = {one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)}
        replicas = {
            one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"]
            for one in cluster.all(REPLICA_SETS)
        }
        assert images == {"web:2"}
        assert replicas == {"web:1": 0, "web:2": 4}
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT
        assert (
            cluster.get(DEPLOYMENTS, "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            == "2"
        )


@in_virtual_time
async def test_going_back_takes_the_old_set_again_as_a_new_revision() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload())
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:2"))
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:1"))
        assert len(cluster.all(REPLICA_SETS)) == 2
        assert (
            cluster.get(DEPLOYMENTS, "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            == "3"
        )
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_bad_image_leaves_the_old_pods_running_and_fails_at_the_deadline() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=3, progressDeadlineSeconds=60))
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:bad"))
        status = cluster.get(DEPLOYMENTS, "web")["status"]
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
        assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (4, 1, 3)
        await cluster.settle(58)
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
        await cluster.settle(4)
        health = cluster.health(DEPLOYMENTS, "web")
        assert (health.status, health.reason) == (HealthStatus.FAILED, "ProgressDeadlineExceeded")
        assert cluster.conditions(DEPLOYMENTS, "web") == {
            "Available": ("True", "MinimumReplicasAvailable"),
            "Progressing": ("False", "ProgressDeadlineExceeded"),
        }


@in_virtual_time
async def test_a_deployment_that_failed_recovers_with_a_good_image() -> None:
    async with living() as cluster:
        await cluster.create(
            DEPLOYMENTS, workload("web:bad", replicas=2, progressDeadlineSeconds=30), after_s=40
        )
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.FAILED
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:2"))
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT
        assert len(cluster.all(PODS)) == 2


@pytest.mark.parametrize("image", ["web:bad", "web:crash"])
def test_a_new_deployment_that_never_serves_fails_at_its_deadline(image: str) -> None:
    @in_virtual_time
    async def run() -> None:
        async with living() as cluster:
            await cluster.create(DEPLOYMENTS, workload(image, progressDeadlineSeconds=30), after_s=20)
            assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
            await cluster.settle(20)
            assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.FAILED
            assert cluster.conditions(DEPLOYMENTS, "web")["Available"] == (
                "False",
                "MinimumReplicasUnavailable",
            )

    run()


@in_virtual_time
async def test_a_slow_image_is_ready_after_some_seconds() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload("web:slow"), after_s=3)
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
        await cluster.settle(3)
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_pods_have_to_be_ready_long_enough_to_be_available() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(minReadySeconds=20), after_s=10)
        assert cluster.get(DEPLOYMENTS, "web")["status"]["readyReplicas"] == 1
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
        await cluster.settle(12)
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_scaling_makes_no_new_set() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=1))
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"replicas": 5}})
        assert (len(cluster.all(PODS)), len(cluster.all(REPLICA_SETS))) == (5, 1)
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
        assert cluster.all(PODS) == []
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_recreating_ends_the_old_pods_before_there_are_new_ones() -> None:
    async with living() as cluster:
        recreate: Object = {"strategy": {"type": "Recreate"}}
        await cluster.create(DEPLOYMENTS, workload("web:hang", replicas=2, **recreate))
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:2"), after_s=10)
        assert {one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)} == {"web:hang"}
        await cluster.settle(25)
        assert {one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)} == {"web:2"}
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_deployment_that_is_paused_keeps_its_template_until_it_goes_on() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=1))
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"paused": True}})
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:2"))
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"replicas": 2}})
        assert {one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)} == {"web:1"}
        assert len(cluster.all(PODS)) == 2
        assert cluster.conditions(DEPLOYMENTS, "web")["Progressing"] == ("Unknown", "DeploymentPaused")
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.IN_PROGRESS
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"paused": False}})
        assert {one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)} == {"web:2"}
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_old_sets_beyond_the_limit_are_forgotten() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(revisionHistoryLimit=1))
        for number in range(2, 6):
            await cluster.change(DEPLOYMENTS, "web", image_patch(f"web:{number}"))
        found = {
            one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            for one in cluster.all(REPLICA_SETS)
        }
        assert found == {"4", "5"}


@in_virtual_time
async def test_what_a_deployment_made_goes_with_it() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=2))
        await cluster.delete(DEPLOYMENTS, "web", propagation="Foreground")
        assert cluster.all(DEPLOYMENTS) == cluster.all(REPLICA_SETS) == cluster.all(PODS) == []


@in_virtual_time
async def test_what_was_left_behind_is_taken_again_by_a_deployment_of_the_same_name() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=2))
        pods = [one["metadata"]["uid"] for one in cluster.all(PODS)]
        await cluster.delete(DEPLOYMENTS, "web", propagation="Orphan")
        await cluster.create(DEPLOYMENTS, workload(replicas=2))
        assert [one["metadata"]["uid"] for one in cluster.all(PODS)] == pods
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_what_stays_true_keeps_the_time_at_which_it_became_so() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(replicas=4), after_s=10)
        before = cluster.get(DEPLOYMENTS, "web")["status"]["conditions"]
        await cluster.change(DEPLOYMENTS, "web", {"metadata": {"labels": {"some": "label"}}})
        await cluster.change(DEPLOYMENTS, "web", {"spec": {"replicas": 5}})
        after = cluster.get(DEPLOYMENTS, "web")["status"]["conditions"]
        assert [one["lastTransitionTime"] for one in after] == [one["lastTransitionTime"] for one in before]
        assert next(one for one in after if one["type"] == "Available") in before


@in_virtual_time
async def test_a_pod_that_somebody_deletes_comes_back() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload())
        (before,) = cluster.all(PODS)
        await cluster.delete(PODS, before["metadata"]["name"])
        (after,) = cluster.all(PODS)
        assert after["metadata"]["name"] != before["metadata"]["name"]
        assert cluster.health(DEPLOYMENTS, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_writes_bear_the_names_of_a_real_clusters_controllers() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload())
        (pod,) = cluster.all(PODS)
        managers = {
            (one["manager"], one.get("subresource", ""))
            for value in (pod, cluster.get(DEPLOYMENTS, "web"))
            for one in value["metadata"]["managedFields"]
        }
        assert managers == {
            ("kubectl", ""),
            ("kube-controller-manager", ""),
            ("kube-controller-manager", "status"),
            ("kubelet", "status"),
        }
