"""An ordinary kubectl is at home on the servers in memory: what it says on a real cluster, it says here.

No plane runs: the real binary talks to a server of this process.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.kit.clock import SystemClock
from agent.kit.tasks import Tasks
from e2e import tools
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.http import served
from hub.sandbox.life.life import Life
from hub.sandbox.tls import Loopback, loopback

APP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1", ports: [{containerPort: 80}]}]
"""
CHANGED = APP.replace("replicas: 2", "replicas: 3")
WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, description: How large.}}}
          status: {type: object, properties: {size: {type: integer}}}
"""
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: one}
spec: {size: 3}
"""


class Failed(Exception):
    """What kubectl said when it ended with another code than expected."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The real command against one server."""

    kubeconfig: Path
    home: Path

    async def __call__(self, *arguments: str, stdin: str = "", code: int = 0, editor: str = "") -> str:
        """Run a command; return what it printed, errors after the rest. Raises Failed."""
        process = await self._start(*arguments, editor=editor)
        async with asyncio.timeout(60):
            out, errors = await process.communicate(stdin.encode())
        said = out.decode() + errors.decode()
        if process.returncode != code:
            raise Failed(f"kubectl {' '.join(arguments)} ended with {process.returncode}: {said}")
        return said

    @asynccontextmanager
    async def follow(self, *arguments: str) -> AsyncIterator[AsyncIterator[str]]:
        """Run a command that goes on; yield what yields its lines."""
        process = await self._start(*arguments)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(60):
                yield (line.decode() async for line in process.stdout)
        finally:
            process.kill()
            await process.communicate()

    async def _start(self, *arguments: str, editor: str = "") -> asyncio.subprocess.Process:
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), "KUBE_EDITOR": editor}
        return await asyncio.create_subprocess_exec(
            tools.path("controlplane"),
            "kubectl",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | own,
        )


@pytest.fixture(scope="module")
def certificate() -> Loopback:
    return loopback(SystemClock().now())


