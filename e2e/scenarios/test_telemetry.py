"""Real hubs and agents tell what they do: metrics that can be scraped, and one trace per commit for who names a collector."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import AGENT, HUB_POD, SYSTEM, Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp
from e2e.servers.otlp import Collector, Span, collecting
from e2e.servers.repository import Repository

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
spec: {{interval: 10m, prune: true, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""
PARENTS = {"fetch": "", "build": "fetch", "deliver": "build", "apply": "deliver", "report": "apply"}


class Delivery:
    """One source and delivery of two objects, in both clusters."""

    def __init__(self, fleet: Fleet, repository: Repository, id_: str) -> None:
        self.fleet = fleet
        self.id = id_
        self.place = f"{id_}-work"
        self._repository = repository

    def commit(self, text: str) -> str:
        """Commit a text, and wait until it is applied in both clusters."""
        files: dict[str, str | bytes | None] = {
            "namespace.yaml": namespace_manifest(self.place),
            "settings.yaml": config_map("settings", self.place, text=text),
        }
        commit = self._repository.commit(files, text)
        self.fleet.hub("reconcile", "source", "git", self.id)
        self.fleet.until_ready(self.id, revision=commit)
        return commit


@pytest.fixture
def delivery(fleet: Fleet, git_server: GitHttp, namespace: str) -> Iterator[Delivery]:
    repository = git_server.repository(namespace)
    repository.commit({"README.md": "Begin."}, "Begin")
    fleet.apply(RESOURCES.format(id=namespace, url=git_server.url(namespace)))
    yield Delivery(fleet, repository, namespace)
    for kind in ("kustomization", "gitrepository"):
        fleet.management.kubectl("delete", kind, namespace, "-n", "flux-system", "--timeout=60s")


def scrape(plane: Plane, selector: str, port: int) -> dict[str, float]:
    """Return every sample of a Pod's /metrics: `name{label="value"}`, with the labels by name."""
    (pod,) = plane.get("pods", "-n", SYSTEM, "-l", selector)["items"]
    with urlopen(f"http://{pod['status']['podIP']}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_pods_can_be_scraped_and_count_what_happened(delivery: Delivery) -> None:
    fleet, east = delivery.fleet, delivery.fleet.workloads["east"]
    delivery.commit("one")
    before = scrape(east, AGENT, 8081)
    revision = delivery.commit("two")
    east.kubectl("delete", "configmap", "settings", "-n", delivery.place)
    fleet.until(lambda: east.get("configmap", "settings", "-n", delivery.place))

    hub = scrape(fleet.management, HUB_POD, 8080)
    assert hub["cartwheel_agents_connected{}"] == 3
    assert hub['rest_client_requests_total{code="200",method="PATCH",verb="patch"}'] > 0
    (info,) = [
        one
        for one in hub
        if one.startswith("gotk_resource_info{")
        and f'name="{delivery.id}"' in one
        and 'customresource_kind="Kustomization"' in one
    ]
    assert revision in info
    assert 'ready="True"' in info
    resource = f'kind="Kustomization",name="{delivery.id}",namespace="flux-system"'
    assert hub[f"gotk_reconcile_duration_seconds_count{{{resource}}}"] > 1

    corrected = 'cartwheel_drift_total{event="corrected"}'
    fleet.until(lambda: scrape(east, AGENT, 8081)[corrected] > before[corrected])
    after = scrape(east, AGENT, 8081)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert after["cartwheel_hub_connected{}"] == 1
    assert grown('cartwheel_objects_total{action="configured"}') == 1
    assert grown('cartwheel_objects_total{action="created"}') == 1
    assert grown('cartwheel_drift_total{event="detected"}') == 1
    assert grown('rest_client_requests_total{code="200",method="PATCH",verb="apply"}') >= 1
    assert after["process_resident_memory_bytes{}"] > 0


def test_one_commit_is_one_trace_of_real_processes(delivery: Delivery) -> None:
    with collecting() as collector, tracing(delivery.fleet, collector):
        commit = delivery.commit("traced")
        delivery.fleet.until(
            lambda: len([one for one in of(collector, commit) if one.step == "report"]) == 2,
            lambda: str([(one.service, one.step) for one in collector.spans]),
        )
        spans = of(collector, commit)
    assert {(one.service, one.step) for one in spans} == {
        ("cartwheel-hub", "fetch"),
        ("cartwheel-hub", "build"),
        ("cartwheel-hub", "deliver"),
        ("cartwheel-agent", "apply"),
        ("cartwheel-hub", "report"),
    }
    assert len({one.trace for one in spans}) == 1
    by_id = {one.id: one for one in spans}
    for one in spans:
        assert (by_id[one.parent].step if one.parent else "") == PARENTS[one.step]
        assert one.problem == ""
    assert len({one.facts["cluster"] for one in spans if one.step == "apply"}) == 2


def of(collector: Collector, commit: str) -> list[Span]:
    """Return the spans about a commit."""
    return [one for one in collector.spans if commit in one.facts.get("revision", "")]


@contextmanager
def tracing(fleet: Fleet, collector: Collector) -> Iterator[None]:
    """Have hub and agents send their traces there until the block ends."""
    set_everywhere(
        fleet, f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{collector.address}", "OTEL_BSP_SCHEDULE_DELAY=100"
    )
    try:
        yield
    finally:
        set_everywhere(fleet, "OTEL_EXPORTER_OTLP_ENDPOINT-", "OTEL_BSP_SCHEDULE_DELAY-")


def set_everywhere(fleet: Fleet, *variables: str) -> None:
    """Set variables of the hub and of all agents of workload clusters, and wait until they work again."""
    for plane, name in [
        (fleet.management, "cartwheel-hub"),
        *((one, "cartwheel-agent") for one in fleet.workloads.values()),
    ]:
        plane.kubectl("set", "env", f"deployment/{name}", *variables, "-n", SYSTEM)
        plane.kubectl("rollout", "status", f"deployment/{name}", "-n", SYSTEM, "--timeout=60s")
    for name in fleet.workloads:
        fleet.until(lambda name=name: fleet.condition("cluster", name, "Connected")[0] == "True")  # type: ignore[misc]
