"""What runs by Pods is failed by Pods that have failed, where kstatus's readers look at them, and waited for otherwise."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.kube.resources import PODS
from agent.model.content import Manifest
from agent.model.report import Report, Stage
from tests.agent.rig import Rig, pods, workload
from tests.agent.wishes import SPEC
from tests.fakes.clock import in_virtual_time

AWAITED = replace(SPEC, wait=True, timeout_s=60.0)
LOOPING = {
    "phase": "Running",
    "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
}
PULLING = {
    "phase": "Pending",
    "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
}
HOMELESS = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
}


def of_pods(kind: str) -> Manifest:
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x", "y"]}],
    }
    number: dict[str, Any] = {} if kind == "DaemonSet" else {"replicas": 1}
    return workload(kind, selector=selector, template=pods(), **number)


def put_pod(rig: Rig, name: str, status: dict[str, Any], *, leaves: bool = False, **labels: str) -> None:
    metadata = {"name": name, "labels": {"app": "web"} | labels}
    if leaves:
        metadata |= {"finalizers": ["x/y"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pods()["spec"]}
    made = rig.cluster.create(PODS, "apps", pod, manager="controller")
    made["status"] = status
    rig.cluster.replace(PODS, "apps", made, manager="kubelet", subresource="status")
    if leaves:
        rig.cluster.delete(PODS, "apps", name)


async def verdict(rig: Rig, one: Manifest) -> Report:
    """Return what is said of a delivery of this object after 20 s, when its controller has made a Pod that is not ready."""
    async with rig.running():
        await rig.assign([one], spec=AWAITED)
        await asyncio.sleep(1)
        is_daemon = one.ref.kind == "DaemonSet"
        rig.put_status(one.ref, **{"desiredNumberScheduled" if is_daemon else "replicas": 1})
        await asyncio.sleep(20)
        return rig.report()


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet"])
def test_a_pod_that_crashes_again_and_again_fails_what_it_belongs_to_at_once(kind: str) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        put_pod(rig, "one", LOOPING)
        report = await verdict(rig, of_pods(kind))
        assert (report.stage, report.reason, report.healthy) == (Stage.FAILED, "HealthCheckFailed", False)
        named = f"failed early due to stalled resources: [{kind}/apps/web status: 'Failed']"
        assert report.message.endswith(named)
        assert [(one.reason, one.message) for one in report.exceptions] == [("Failed", "1 pods have failed")]

    run()


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_a_pod_that_crashes_does_not_fail_a_kind_that_has_a_deadline_or_none(kind: str) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        put_pod(rig, "one", LOOPING)
        assert (await verdict(rig, of_pods(kind))).stage is Stage.CHECKING

    run()


@pytest.mark.parametrize(
    "pod",
    [
        {"status": PULLING},
        {"status": HOMELESS},
        {"status": LOOPING, "leaves": True},
        {"status": LOOPING, "tier": "x"},
        {"status": LOOPING, "app": "other"},
    ],
    ids=["image-not-pulled", "not-scheduled", "being-deleted", "not-selected", "of-another"],
)
def test_other_pods_are_waited_for(pod: dict[str, Any]) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        put_pod(rig, "one", **pod)
        assert (await verdict(rig, of_pods("StatefulSet"))).stage is Stage.CHECKING

    run()


@in_virtual_time
async def test_what_is_not_ready_in_time_is_named() -> None:
    rig = Rig()
    put_pod(rig, "one", PULLING)
    async with rig.running():
        await rig.assign([of_pods("StatefulSet")], spec=AWAITED)
        await asyncio.sleep(65)
        assert rig.report().message == (
            "health check failed after 1m0s: timeout waiting for: [StatefulSet/apps/web status: 'InProgress']"
        )


@in_virtual_time
async def test_pods_that_cannot_be_read_leave_it_unknown_and_say_why() -> None:
    rig = Rig()
    rig.network.cuts = lambda call: (call.verb, call.resource) == ("list", "pods")
    async with rig.running():
        await rig.assign([of_pods("StatefulSet")], spec=AWAITED)
        await asyncio.sleep(65)
        assert rig.report().message == (
            "health check failed after 1m0s: timeout waiting for: "
            "[StatefulSet/apps/web status: 'Unknown': GET /api/v1/namespaces/apps/pods: the connection broke]"
        )
