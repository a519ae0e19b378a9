"""The README's quick start, step by step as it is written there; what stands for something else is named here.

`make`, `docker` and `kind` do nothing: this checkout is set up, planes need no images, and they are there already under kind's names. `kubectl`
is the planes' own. The repository is served from the data beside this file instead of from GitHub.
"""

import fcntl
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e import tools
from e2e.planes.contexts import write_kubeconfig, write_kubectl, write_program
from e2e.planes.plane import AuditEntry, Plane
from e2e.scenarios.fleet import config_map, deployment, namespace_manifest
from e2e.servers.git_http import GitHttp

pytestmark = pytest.mark.slow
DATA = Path(__file__).parent / "data"
NAMES = ("mgmt", "eu-1", "us-1")
UPSTREAM = "https://github.com/stefanprodan/podinfo"
MADE_BY_KIND = re.compile(r"kind create cluster --name (\S+)")
KINDS = "namespaces,configmaps,serviceaccounts,services,deployments"
OURS = "kustomize.toolkit.fluxcd.io/name"


def quick_start() -> Mapping[int, str]:
    """Return the commands of each numbered step of the README's quick start."""
    section = (tools.CHECKOUT / "README.md").read_text().split("## Quick start", 1)[1].split("\n## ", 1)[0]
    code = "\n".join(line for line in section.splitlines() if line.startswith("    ") or not line)
    parts = re.split(r"^# (\d+)\..*$", textwrap.dedent(code), flags=re.MULTILINE)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a person types: the steps, the planes under kind's names, and a folder with the programs that stand for others."""

    steps: Mapping[int, str]
    planes: Mapping[str, Plane]
    folder: Path
    url: str

    def run(self, text: str, *, check: bool = True) -> str:
        """Run commands as a shell does, ending at the first that fails; return what they print."""
        env = {
            "PATH": f"{self.folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.folder / "config"),
        }
        command = ["bash", "-euo", "pipefail", "-c", text.replace(UPSTREAM, self.url)]
        done = subprocess.run(
            command, env=env, cwd=tools.CHECKOUT, capture_output=True, text=True, check=False, timeout=300
        )
        assert not check or done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def follow(self, *numbers: int) -> str:
        """Follow steps of the README; return what they print."""
        return "".join(self.run(self.steps[number]) for number in numbers)

    def get(self, cluster: str, *arguments: str) -> Any:
        return self.planes[cluster].get(*arguments)

    def greeting(self, cluster: str) -> str:
        """Return what podinfo says in a cluster."""
        container = self.get(cluster, "deployment", "podinfo")["spec"]["template"]["spec"]["containers"][0]
        return str({one["name"]: one["value"] for one in container["env"]}.get("GREETING"))


@pytest.fixture(scope="module")
def desk(memory: Path, git_server: GitHttp) -> Iterator[Desk]:
    """Three planes that nothing was done to yet."""
    folder = memory / "quick-start"
    folder.mkdir()
    planes = {name: Plane(name, folder) for name in NAMES}
    lock = (tools.cache_folder() / "quick-start.lock").open("w")
    # The hub's usual node port is one for the whole machine.
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        for plane in planes.values():
            plane.begin()
        for plane in planes.values():
            plane.finish()
        _write_programs(folder)
        write_kubeconfig(folder / "config", {f"kind-{name}": plane for name, plane in planes.items()})
        git_server.repository("podinfo", branch="master").commit(_tree(DATA / "podinfo"), "Begin")
        yield Desk(steps=quick_start(), planes=planes, folder=folder, url=git_server.url("podinfo"))
    finally:
        for plane in planes.values():
            plane.stop()
        lock.close()


def _write_programs(folder: Path) -> None:
    for name in ("make", "docker", "kind"):
        write_program(folder / name, f'echo {name} "$@"')
    write_kubectl(folder)


