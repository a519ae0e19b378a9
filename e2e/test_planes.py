"""The planes are real: controllers, workloads' outcomes, rights, the audit log, faults, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.planes.memory import memory_folder
from e2e.planes.plane import KubectlFailed, Plane
from e2e.tools import CHECKOUT


def eventually(is_so: Callable[[], bool], within_s: float = 15.0) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.1)


@pytest.fixture
def shop(east: Plane, namespace: str) -> Iterator[str]:
    """A namespace on the plane east."""
    east.kubectl("create", "namespace", namespace)
    yield namespace
    east.kubectl("delete", "namespace", namespace, "--wait=false")


def waiting_reason(plane: Plane, namespace: str, app: str) -> str:
    for pod in plane.get("pods", "-n", namespace, "-l", f"app={app}")["items"]:
        for status in pod["status"].get("containerStatuses") or ():
            return str(status["state"].get("waiting", {}).get("reason", ""))
    return ""


def test_a_deployment_becomes_available(east: Plane, shop: str) -> None:
    east.kubectl("create", "deployment", "web", "--image=web:1", "--replicas=2", "-n", shop)

    east.kubectl("wait", "deployment/web", "-n", shop, "--for=condition=Available", "--timeout=10s")

    assert east.get("deployment", "web", "-n", shop)["status"]["readyReplicas"] == 2


@pytest.mark.parametrize(
    ("image", "reason"), [("web:bad", "ImagePullBackOff"), ("web:crash", "CrashLoopBackOff")]
)
def test_images_that_never_start(east: Plane, shop: str, image: str, reason: str) -> None:
    east.kubectl("create", "deployment", "web", f"--image={image}", "-n", shop)

    eventually(lambda: waiting_reason(east, shop, "web") == reason)

    assert "availableReplicas" not in east.get("deployment", "web", "-n", shop)["status"]


def test_a_slow_image_is_ready_after_a_while(east: Plane, shop: str) -> None:
    east.kubectl("create", "deployment", "web", "--image=web:slow", "-n", shop)
    began = time.monotonic()

    east.kubectl("wait", "deployment/web", "-n", shop, "--for=condition=Available", "--timeout=15s")

    assert time.monotonic() - began > 3


def test_an_image_that_becomes_good_heals_its_deployment(east: Plane, shop: str) -> None:
    east.kubectl("create", "deployment", "web", "--image=web:bad", "-n", shop)
    eventually(lambda: waiting_reason(east, shop, "web") == "ImagePullBackOff")

    east.kubectl("set", "image", "deployment/web", "web=web:2", "-n", shop)

    east.kubectl("rollout", "status", "deployment/web", "-n", shop, "--timeout=15s")


def test_jobs_complete_fail_and_hang(east: Plane, shop: str) -> None:
    for name, image in (("done", "job:1"), ("failed", "job:fail"), ("hanging", "job:hang")):
        east.kubectl("create", "job", name, f"--image={image}", "-n", shop)

    east.kubectl("wait", "job/done", "-n", shop, "--for=condition=Complete", "--timeout=10s")
    eventually(lambda: east.get("job", "failed", "-n", shop)["status"].get("failed", 0) >= 1)
    status = east.get("job", "hanging", "-n", shop)["status"]

    assert (status["active"], status.get("succeeded", 0), status.get("failed", 0)) == (1, 0, 0)


def test_stateful_and_daemon_sets_become_ready(east: Plane, shop: str) -> None:
    template = "{metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: 'db:1'}]}}"
    east.kubectl(
        "apply",
        "-n",
        shop,
        "-f",
        "-",
        input=f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec: {{replicas: 2, serviceName: db, selector: {{matchLabels: {{app: db}}}}, template: {template}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: each}}
spec: {{selector: {{matchLabels: {{app: db}}}}, template: {template}}}
""",
    )

    for each in ("statefulset/db", "daemonset/each"):
        east.kubectl("rollout", "status", each, "-n", shop, "--timeout=15s")


def test_a_namespace_and_what_is_in_it_leave_quickly(east: Plane, namespace: str) -> None:
    east.kubectl("create", "namespace", namespace)
    east.kubectl("create", "deployment", "web", "--image=web:1", "-n", namespace)

    east.kubectl("delete", "namespace", namespace, "--timeout=15s")

    assert east.get("namespace", namespace) is None


def test_a_restricted_user_is_refused_outside_its_namespace(east: Plane, shop: str) -> None:
    east.restrict("reader", shop)

    east.kubectl("get", "secrets", "-n", shop, user="reader")
    with pytest.raises(KubectlFailed, match="forbidden"):
        east.kubectl("get", "secrets", "-n", "kube-system", user="reader")


