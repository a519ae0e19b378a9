"""Rows of built-in kinds say what `kubectl get` prints of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.kube.api import Resource
from hub.sandbox.tables import custom_printer, printer_of
from hub.sandbox.tables.printers import columns, names

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Object = dict[str, Any]


def ago(**length: int) -> str:
    return (NOW - timedelta(**length)).strftime("%Y-%m-%dT%H:%M:%SZ")


def cells(name: str, value: Object) -> list[Any]:
    group, plural = name.split("/")
    metadata = {"name": "one", "creationTimestamp": ago(minutes=5), **value.get("metadata", {})}
    kind = Resource(group=group, version="v1", plural=plural, kind="", namespaced=True)
    return printer_of(kind).cells({**value, "metadata": metadata}, NOW)


def pod(*statuses: Object, phase: str = "Running", wanted: int = 1, **more: Any) -> Object:
    containers = [{"name": f"c{index}", "image": "i"} for index in range(wanted)]
    status = {"phase": phase, "containerStatuses": list(statuses), **more.pop("status", {})}
    return {"spec": {"containers": containers, **more.pop("spec", {})}, "status": status, **more}


RUNNING = {"ready": True, "restartCount": 0, "state": {"running": {}}}
CRASHED = {
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 1, "finishedAt": ago(seconds=30)}},
}
DONE = {"restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
FAILED = {"restartCount": 0, "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}
SIGNALLED = {"restartCount": 0, "state": {"terminated": {"signal": 9, "exitCode": 137}}}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
INIT = {"initContainers": [{"name": "a"}, {"name": "b"}]}
HELPER = {"initContainers": [{"name": "a", "restartPolicy": "Always"}]}


def starting(*statuses: Object) -> Object:
    named = [{"restartCount": 0, **one, "name": name} for name, one in zip("ab", statuses, strict=False)]
    return pod(phase="Pending", spec=INIT, status={"initContainerStatuses": named})


@pytest.mark.parametrize(
    ("value", "ready", "state", "restarts"),
    [
        (pod(phase="Pending"), "0/1", "Pending", "0"),
        (pod(RUNNING), "1/1", "Running", "0"),
        (pod(RUNNING, CRASHED, wanted=2), "1/2", "CrashLoopBackOff", "3 (30s ago)"),
        (pod(DONE, phase="Succeeded"), "0/1", "Completed", "0"),
        (pod(DONE, RUNNING, wanted=2, status=READY), "1/2", "Running", "0"),
        (pod(DONE, RUNNING, wanted=2), "1/2", "NotReady", "0"),
        (pod(DONE, FAILED, wanted=2), "0/2", "Error", "0"),
        (pod(SIGNALLED, phase="Failed"), "0/1", "Signal:9", "0"),
        (pod(phase="Failed", status={"reason": "Evicted"}), "0/1", "Evicted", "0"),
        (pod(RUNNING, metadata={"deletionTimestamp": ago(seconds=1)}), "1/1", "Terminating", "0"),
        (
            pod(RUNNING, metadata={"deletionTimestamp": ago(seconds=1)}, status={"reason": "NodeLost"}),
            "1/1",
            "Unknown",
            "0",
        ),
        (
            pod(
                phase="Pending",
                status={"conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            ),
            "0/1",
            "SchedulingGated",
            "0",
        ),
        (starting({"state": {"running": {}}}), "0/1", "Init:0/2", "0"),
        (starting(DONE, {"state": {"waiting": {"reason": "PodInitializing"}}}), "0/1", "Init:1/2", "0"),
        (starting(DONE, CRASHED), "0/1", "Init:CrashLoopBackOff", "3 (30s ago)"),
        (starting(FAILED), "0/1", "Init:Error", "0"),
        (starting(FAILED, CRASHED), "0/1", "Init:Error", "0"),
        (starting(SIGNALLED), "0/1", "Init:Signal:9", "0"),
        (
            pod(
                RUNNING,
                spec=HELPER,
                status={"initContainerStatuses": [{**RUNNING, "name": "a", "started": True}]},
            ),
            "2/2",
            "Running",
            "0",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pod_says_what_it_waits_for(value: Object, ready: str, state: str, restarts: str) -> None:
    assert cells("/pods", value)[:5] == ["one", ready, state, restarts, "5m"]


def test_a_wide_pod_says_where_it_is() -> None:
    gates = [{"conditionType": "x"}, {"conditionType": "y"}]
    value = pod(
        RUNNING,
        spec={"nodeName": "n1", "readinessGates": gates},
        status={"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "x", "status": "True"}]},
    )
    assert cells("/pods", value)[5:] == ["10.0.0.1", "n1", "<none>", "1/2"]
    assert cells("/pods", pod())[5:] == ["<none>"] * 4


TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}}
TERMS = [{"key": "tier", "operator": "In", "values": ["y", "x"]}, {"key": "gone", "operator": "DoesNotExist"}]
SELECTOR = {"matchLabels": {"app": "web"}, "matchExpressions": TERMS}
SELECTED = "app=web,!gone,tier in (x,y)"
WORKLOAD = {"replicas": 2, "template": TEMPLATE, "selector": SELECTOR}
PODS = ["a,b", "i:1,j:2"]
BIG = {"resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "apps/deployments",
            {"spec": WORKLOAD, "status": {"readyReplicas": 1, "updatedReplicas": 2}},
            ["one", "1/2", 2, 0, "5m", *PODS, SELECTED],
        ),
        ("apps/statefulsets", {"spec": WORKLOAD, "status": {}}, ["one", "0/2", "5m", *PODS]),
        (
            "apps/replicasets",
            {"spec": WORKLOAD, "status": {"replicas": 1}},
            ["one", 2, 1, 0, "5m", *PODS, SELECTED],
        ),
        (
            "apps/daemonsets",
            {"spec": {"template": TEMPLATE}, "status": {"desiredNumberScheduled": 3, "numberReady": 2}},
            ["one", 3, 0, 2, 0, 0, "<none>", "5m", *PODS, "<none>"],
        ),
        (
            "batch/jobs",
            {"spec": {"template": TEMPLATE, "completions": 3}, "status": {"startTime": ago(seconds=70)}},
            ["one", "Running", "0/3", "70s", "5m", *PODS, "<none>"],
        ),
        (
            "batch/jobs",
            {
                "spec": {"parallelism": 2},
                "status": {
                    "succeeded": 1,
                    "startTime": ago(hours=2),
                    "completionTime": ago(hours=1),
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            ["one", "Complete", "1/1 of 2", "60m", "5m", "", "", "<none>"],
        ),
        (
            "batch/cronjobs",
            {
                "spec": {"schedule": "@daily", "suspend": False},
                "status": {"active": [{}], "lastScheduleTime": ago(hours=3)},
            },
            ["one", "@daily", "<none>", "False", 1, "3h", "5m", "", "", "<none>"],
        ),
        (
            "autoscaling/horizontalpodautoscalers",
            {
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                    "maxReplicas": 5,
                    "metrics": [{"type": "Resource", **BIG}],
                },
                "status": {"currentReplicas": 1},
            },
            ["one", "Deployment/web", "cpu: <unknown>/80%", "<unset>", 5, 1, "5m"],
        ),
        (
            "policy/poddisruptionbudgets",
            {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}},
            ["one", "50%", "N/A", 1, "5m"],
        ),
        (
            "apps/controllerrevisions",
            {
                "metadata": {
                    "ownerReferences": [
                        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": True}
                    ]
                },
                "revision": 4,
            },
            ["one", "daemonset.apps/d", 4, "5m"],
        ),
        (
            "/services",
            {
                "spec": {
                    "type": "NodePort",
                    "clusterIPs": ["10.0.0.9"],
                    "ports": [
                        {"port": 80, "protocol": "TCP", "nodePort": 30080},
                        {"port": 53, "protocol": "UDP"},
                    ],
                    "selector": {"b": "2", "a": "1"},
                }
            },
            ["one", "NodePort", "10.0.0.9", "<none>", "80:30080/TCP,53/UDP", "5m", "a=1,b=2"],
        ),
        (
            "/services",
            {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}},
            ["one", "LoadBalancer", "<none>", "1.2.3.4", "<none>", "5m", "<none>"],
        ),
        (
            "/services",
            {"spec": {"type": "LoadBalancer"}},
            ["one", "LoadBalancer", "<none>", "<pending>", "<none>", "5m", "<none>"],
        ),
        (
            "networking.k8s.io/ingresses",
            {
                "spec": {
                    "ingressClassName": "c",
                    "tls": [{}],
                    "rules": [{"host": h} for h in "abcd"],
                }
            },
            ["one", "c", "a,b,c + 1 more...", "", "80, 443", "5m"],
        ),
        ("networking.k8s.io/ingresses", {"spec": {"rules": [{}]}}, ["one", "<none>", "*", "", "80", "5m"]),
        (
            "/endpoints",
            {
                "subsets": [
                    {"addresses": [{"ip": "1.1.1.1"}, {"ip": "::1"}], "ports": [{"port": 80}, {"port": 81}]}
                ]
            },
            ["one", "1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...", "5m"],
        ),
        (
            "discovery.k8s.io/endpointslices",
            {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": []},
            ["one", "IPv4", "80", "<unset>", "5m"],
        ),
        ("networking.k8s.io/networkpolicies", {"spec": {"podSelector": {}}}, ["one", "<none>", "5m"]),
        (
            "/nodes",
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "x"}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [{"type": "Ready", "status": "False"}],
                    "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}],
                    "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6", "architecture": "arm64"},
                },
            },
            [
                "one",
                "NotReady,SchedulingDisabled",
                "worker,x",
                "5m",
                "v1",
                "10.1.1.1",
                "<none>",
                "<unknown>",
                "6 (arm64)",
                "<unknown>",
            ],
        ),
        ("/nodes", {}, ["one", "Unknown", "<none>", "5m", "", "<none>", "<none>"] + ["<unknown>"] * 3),
        ("/namespaces", {"status": {"phase": "Active"}}, ["one", "Active", "5m"]),
        ("/configmaps", {"data": {"a": "1"}, "binaryData": {"b": ""}}, ["one", 2, "5m"]),
        ("/secrets", {"type": "Opaque", "data": {"a": "", "b": ""}}, ["one", "Opaque", 2, "5m"]),
        (
            "/events",
            {
                "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"},
                "firstTimestamp": ago(minutes=2),
                "lastTimestamp": ago(seconds=10),
                "count": 7,
                "type": "Normal",
                "reason": "Pulled",
                "message": " done\n",
                "source": {"component": "kubelet", "host": "n1"},
            },
            ["10s", "Normal", "Pulled", "pod/p", "spec", "kubelet, n1", "done", "2m", 7, "one"],
        ),
        (
            "/events",
            {"eventTime": ago(seconds=9), "involvedObject": {"kind": "Node"}, "reportingComponent": "x"},
            ["9s", "", "", "node", "", "x", "", "9s", 1, "one"],
        ),
        (
            "/persistentvolumeclaims",
            {
                "spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Block"},
                "status": {
                    "phase": "Bound",
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                },
            },
            ["one", "Bound", "v", "1Gi", "RWO,RWX", "fast", "<unset>", "5m", "Block"],
        ),
        (
            "/persistentvolumes",
            {
                "spec": {"capacity": {"storage": "2Gi"}, "claimRef": {"namespace": "n", "name": "c"}},
                "status": {"phase": "Bound"},
            },
            ["one", "2Gi", "", "", "Bound", "n/c", "", "<unset>", "", "5m", "<unset>"],
        ),
        (
            "storage.k8s.io/storageclasses",
            {
                "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "p",
            },
            ["one (default)", "p", "Delete", "Immediate", False, "5m"],
        ),
        (
            "rbac.authorization.k8s.io/rolebindings",
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [
                    {"kind": "User", "name": "u"},
                    {"kind": "ServiceAccount", "namespace": "n", "name": "s"},
                    {"kind": "User", "name": "v"},
                ],
            },
            ["one", "Role/r", "5m", "u, v", "", "n/s"],
        ),
        (
            "certificates.k8s.io/certificatesigningrequests",
            {
                "spec": {"signerName": "s", "username": "u", "expirationSeconds": 7200},
                "status": {"conditions": [{"type": "Approved"}], "certificate": "x"},
            },
            ["one", "5m", "s", "u", "120m", "Approved,Issued"],
        ),
        ("coordination.k8s.io/leases", {"spec": {"holderIdentity": "h"}}, ["one", "h", "5m"]),
        (
            "scheduling.k8s.io/priorityclasses",
            {"value": 10, "preemptionPolicy": "Never"},
            ["one", 10, False, "5m", "Never"],
        ),
        (
            "apiregistration.k8s.io/apiservices",
            {
                "spec": {"service": {"namespace": "n", "name": "s"}},
                "status": {"conditions": [{"type": "Available", "status": "False", "reason": "Gone"}]},
            },
            ["one", "n/s", "False (Gone)", "5m"],
        ),
        ("rbac.authorization.k8s.io/roles", {}, ["one", ago(minutes=5)]),
        ("apiextensions.k8s.io/customresourcedefinitions", {}, ["one", ago(minutes=5)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_says_what_matters_of_its_kind(name: str, value: Object, expected: list[Any]) -> None:
    assert cells(name, value) == expected


def test_every_kind_with_columns_has_a_cell_for_each_even_of_an_empty_object() -> None:
    assert names() == set(columns())
    for name, found in columns().items():
        # A real server, too, has a cell too many there.
        extra = 1 if name == "networking.k8s.io/ipaddresses" else 0
        assert len(cells(name, {})) == len(found) + extra, name


def test_a_custom_kind_has_the_columns_of_its_definition() -> None:
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1}]
    printer = custom_printer(columns)
    assert [(one["name"], one["priority"]) for one in printer.headers] == [("Name", 0), ("Size", 1)]
    assert printer.cells({"metadata": {"name": "one"}, "spec": {"size": 3}}, NOW) == ["one", 3]


def test_a_pod_at_its_end_is_marked_so() -> None:
    kind = Resource(group="", version="v1", plural="pods", kind="Pod", namespaced=True)
    printer = printer_of(kind)
    (mark,) = printer.conditions({"status": {"phase": "Succeeded"}})
    assert (mark["type"], mark["reason"]) == ("Completed", "Succeeded")
    assert not printer.conditions({"status": {"phase": "Running"}})