def _tree(folder: Path) -> dict[str, str | bytes | None]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def until(holds: Callable[[], Any], tell: Callable[[], object], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, tell()
        time.sleep(0.2)


def test_the_quick_start_leads_where_it_says(desk: Desk) -> None:
    assert sorted(desk.steps) == [1, 2, 3, 4, 5, 6, 7]
    assert set(MADE_BY_KIND.findall(desk.follow(1, 2))) == set(NAMES)

    said = desk.follow(3)
    for name in ("eu-1", "us-1"):
        assert f"Cluster flux-system/{name} is connected" in said
    assert desk.get("mgmt", "cluster", "management", "-n", "flux-system") is not None

    assert UPSTREAM in desk.steps[4]
    desk.follow(4)
    said = desk.follow(5)
    assert "2/2 ready" in said
    assert "Clusters: 3 of 3 connected" in said
    assert desk.greeting("eu-1") == "Guten Tag from eu-1"
    assert desk.greeting("us-1") == "Hello from us-1"

    desk.follow(6)
    until(lambda: desk.greeting("eu-1") == "Guten Tag from eu-1", lambda: desk.greeting("eu-1"), 5.0)
    events = desk.steps[6].strip().splitlines()[-1]
    until(lambda: "DriftCorrected" in desk.run(events), lambda: desk.run(events), 10.0)

    assert set(re.findall(r"\S+", desk.follow(7))) >= {"delete", "clusters", *NAMES}


TWENTY = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: twenty, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
"""
PART = """\
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: twenty-{name}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: everywhere}}}}
spec:
  interval: 10m
  prune: true
  wait: true
  path: ./{name}
  sourceRef: {{kind: GitRepository, name: twenty}}
  dependsOn: {depends_on}
  postBuild: {{substitute: {{GREETING: Hello}}}}
"""


def _twenty() -> dict[str, str | bytes | None]:
    """Return twenty objects in three folders; the greeting differs per cluster."""
    files: dict[str, str | bytes | None] = {"base/namespace.yaml": namespace_manifest("twenty")}
    for number in range(5):
        files[f"base/base-{number}.yaml"] = config_map(f"base-{number}", "twenty", text="base")
    for number in range(8):
        text = {"greeting": "${GREETING}", "cluster": "${CLUSTER_NAME}"}
        files[f"config/config-{number}.yaml"] = config_map(f"config-{number}", "twenty", **text)
    for number in range(6):
        files[f"apps/app-{number}.yaml"] = deployment(f"app-{number}", "twenty")
    return files


def _first_and_last(writes: list[AuditEntry], resource: str, prefix: str) -> tuple[Any, Any]:
    times = [one.time for one in writes if one.resource == resource and one.name.startswith(prefix)]
    return min(times), max(times)


def test_twenty_objects_in_three_kustomizations_arrive_in_order_with_values_of_each_cluster(
    desk: Desk, git_server: GitHttp
) -> None:
    files = _twenty()
    assert len(files) == 20
    git_server.repository("twenty").commit(files, "Begin")
    parts = {"apps": "[{name: twenty-config}]", "config": "[{name: twenty-base}]", "base": "[]"}
    source = TWENTY.format(url=git_server.url("twenty"))
    text = source + "".join(PART.format(name=name, depends_on=needed) for name, needed in parts.items())
    desk.planes["mgmt"].kubectl("apply", "-f", "-", input=text)

    def is_ready() -> bool:
        listing = desk.get("mgmt", "kustomizations", "-n", "flux-system")["items"]
        conditions = {one["metadata"]["name"]: one.get("status", {}).get("conditions", []) for one in listing}
        ready = {
            name
            for name, found in conditions.items()
            if any(one["type"] == "Ready" and one["status"] == "True" for one in found)
        }
        return {f"twenty-{name}" for name in parts} <= ready

    until(is_ready, lambda: desk.run("hub status"))
    for cluster, greeting in (("eu-1", "Guten Tag"), ("us-1", "Hello")):
        listing = desk.get(cluster, KINDS, "-A", "-l", OURS)["items"]
        mine = [one for one in listing if one["metadata"]["labels"][OURS].startswith("twenty-")]
        assert len(mine) == 20
        for number in range(8):
            found = desk.get(cluster, "configmap", f"config-{number}", "-n", "twenty")
            assert found["data"] == {"greeting": greeting, "cluster": cluster}
        writes = [
            one
            for one in desk.planes[cluster].audit()
            if one.namespace == "twenty" and not one.dry_run and one.user.endswith(":cartwheel-agent")
        ]
        base_end = _first_and_last(writes, "configmaps", "base-")[1]
        config_begin, config_end = _first_and_last(writes, "configmaps", "config-")
        assert base_end < config_begin
        assert config_end < _first_and_last(writes, "deployments", "app-")[0]