@pytest.fixture
async def kubectl(certificate: Loopback, tmp_path: Path) -> AsyncIterator[Kubectl]:
    clock = SystemClock()
    server = new_cluster(clock, {"secret": admin()})
    async with Tasks() as tasks, served(server, certificate.context) as address:
        tasks.start(Life(server, clock, authority=certificate.ca).run(), name="life")
        (tmp_path / "ca.pem").write_text(certificate.ca)
        config = {
            "clusters": [
                {
                    "name": "box",
                    "cluster": {"server": address, "certificate-authority": str(tmp_path / "ca.pem")},
                }
            ],
            "users": [{"name": "admin", "user": {"token": "secret"}}],
            "contexts": [{"name": "box", "context": {"cluster": "box", "user": "admin"}}],
            "current-context": "box",
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        yield Kubectl(tmp_path / "kubeconfig", tmp_path)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


async def test_apply_says_what_it_does_and_diff_what_it_would_do(kubectl: Kubectl) -> None:
    assert await kubectl("apply", "-f", "-", stdin=APP) == (
        "configmap/settings created\ndeployment.apps/web created\n"
    )
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert await kubectl("diff", "-f", "-", stdin=APP) == ""
    assert await kubectl("apply", "-f", "-", stdin=APP) == (
        "configmap/settings unchanged\ndeployment.apps/web unchanged\n"
    )
    difference = await kubectl("diff", "-f", "-", stdin=CHANGED, code=1)
    assert "-  replicas: 2\n+  replicas: 3\n" in difference
    assert "deployment.apps/web configured" in await kubectl("apply", "-f", "-", stdin=CHANGED)


async def test_a_field_that_nobody_knows_is_refused(kubectl: Kubectl) -> None:
    said = await kubectl("apply", "-f", "-", stdin=APP.replace("replicas:", "replicaz:"), code=1)
    assert 'strict decoding error: unknown field "spec.replicaz"' in said


async def test_a_kind_that_is_not_there_is_missed(kubectl: Kubectl) -> None:
    said = await kubectl("create", "-f", "-", stdin=WIDGET, code=1)
    assert 'no matches for kind "Widget" in version "example.com/v1"' in said


async def test_a_server_side_apply_tells_whom_it_is_in_conflict_with(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", "--server-side", "--field-manager=first", stdin=APP)
    arguments = ("apply", "-f", "-", "--server-side", "--field-manager=second")
    said = await kubectl(*arguments, stdin=CHANGED, code=1)
    assert 'Apply failed with 1 conflict: conflict with "first": .spec.replicas' in said
    said = await kubectl(*arguments, "--force-conflicts", stdin=CHANGED)
    assert "deployment.apps/web serverside-applied" in said


async def test_get_prints_what_there_is_in_every_form(kubectl: Kubectl) -> None:
    assert "No resources found in default namespace." in await kubectl("get", "pods")
    await kubectl("apply", "-f", "-", stdin=APP)
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    plain, wide = (
        rows(await kubectl("get", "deployments")),
        rows(await kubectl("get", "deploy", "-o", "wide")),
    )
    assert plain[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert plain[1][:4] == ["web", "2/2", "2", "2"]
    assert wide[0][5:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1][5:] == ["web", "nginx:1", "app=web"]
    pods = rows(await kubectl("get", "pods", "-A", "-l", "app=web", "--field-selector=status.phase=Running"))
    assert [row[2:4] for row in pods[1:]] == [["1/1", "Running"]] * 2
    labels = rows(await kubectl("get", "deploy/web", "-L", "app", "--show-labels", "--no-headers"))
    assert labels[0][5:] == ["web", "app=web"]
    assert await kubectl("get", "deploy/web", "-o", "jsonpath={.spec.replicas}") == "2"
    columns = await kubectl("get", "cm/settings", "-o", "custom-columns=C:.data.color")
    assert columns == "C\nblue\n"
    assert json.loads(await kubectl("get", "deploy", "-o", "json"))["kind"] == "List"
    assert "kind: Deployment" in await kubectl("get", "deploy/web", "-o", "yaml")
    assert "service" not in await kubectl("get", "all")
    assert rows(await kubectl("get", "nodes", "-o", "wide"))[1][1] == "Ready"


async def test_a_watch_prints_its_headers_once_and_then_what_changes(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "first", "--from-literal=a=b")
    async with kubectl.follow("get", "configmaps", "--watch") as lines:
        names = [(await anext(lines)).split()[0] for _ in range(2)]
        # The one beside it came with the namespace.
        while "first" not in names:
            names.append((await anext(lines)).split()[0])
        await kubectl("create", "configmap", "second")
        while "second" not in names:
            names.append((await anext(lines)).split()[0])
    assert names[0] == "NAME"
    assert names.count("NAME") == 1


async def test_what_is_there_is_changed_in_all_ways(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=APP)
    await kubectl("label", "deploy/web", "tier=front")
    await kubectl("annotate", "deploy/web", "note=seen")
    await kubectl("patch", "deploy/web", "-p", '{"spec":{"minReadySeconds":1}}')
    await kubectl("patch", "deploy/web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    jump = '[{"op":"replace","path":"/spec/revisionHistoryLimit","value":3}]'
    await kubectl("patch", "deploy/web", "--type=json", "-p", jump)
    await kubectl("set", "image", "deploy/web", "web=nginx:2")
    await kubectl("edit", "deploy/web", editor="sed -i s/IfNotPresent/Never/")
    found = json.loads(await kubectl("get", "deploy/web", "-o", "json"))
    assert found["metadata"]["labels"]["tier"] == "front"
    assert found["metadata"]["annotations"]["note"] == "seen"
    spec = found["spec"]
    assert (spec["minReadySeconds"], spec["paused"], spec["revisionHistoryLimit"]) == (1, True, 3)
    container = spec["template"]["spec"]["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("nginx:2", "Never")


async def test_scale_goes_through_the_scale_of_built_in_and_custom_kinds(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=APP)
    assert "deployment.apps/web scaled" in await kubectl("scale", "deploy/web", "--replicas=4")
    said = await kubectl("scale", "deploy/web", "--replicas=1", "--current-replicas=9", code=1)
    assert "Expected replicas to be 9, was 4" in said
    assert rows(await kubectl("get", "deploy/web", "--subresource=scale"))[1][:2] == ["web", "4"]
    await kubectl("apply", "-f", "-", stdin=WIDGETS)
    await kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s")
    await kubectl("apply", "-f", "-", stdin=WIDGET)
    await kubectl("scale", "widget/one", "--replicas=7")
    assert rows(await kubectl("get", "wd")) == [["NAME", "SIZE"], ["one", "7"]]
    assert "widget.example.com/one configured" in await kubectl("apply", "-f", "-", stdin=WIDGET)


async def test_rollouts_are_told_waited_for_and_undone(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=APP)
    await kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=20s")
    await kubectl("rollout", "restart", "deploy/web")
    said = await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    assert 'deployment "web" successfully rolled out' in said
    assert len(rows(await kubectl("rollout", "history", "deploy/web"))) >= 4
    assert "rolled back" in await kubectl("rollout", "undo", "deploy/web")
    said = await kubectl("wait", "deploy/web", "--for=jsonpath={.spec.replicas}=9", "--timeout=1s", code=1)
    assert "timed out" in said


@pytest.mark.parametrize(
    ("cascade", "left"), [("background", False), ("foreground", False), ("orphan", True)]
)
async def test_what_belonged_to_a_deleted_object_goes_or_stays(
    kubectl: Kubectl, cascade: str, left: bool
) -> None:
    await kubectl("apply", "-f", "-", stdin=APP)
    await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    await kubectl("delete", "deploy/web", f"--cascade={cascade}", "--wait", "--timeout=20s")
    found = await kubectl("get", "replicasets", "-o", "name")
    assert bool(found.strip()) is left
    assert 'deployments.apps "web" not found' in await kubectl("get", "deploy/web", code=1)


async def test_describe_tells_the_whole_story(kubectl: Kubectl) -> None:
    await kubectl("create", "namespace", "shop")
    await kubectl("apply", "-n", "shop", "-f", "-", stdin=APP)
    await kubectl("rollout", "status", "-n", "shop", "deploy/web", "--timeout=20s")
    assert "ScalingReplicaSet" in await kubectl("describe", "-n", "shop", "deploy/web")
    assert "Controlled By:  ReplicaSet/web-" in await kubectl("describe", "-n", "shop", "pod")
    assert "blue" in await kubectl("describe", "-n", "shop", "configmap/settings")
    assert "Status:       Active" in await kubectl("describe", "namespace/shop")
    assert "Ready            True" in await kubectl("describe", "node")
    assert "ScalingReplicaSet" in await kubectl("events", "-n", "shop")
    assert 'namespace "shop" deleted' in await kubectl("delete", "namespace", "shop", "--timeout=20s")


CREATED = {
    "deployment.apps/d": "deployment d --image=nginx --replicas=0",
    "job.batch/j": "job j --image=busybox",
    "cronjob.batch/c": "cronjob c --image=busybox --schedule=@daily",
    "secret/s": "secret generic s --from-literal=a=b",
    "service/s": "service clusterip s --tcp=80:8080",
    "ingress.networking.k8s.io/i": "ingress i --rule=a.example/*=web:80",
    "poddisruptionbudget.policy/p": "pdb p --selector=a=b --min-available=1",
    "role.rbac.authorization.k8s.io/r": "role r --verb=get --resource=pods",
    "rolebinding.rbac.authorization.k8s.io/b": "rolebinding b --role=r --serviceaccount=default:x",
}


async def test_what_create_makes_is_what_get_finds(kubectl: Kubectl) -> None:
    for name, arguments in CREATED.items():
        assert await kubectl("create", *arguments.split()) == f"{name} created\n"
    assert (await kubectl("get", *CREATED, "-o", "name")).split() == list(CREATED)


async def test_questions_about_access_are_answered(kubectl: Kubectl) -> None:
    assert (await kubectl("auth", "can-i", "create", "pods")).strip() == "yes"
    assert (await kubectl("auth", "can-i", "create", "pods", "--as=bob", code=1)).strip() == "no"
    assert "Username    admin" in await kubectl("auth", "whoami")
    await kubectl("create", "serviceaccount", "robot")
    token = (await kubectl("create", "token", "robot")).strip()
    said = await kubectl("--token", token, "auth", "whoami")
    assert "system:serviceaccount:default:robot" in said
    assert "cannot list resource" in await kubectl("--token", token, "get", "pods", code=1)


async def test_a_node_is_emptied(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=APP)
    await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    node = (await kubectl("get", "node", "-o", "name")).strip()
    assert "evicting pod default/web-" in await kubectl("drain", node, "--timeout=20s")
    assert rows(await kubectl("get", node))[1][1] == "Ready,SchedulingDisabled"
    assert {row[2] for row in rows(await kubectl("get", "pods"))[1:]} == {"Pending"}
    await kubectl("uncordon", node)
    await kubectl("rollout", "status", "deploy/web", "--timeout=20s")


async def test_the_server_explains_what_it_serves(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=WIDGETS)
    await kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s")
    assert "FIELD: strategy <DeploymentStrategy>" in await kubectl("explain", "deployment.spec.strategy")
    assert "How large." in await kubectl("explain", "widget.spec.size")
    resources = rows(await kubectl("api-resources", "--no-headers"))
    assert ["widgets", "wd", "example.com/v1", "true", "Widget"] in resources
    assert {"v1", "apps/v1", "example.com/v1"} <= set((await kubectl("api-versions")).split())
    assert "Server Version: v1.36.3" in await kubectl("version")
    assert "is running at" in await kubectl("cluster-info")


async def test_what_is_not_there_is_refused_plainly(kubectl: Kubectl) -> None:
    await kubectl("run", "one", "--image=nginx")
    await kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=20s")
    assert "pods/log does not exist in the sandbox" in await kubectl("logs", "one", code=1)
    assert "pods/exec does not exist in the sandbox" in await kubectl("exec", "one", "--", "ls", code=1)
    assert "Metrics API not available" in await kubectl("top", "pods", code=1)
