"""Cartwheel's own Pods run as real processes: environment, volumes, tokens, probes, restarts, logs and Services."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.planes.plane import Plane
from e2e.planes.ports import NODE_PORTS
from hub.sandbox.ports import free_port

NAME = "app=echo"
# Answers with what it sees; /die ends it, /sick makes it unhealthy.
SERVER = r"""
import http.server, json, os, signal, ssl, sys, urllib.request
from pathlib import Path
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
signal.signal(signal.SIGTERM, lambda *_: (print("asked to end"), sys.exit(0)))
sick = False

def api(path):
    host = os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request("https://" + host + path, headers={"Authorization": "Bearer " + (ACCOUNT / "token").read_text()})
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))) as answer:
            return answer.status
    except urllib.error.HTTPError as problem:
        return problem.code

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global sick
        if self.path == "/die":
            os._exit(3)
        sick = sick or self.path == "/sick"
        code = 503 if sick and self.path == "/live" else 200
        body = b""
        if self.path == "/see":
            try:
                Path("/written").write_text("x")
                can_write = True
            except OSError:
                can_write = False
            body = json.dumps({
                "env": dict(os.environ),
                "secret": Path("/etc/echo/password").read_text(),
                "config": Path("/etc/settings/color").read_text(),
                "scratch": sorted(p.name for p in Path("/scratch").iterdir()),
                "namespace": (ACCOUNT / "namespace").read_text(),
                "own": api("/api/v1/namespaces/" + os.environ["NS"] + "/secrets/echo"),
                "others": api("/api/v1/namespaces/kube-system/secrets"),
                "pid": os.getpid(), "can_write": can_write,
            }).encode()
            Path("/scratch/seen").touch()
        self.send_response(code); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args):
        pass

print("serving as", os.environ["NAME"])
http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
"""


def field(path: str) -> dict[str, Any]:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def deployment(namespace: str, **changes: Any) -> dict[str, Any]:
    labels = {"app": "echo", "app.kubernetes.io/part-of": "cartwheel"}
    container = {
        "name": "echo",
        "image": "echo:latest",
        "command": ["python", "-c", SERVER],
        "env": [
            {"name": "NAME", **field("metadata.name")},
            {"name": "NS", **field("metadata.namespace")},
            {"name": "POD_IP", **field("status.podIP")},
            {"name": "PLAIN", "value": "plain"},
            {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "echo", "key": "color"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "echo", "key": "password"}}},
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1},
        "livenessProbe": {
            "httpGet": {"path": "/live", "port": "http"},
            "periodSeconds": 1,
            "failureThreshold": 2,
        },
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "secret", "mountPath": "/etc/echo", "readOnly": True},
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
    } | changes
    volumes = [
        {"name": "secret", "secret": {"secretName": "echo"}},
        {"name": "settings", "configMap": {"name": "echo"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "echo", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "echo"}},
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": "echo", "containers": [container], "volumes": volumes},
            },
        },
    }


def service(namespace: str, kind: str, port: int, node_port: int = 0) -> dict[str, Any]:
    ports: dict[str, Any] = {"port": port, "targetPort": "http"}
    if node_port:
        ports["nodePort"] = node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "echo", "namespace": namespace},
        "spec": {"type": kind, "selector": {"app": "echo"}, "ports": [ports]},
    }


class Echo:
    """The server's Deployment in a namespace of its own."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self.plane, self.namespace = plane, namespace
        plane.kubectl("create", "namespace", namespace)
        plane.restrict("echo", namespace)
        data = ("--from-literal=password=s3cret", "--from-literal=color=blue")
        plane.kubectl("create", "secret", "generic", "echo", *data[:1], "-n", namespace)
        plane.kubectl("create", "configmap", "echo", *data[1:], "-n", namespace)

    def apply(self, *values: dict[str, Any]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(values)})
        self.plane.kubectl("apply", "-f", "-", input=text)

    def wait_available(self) -> None:
        self.plane.kubectl(
            "wait", "deployment/echo", "-n", self.namespace, "--for=condition=Available", "--timeout=60s"
        )

    @property
    def pod(self) -> dict[str, Any]:
        found: dict[str, Any] = self.plane.get("pods", "-n", self.namespace, "-l", NAME)["items"][0]
        return found

    @property
    def restarts(self) -> int:
        return int(self.pod["status"]["containerStatuses"][0]["restartCount"])

    @property
    def is_ready(self) -> bool:
        statuses = self.pod["status"].get("containerStatuses") or [{"ready": False}]
        return bool(statuses[0]["ready"])

    @property
    def logs(self) -> str:
        return self.plane.pods.logs(self.namespace, "echo-")