def test_the_admin_has_its_rights_by_a_binding_alone(east: Plane) -> None:
    groups = east.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}")

    assert "system:masters" not in groups


def test_the_audit_log_tells_writes_from_dry_runs(east: Plane, shop: str) -> None:
    since = datetime.now(UTC) - timedelta(milliseconds=50)
    east.kubectl("create", "configmap", "one", "-n", shop)
    east.kubectl("create", "configmap", "two", "-n", shop, "--dry-run=server")
    east.kubectl("get", "configmap", "one", "-n", shop)
    with pytest.raises(KubectlFailed, match="already exists"):
        east.kubectl("create", "configmap", "one", "-n", shop)

    entries = [one for one in east.audit(since) if one.namespace == shop and one.user == "admin"]

    assert [(one.verb, one.resource, one.name, one.dry_run, one.code) for one in entries] == [
        ("create", "configmaps", "one", False, 201),
        ("create", "configmaps", "two", True, 201),
        ("create", "configmaps", "one", False, 409),
    ]


def test_planes_are_apart(east: Plane, west: Plane, shop: str) -> None:
    assert west.get("namespace", shop) is None
    assert (
        east.get("namespace", "kube-system")["metadata"]["uid"]
        != (west.get("namespace", "kube-system")["metadata"]["uid"])
    )


def test_an_api_server_that_is_killed_comes_back_with_its_data(west: Plane, east: Plane, shop: str) -> None:
    east.kubectl("create", "configmap", "kept", "-n", shop)

    east.kill_apiserver()
    try:
        with pytest.raises(KubectlFailed, match="refused"):
            east.kubectl("get", "namespaces")
        west.kubectl("get", "namespaces")
    finally:
        east.restart_apiserver()

    assert east.get("configmap", "kept", "-n", shop) is not None
    east.kubectl("create", "deployment", "web", "--image=web:1", "-n", shop)
    east.kubectl("wait", "deployment/web", "-n", shop, "--for=condition=Available", "--timeout=30s")


def test_a_part_that_a_short_lived_thread_started_again_lives_on(west: Plane) -> None:
    west.kill_apiserver()
    thread = threading.Thread(target=west.restart_apiserver)
    thread.start()
    thread.join()

    time.sleep(0.5)
    west.kubectl("get", "namespaces")


def test_a_frozen_api_server_hangs_until_it_is_thawed(east: Plane) -> None:
    east.freeze()
    try:
        with pytest.raises(KubectlFailed, match=r"(?i)timeout|deadline"):
            east.kubectl("get", "namespaces", "--request-timeout=1s")
    finally:
        east.thaw()

    east.kubectl("get", "namespaces")


def test_the_folder_of_a_killed_run_is_swept_by_the_next(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, own = tmp_path / f"cartwheel-{ended.pid}-x", tmp_path / f"cartwheel-{os.getpid()}-x"
    left.mkdir()
    own.mkdir()

    with memory_folder(tmp_path) as folder:
        assert folder.is_dir()

    assert [one.name for one in tmp_path.iterdir()] == [own.name]


_HARNESS = """
import sys, time
from pathlib import Path
from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
plane = Plane("lone", Path(sys.argv[1]))
plane.start()
command = '["sh", "-c", "sleep 600 & exec sleep 601"]'
plane.kubectl("create", "-f", "-", input='''
apiVersion: v1
kind: Pod
metadata: {name: sleeper, namespace: default, labels: {app.kubernetes.io/part-of: cartwheel}}
spec: {containers: [{name: sleeper, image: x, command: %s}]}
''' % command)
plane.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=60s")
print("up", flush=True)
time.sleep(600)
"""


def processes_of(folder: Path) -> list[str]:
    """Return the command lines that name the folder, and of all that runs in containers below it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                mounts = (entry / "mountinfo").read_text()
            except OSError:
                continue
            if str(folder) in command or (str(folder) in mounts and int(entry.name) != os.getpid()):
                found.append(command)
    return found


def test_nothing_is_left_when_the_harness_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "planes"
    harness = subprocess.Popen(
        [sys.executable, "-c", _HARNESS, str(folder)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "up\n"
        commands = " ".join(processes_of(folder))
        assert "kube-apiserver" in commands
        assert "sleep 600" in commands
        assert "sleep 601" in commands
    finally:
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        if harness.stdout is not None:
            harness.stdout.close()

    eventually(lambda: processes_of(folder) == [], within_s=5.0)
