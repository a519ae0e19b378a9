"""Pods are bound and evicted as a real server does it, certificates approved, and namespaces let go."""

import json
from typing import Any

import pytest

from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.server import Server
from hub.sandbox.wire import Answer, Caller, Request
from tests.fakes.clock import FakeClock

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kube-apiserver-client"


@pytest.fixture
async def server() -> Server:
    server = new_cluster(FakeClock(), {"secret": admin(), "guest": Caller(name="guest")})
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec}
    account = {"metadata": {"name": "default"}}
    send(server, "POST", "/api/v1/namespaces/default/serviceaccounts", account)
    assert send(server, "POST", PODS, pod).status == 201
    return server


def send(server: Server, method: str, path: str, body: Any = None, token: str = "secret") -> Answer:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    data = json.dumps(body).encode() if body is not None else b""
    return server.answer(Request(method=method, path=path, headers=headers, body=data))


def bind(server: Server, node: str = "n1") -> Answer:
    target = {"kind": "Node", "name": node}
    return send(server, "POST", f"{PODS}/web/binding", {"metadata": {"name": "web"}, "target": target})


def evict(server: Server, name: str = "web", **options: Any) -> Answer:
    body = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
    return send(server, "POST", f"{PODS}/web/eviction", body | {"deleteOptions": options})


def run(server: Server) -> None:
    bind(server)
    pod = send(server, "GET", f"{PODS}/web").value
    ready = {"type": "Ready", "status": "True"}
    running = {**pod, "status": {"phase": "Running", "conditions": [ready]}}
    assert send(server, "PUT", f"{PODS}/web/status", running).status == 200


def guard(server: Server, *, name: str = "web", **status: int) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    made = send(server, "POST", BUDGETS, {"metadata": {"name": name}, "spec": spec}).value
    full = {
        "expectedPods": 1,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "disruptionsAllowed": 0,
        "observedGeneration": 1,
    }
    assert send(server, "PUT", f"{BUDGETS}/{name}/status", {**made, "status": full | status}).status == 200


async def test_a_pod_is_bound_to_a_node_once(server: Server) -> None:
    answer = bind(server)
    assert (answer.status, answer.value["status"]) == (201, "Success")
    pod = send(server, "GET", f"{PODS}/web").value
    assert pod["spec"]["nodeName"] == "n1"
    assert [(one["type"], one["status"]) for one in pod["status"]["conditions"]] == [("PodScheduled", "True")]
    again = bind(server, "n2")
    assert (again.status, again.value["message"]) == (
        409,
        'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "n1"',
    )


async def test_a_binding_names_the_pod_and_a_node(server: Server) -> None:
    other = {"metadata": {"name": "other"}, "target": {"kind": "Node", "name": "n1"}}
    assert send(server, "POST", f"{PODS}/web/binding", other).status == 400
    assert bind(server, "").status == 500
    assert "nodeName" not in send(server, "GET", f"{PODS}/web").value["spec"]


async def test_a_pod_that_no_budget_guards_is_evicted(server: Server) -> None:
    run(server)
    assert evict(server, dryRun=["All"]).status == 201
    assert "deletionTimestamp" not in send(server, "GET", f"{PODS}/web").value["metadata"]
    assert evict(server).status == 201
    pod = send(server, "GET", f"{PODS}/web").value
    assert pod["metadata"]["deletionTimestamp"]
    assert "DisruptionTarget" in {one["type"] for one in pod["status"]["conditions"]}


async def test_an_eviction_takes_one_disruption_from_the_budget(server: Server) -> None:
    run(server)
    guard(server, disruptionsAllowed=1, currentHealthy=2)
    assert evict(server).status == 201
    status = send(server, "GET", f"{BUDGETS}/web").value["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["web"])


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, "The disruption budget web needs 1 healthy pods and has 1 currently"),
        ({"currentHealthy": 2}, "The disruption budget web does not allow evicting pods currently"),
        ({"observedGeneration": 0}, "The disruption budget web is still being processed by the server."),
    ],
)
async def test_a_budget_that_allows_none_keeps_the_pod(
    server: Server, status: dict[str, int], why: str
) -> None:
    run(server)
    guard(server, name="web", **status)
    answer = evict(server)
    assert (answer.status, answer.value["details"]["causes"]) == (
        429,
        [{"reason": "DisruptionBudget", "message": why}],
    )
    assert "deletionTimestamp" not in send(server, "GET", f"{PODS}/web").value["metadata"]


async def test_two_budgets_for_one_pod_are_an_error_but_none_matters_to_a_pod_that_does_not_run(
    server: Server,
) -> None:
    guard(server)
    guard(server, name="second")
    run(server)
    assert evict(server).status == 500
    assert evict(server, "other").status == 400
    pod = send(server, "GET", f"{PODS}/web").value
    ended = {**pod, "status": {**pod["status"], "phase": "Succeeded"}}
    assert send(server, "PUT", f"{PODS}/web/status", ended).status == 200
    assert evict(server).status == 201
    assert send(server, "GET", f"{PODS}/web").status == 404


async def test_only_who_may_approve_for_a_signer_approves(server: Server) -> None:
    spec = {"request": "eA==", "signerName": SIGNER, "usages": ["client auth"]}
    made = send(server, "POST", REQUESTS, {"metadata": {"name": "r"}, "spec": {**spec, "username": "liar"}})
    assert made.value["spec"]["username"] == "admin"
    role = {
        "metadata": {"name": "half"},
        "rules": [
            {
                "apiGroups": ["certificates.k8s.io"],
                "resources": ["certificatesigningrequests/approval"],
                "verbs": ["update"],
            }
        ],
    }
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    send(server, "POST", f"{rbac}/clusterroles", role)
    binding = {
        "metadata": {"name": "half"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "half"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "guest"}],
    }
    send(server, "POST", f"{rbac}/clusterrolebindings", binding)
    condition = {"type": "Approved", "status": "True", "reason": "Test"}
    wanted = {**made.value, "status": {"conditions": [condition]}}
    refused = send(server, "PUT", f"{REQUESTS}/r/approval", wanted, "guest")
    assert refused.status == 403
    assert "user not permitted to approve" in refused.value["message"]
    answer = send(server, "PUT", f"{REQUESTS}/r/approval", wanted)
    assert answer.value["status"]["conditions"][0]["type"] == "Approved"


async def test_a_namespace_is_let_go_by_its_finalizers(server: Server) -> None:
    path = "/api/v1/namespaces/extra"
    place = {"metadata": {"name": "extra", "finalizers": ["example.com/hold"]}}
    made = send(server, "POST", "/api/v1/namespaces", place).value
    emptied = {**made, "spec": {"finalizers": []}}
    answer = send(server, "PUT", f"{path}/finalize", emptied)
    assert (answer.status, answer.value["spec"]) == (200, {})
    assert send(server, "GET", path).value["spec"] == {}