def ask(url: str, timeout_s: float = 3.0) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        content: bytes = answer.read()
        return content


def eventually(is_so: Callable[[], bool], within_s: float = 15.0) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.1)


@pytest.fixture
def echo(east: Plane, namespace: str) -> Iterator[Echo]:
    found = Echo(east, namespace)
    yield found
    print(found.logs)  # pytest shows it with a failure
    east.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def url(echo: Echo) -> str:
    port = free_port(NODE_PORTS)
    echo.apply(deployment(echo.namespace), service(echo.namespace, "NodePort", 80, port))
    echo.wait_available()
    found = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(found))
    return found


def answers(url: str) -> bool:
    try:
        ask(url)
    except OSError:
        return False
    return True


def test_a_pod_sees_its_environment_its_volumes_and_its_token(echo: Echo, url: str) -> None:
    seen = json.loads(ask(f"{url}/see"))

    assert seen["env"] | {"PLAIN": "plain", "COLOR": "blue", "PASSWORD": "s3cret"} == seen["env"]
    assert seen["env"]["NAME"] == echo.pod["metadata"]["name"]
    assert seen["env"]["POD_IP"] == echo.pod["status"]["podIP"]
    assert (seen["secret"], seen["config"], seen["namespace"]) == ("s3cret", "blue", echo.namespace)
    assert (seen["own"], seen["others"]) == (200, 403)
    assert seen["pid"] == 1
    assert not seen["can_write"]
    assert not Path("/etc/echo").exists()


def test_a_container_that_ends_is_started_again_and_keeps_its_scratch_volume(echo: Echo, url: str) -> None:
    assert json.loads(ask(f"{url}/see"))["scratch"] == []

    with pytest.raises((OSError, urllib.error.URLError)):
        ask(f"{url}/die")

    eventually(lambda: echo.restarts == 1 and echo.is_ready)
    assert echo.pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
    eventually(lambda: answers(url))
    assert json.loads(ask(f"{url}/see"))["scratch"] == ["seen"]
    assert echo.logs.count("serving as echo-") == 2


def test_kill_nine_restarts_a_pod(echo: Echo, url: str) -> None:
    echo.plane.pods.kill9(echo.namespace, NAME)

    eventually(lambda: echo.restarts == 1 and echo.is_ready)
    assert echo.pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    assert "asked to end" not in echo.logs


def test_a_failing_liveness_probe_restarts_a_pod_gently(echo: Echo, url: str) -> None:
    ask(f"{url}/sick")

    eventually(lambda: echo.restarts == 1 and echo.is_ready)
    assert "asked to end" in echo.logs


def test_a_frozen_pod_becomes_unready_and_goes_on_when_thawed(echo: Echo) -> None:
    echo.apply(deployment(echo.namespace, livenessProbe=None))
    echo.wait_available()

    echo.plane.pods.freeze(echo.namespace, NAME)
    eventually(lambda: not echo.is_ready)
    echo.plane.pods.thaw(echo.namespace, NAME)

    eventually(lambda: echo.is_ready)
    assert echo.restarts == 0


