"""The main job with the waiting times of production: what a user sees of them is as fast as it is said to be."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import HUB_POD, SYSTEM, Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: prod, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: prod}}}}
spec: {{interval: 10m, prune: true, wait: true, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""
NAME, PLACE = "defaults", "defaults-work"
DRIFT_S = 2.0
UNKNOWN_S = 60.0
SLACK_S = 5.0
"""What a status takes to be written and read on a machine that is busy."""


@pytest.fixture
def fleet(memory: Path) -> Iterator[Fleet]:
    """A fleet of its own, installed without any setting."""
    folder = memory / "defaults"
    folder.mkdir()
    planes = {name: Plane(name, folder) for name in ("management", "east", "west")}
    try:
        for plane in planes.values():
            plane.begin()
        for plane in planes.values():
            plane.finish()
        found = Fleet(planes["management"], settings=(), east=planes["east"], west=planes["west"])
        found.install()
        yield found
    finally:
        for plane in planes.values():
            plane.stop()


def _took_s(fleet: Fleet, holds: Callable[[], Any], timeout_s: float) -> float:
    began = time.monotonic()
    fleet.until(holds, lambda: str(fleet.ready(NAME)), timeout_s=timeout_s)
    return time.monotonic() - began


@pytest.mark.slow
def test_the_main_job_with_the_waiting_times_of_production(fleet: Fleet, git_server: GitHttp) -> None:
    east, west = fleet.workloads["east"], fleet.workloads["west"]
    repository = git_server.repository(NAME)

    def commit(text: str) -> str:
        return repository.commit({"settings.yaml": config_map("settings", PLACE, text=text)}, "Change")

    def texts() -> list[str]:
        found = [plane.get("configmap", "settings", "-n", PLACE) for plane in (east, west)]
        return [one["data"]["text"] if one else "" for one in found]

    repository.commit({"namespace.yaml": namespace_manifest(PLACE)}, "Begin")
    first = commit("one")
    fleet.apply(RESOURCES.format(id=NAME, url=git_server.url(NAME)))
    fleet.until_ready(NAME, revision=first)
    assert texts() == ["one", "one"]

    second = commit("two")
    fleet.hub("reconcile", "kustomization", NAME, "--with-source")
    assert texts() == ["two", "two"]
    fleet.until_ready(NAME, revision=second)

    east.kubectl("patch", "configmap", "settings", "-n", PLACE, "--type=merge", "-p", '{"data":{"text":"x"}}')
    assert _took_s(fleet, lambda: texts()[0] == "two", DRIFT_S + SLACK_S) < DRIFT_S + 1.0
    west.kubectl("delete", "configmap", "settings", "-n", PLACE)
    assert _took_s(fleet, lambda: texts()[1] == "two", DRIFT_S + SLACK_S) < DRIFT_S + 1.0

    # The source is looked at each minute; nobody asks for it.
    third = commit("three")
    fleet.management.pods.kill9(SYSTEM, HUB_POD)
    fleet.until(lambda: texts() == ["three", "three"], timeout_s=180.0)
    fleet.until_ready(NAME, revision=third)

    fleet.management.pods.partition()
    try:
        gone_s = _took_s(fleet, lambda: fleet.ready(NAME)[0] == "Unknown", UNKNOWN_S + 2 * SLACK_S)
        assert gone_s < UNKNOWN_S + SLACK_S
        assert fleet.condition("cluster", "east", "Connected")[0] == "False"
        # Guarded all the same.
        east.kubectl("delete", "configmap", "settings", "-n", PLACE)
        fleet.until(lambda: texts()[0] == "three", timeout_s=DRIFT_S + SLACK_S)
    finally:
        fleet.management.pods.heal()
    fleet.until(lambda: fleet.ready(NAME)[0] == "True", lambda: str(fleet.ready(NAME)), timeout_s=120.0)
    fleet.until(lambda: "3 of 3 connected" in fleet.hub("status"), timeout_s=60.0)
