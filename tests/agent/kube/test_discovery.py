"""Kinds are resolved with few questions, and new ones found soon."""

import json

import pytest

from agent.kube.discovery import Discovery
from agent.kube.errors import ApiUnavailable, UnknownKind
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.cluster import Cluster
from tests.fakes.contract import API_SERVICES, NOWHERE, WIDGET_DEFINITION, WIDGETS

METRICS = {
    **NOWHERE,
    "metadata": {"name": "v1beta1.metrics.k8s.io"},
    "spec": {**NOWHERE["spec"], "group": "metrics.k8s.io", "version": "v1beta1"},
}


def define(cluster: Cluster) -> None:
    cluster.create(CUSTOM_RESOURCE_DEFINITIONS, "", WIDGET_DEFINITION, manager="test")


@in_virtual_time
async def test_a_known_kind_is_asked_for_once() -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    discovery = Discovery(cluster.api(), clock=clock)
    for _ in range(3):
        assert await discovery.resolve("apps", "v1", "Deployment") == DEPLOYMENTS
        await clock.sleep(3600)
    assert [call.path for call in cluster.calls] == ["/apis/apps/v1"]


@in_virtual_time
async def test_a_new_kind_is_found_after_a_while_or_at_once_when_told() -> None:
    clock = FakeClock()
    for told in (True, False):
        cluster = Cluster(clock)
        discovery = Discovery(cluster.api(), clock=clock, fresh_s=10)
        with pytest.raises(UnknownKind, match=r'no matches for kind "Widget" in version "contract\.test/v1"'):
            await discovery.resolve("contract.test", "v1", "Widget")
        define(cluster)
        with pytest.raises(UnknownKind):
            await discovery.resolve("contract.test", "v1", "Widget")
        assert len(cluster.calls) == 1
        if told:
            discovery.forget()
        else:
            await clock.sleep(11)
        assert await discovery.resolve("contract.test", "v1", "Widget") == WIDGETS


@in_virtual_time
async def test_a_group_that_is_broken_hinders_no_other() -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    cluster.create(API_SERVICES, "", METRICS)
    discovery = Discovery(cluster.api(), clock=clock)
    with pytest.raises(ApiUnavailable, match=r"metrics\.k8s\.io/v1beta1 does not answer"):
        await discovery.resolve("metrics.k8s.io", "v1beta1", "PodMetrics")
    assert await discovery.resolve("apps", "v1", "Deployment") == DEPLOYMENTS


@in_virtual_time
async def test_the_preferred_version_is_taken_unless_it_lacks_the_kind() -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    definition = json.loads(json.dumps(WIDGET_DEFINITION))
    definition["spec"]["versions"].append(
        definition["spec"]["versions"][0] | {"name": "v1alpha1", "storage": False}
    )
    cluster.create(CUSTOM_RESOURCE_DEFINITIONS, "", definition, manager="test")
    gadget = json.loads(json.dumps(definition).replace("idget", "adget").replace('"v1"', '"v1beta1"'))
    cluster.create(CUSTOM_RESOURCE_DEFINITIONS, "", gadget, manager="test")
    discovery = Discovery(cluster.api(), clock=clock)
    assert (await discovery.preferred("contract.test", "Widget")).version == "v1"
    assert (await discovery.preferred("contract.test", "Wadget")).version == "v1beta1"
    with pytest.raises(UnknownKind):
        await discovery.preferred("absent.test", "Widget")
    assert await discovery.version() == "v1.36.3"


@in_virtual_time
@pytest.mark.parametrize(("group", "version"), [("../api", "v1"), ("..", "v1"), ("apps", "..")])
async def test_a_group_that_would_lead_to_another_path_is_unknown(group: str, version: str) -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    discovery = Discovery(cluster.api(), clock=clock)
    with pytest.raises(UnknownKind):
        await discovery.resolve(group, version, "Secret")
    with pytest.raises(UnknownKind):
        await discovery.preferred(f"../{group}", "Secret")
    assert cluster.calls == []