def test_a_deleted_pod_is_asked_to_end_and_leaves(echo: Echo, url: str) -> None:
    name = echo.pod["metadata"]["name"]
    echo.plane.kubectl("scale", "deployment/echo", "-n", echo.namespace, "--replicas=0")

    eventually(lambda: echo.plane.get("pod", name, "-n", echo.namespace) is None)
    assert "asked to end" in echo.logs
    assert not answers(url)


def test_a_missing_secret_is_told_and_waited_for(echo: Echo) -> None:
    echo.plane.kubectl("delete", "secret", "echo", "-n", echo.namespace)
    echo.apply(deployment(echo.namespace))

    def waiting() -> str:
        statuses = echo.plane.get("pods", "-n", echo.namespace, "-l", NAME)["items"] or [{}]
        states = statuses[0].get("status", {}).get("containerStatuses") or [{}]
        return str(states[0].get("state", {}).get("waiting", {}).get("message", ""))

    eventually(lambda: "secrets echo not found" in waiting())
    echo.plane.kubectl(
        "create", "secret", "generic", "echo", "--from-literal=password=late", "-n", echo.namespace
    )
    echo.wait_available()


def test_an_exec_probe_runs_inside_the_container(echo: Echo) -> None:
    probe = {"exec": {"command": ["test", "-e", "/etc/settings/color"]}, "periodSeconds": 1}
    echo.apply(deployment(echo.namespace, readinessProbe=probe))
    echo.wait_available()

    probe = {"exec": {"command": ["test", "-e", "/etc/settings/colour"]}, "periodSeconds": 1}
    echo.apply(deployment(echo.namespace, readinessProbe=probe))
    eventually(lambda: "serving" in echo.logs.split("asked to end")[-1])
    time.sleep(1)
    assert not echo.is_ready


def test_a_load_balancer_has_an_address_that_leads_to_the_pod(echo: Echo) -> None:
    port = free_port()
    echo.apply(deployment(echo.namespace), service(echo.namespace, "LoadBalancer", port))
    echo.wait_available()

    eventually(lambda: answers(f"http://127.0.0.1:{port}"))
    status = echo.plane.get("service", "echo", "-n", echo.namespace)["status"]
    assert status["loadBalancer"]["ingress"][0]["ip"] == "127.0.0.1"


def test_a_partition_holds_bytes_back_and_closes_nothing(echo: Echo, url: str) -> None:
    echo.plane.pods.partition()
    try:
        with pytest.raises(TimeoutError):
            ask(url, timeout_s=1.0)
    finally:
        echo.plane.pods.heal()

    assert answers(url)


def test_a_pod_outlives_its_api_server(echo: Echo, url: str) -> None:
    echo.plane.kill_apiserver()
    try:
        time.sleep(1)
        assert answers(url)
    finally:
        echo.plane.restart_apiserver()

    assert echo.restarts == 0


def test_a_pod_that_never_restarts_succeeds_or_fails(echo: Echo) -> None:
    def pod(name: str, code: int) -> dict[str, Any]:
        script = f"import sys; print('at the end of', sys.argv[1]); sys.exit({code})"
        run = {
            "name": "run",
            "image": "x",
            "command": ["python", "-c", script],
            "args": [name],
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        labels = {"app.kubernetes.io/part-of": "cartwheel"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": echo.namespace, "labels": labels},
            "spec": {"serviceAccountName": "echo", "restartPolicy": "Never", "containers": [run]},
        }

    echo.apply(pod("good", 0), pod("bad", 4))

    for name, phase in (("good", "Succeeded"), ("bad", "Failed")):
        eventually(
            lambda name=name, phase=phase: (  # type: ignore[misc]
                echo.plane.get("pod", name, "-n", echo.namespace)["status"]["phase"] == phase
            )
        )
    ended = [
        echo.plane.get("pod", name, "-n", echo.namespace)["status"]["containerStatuses"][0]["state"]
        for name in ("good", "bad")
    ]
    assert [(one["terminated"]["exitCode"], one["terminated"].get("message")) for one in ended] == [
        (0, None),
        (4, "at the end of bad"),
    ]
