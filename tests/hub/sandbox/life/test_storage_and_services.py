"""Services reach their Pods, claims are bound, namespaces have what every namespace has."""

from typing import Any

import pytest

from agent.kube.api import Object
from agent.model.health import HealthStatus
from hub.sandbox.life.kinds import (
    ACCOUNTS,
    CLAIMS,
    CLASSES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    PODS,
    SERVICES,
    SLICES,
    VOLUMES,
)
from tests.fakes.clock import in_virtual_time
from tests.hub.sandbox.life.living import LABELS, image_patch, living, template, workload


def service(**spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"metadata": {"name": "web"}, "spec": {"selector": LABELS, "ports": ports, **spec}}


def claim(**spec: Any) -> Object:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": "data"}, "spec": {**wanted, **spec}}


@in_virtual_time
async def test_a_service_leads_to_the_pods_that_serve() -> None:
    async with living() as cluster:
        await cluster.create(SERVICES, service())
        await cluster.create(DEPLOYMENTS, workload(replicas=2))
        (subset,) = cluster.get(ENDPOINTS, "web")["subsets"]
        (found,) = cluster.all(SLICES)
        addresses = {one["status"]["podIP"] for one in cluster.all(PODS)}
        assert {one["ip"] for one in subset["addresses"]} == addresses
        assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        assert {one["addresses"][0] for one in found["endpoints"]} == addresses
        assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"


@in_virtual_time
async def test_a_pod_that_crashes_is_no_ready_address() -> None:
    async with living() as cluster:
        await cluster.create(SERVICES, service())
        await cluster.create(DEPLOYMENTS, workload("web:crash"))
        (subset,) = cluster.get(ENDPOINTS, "web")["subsets"]
        (found,) = cluster.all(SLICES)
        assert ("addresses" in subset, len(subset["notReadyAddresses"])) == (False, 1)
        assert found["endpoints"][0]["conditions"]["ready"] is False
        await cluster.change(DEPLOYMENTS, "web", image_patch("web:2"))
        (subset,) = cluster.get(ENDPOINTS, "web")["subsets"]
        assert (len(subset["addresses"]), "notReadyAddresses" in subset) == (1, False)


@in_virtual_time
async def test_a_pod_that_has_ended_is_no_address() -> None:
    async with living() as cluster:
        await cluster.create(SERVICES, service())
        spec = template(policy="Never")["spec"]
        await cluster.create(PODS, {"metadata": {"name": "one", "labels": LABELS}, "spec": spec})
        assert len(cluster.get(ENDPOINTS, "web")["subsets"]) == 1
        await cluster.settle(5)
        assert "subsets" not in cluster.get(ENDPOINTS, "web")


@in_virtual_time
async def test_what_leads_to_a_service_goes_with_it_and_comes_back_without() -> None:
    async with living() as cluster:
        await cluster.create(SERVICES, service())
        await cluster.delete(ENDPOINTS, "web")
        await cluster.delete(SLICES, cluster.all(SLICES)[0]["metadata"]["name"])
        assert (len(cluster.all(ENDPOINTS)), len(cluster.all(SLICES))) == (1, 1)
        await cluster.delete(SERVICES, "web", propagation="Background")
        assert cluster.all(ENDPOINTS) == cluster.all(SLICES) == []


@in_virtual_time
async def test_a_balancer_gets_an_address_from_outside() -> None:
    async with living() as cluster:
        await cluster.create(SERVICES, service(type="LoadBalancer"))
        await cluster.create(SERVICES, {**service(type="LoadBalancer"), "metadata": {"name": "other"}})
        given = [one["status"]["loadBalancer"]["ingress"][0]["ip"] for one in cluster.all(SERVICES)]
        assert len(set(given)) == 2
        assert cluster.health(SERVICES, "web").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_service_that_is_a_balancer_no_more_gives_its_address_back() -> None:
    async with living() as cluster:
        await cluster.create(SERVICES, service(type="LoadBalancer"))
        await cluster.change(SERVICES, "web", {"spec": {"type": "ClusterIP"}})
        assert cluster.get(SERVICES, "web")["status"] == {"loadBalancer": {}}


@in_virtual_time
async def test_a_claim_is_bound_to_a_volume_of_the_default_class() -> None:
    async with living() as cluster:
        await cluster.create(CLAIMS, claim())
        found, (volume,) = cluster.get(CLAIMS, "data"), cluster.all(VOLUMES)
        assert cluster.health(CLAIMS, "data").status is HealthStatus.CURRENT
        assert found["spec"]["volumeName"] == volume["metadata"]["name"]
        assert found["spec"]["storageClassName"] == volume["spec"]["storageClassName"] == "standard"
        assert found["status"]["capacity"] == {"storage": "1Gi"}
        assert (volume["status"]["phase"], volume["spec"]["claimRef"]["name"]) == ("Bound", "data")


@in_virtual_time
async def test_a_claim_of_a_class_that_is_not_there_waits_for_it() -> None:
    async with living() as cluster:
        await cluster.create(CLAIMS, claim(storageClassName="fast"))
        health = cluster.health(CLAIMS, "data")
        assert (health.status, health.reason) == (HealthStatus.IN_PROGRESS, "NotBound")
        assert "ProvisioningFailed" in cluster.reasons()
        await cluster.create(CLASSES, {"metadata": {"name": "fast"}, "provisioner": "example.org/disks"})
        assert cluster.health(CLAIMS, "data").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_claim_may_wait_until_a_pod_uses_it() -> None:
    async with living() as cluster:
        late = {"provisioner": "example.org/disks", "volumeBindingMode": "WaitForFirstConsumer"}
        await cluster.create(CLASSES, {"metadata": {"name": "late"}, **late})
        await cluster.create(CLAIMS, claim(storageClassName="late"))
        assert cluster.health(CLAIMS, "data").status is HealthStatus.IN_PROGRESS
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
        await cluster.create(PODS, {"metadata": {"name": "one"}, "spec": template(volumes=[volume])["spec"]})
        assert cluster.health(CLAIMS, "data").status is HealthStatus.CURRENT
        assert cluster.health(PODS, "one").status is HealthStatus.CURRENT


@in_virtual_time
async def test_a_claim_takes_a_volume_that_is_there() -> None:
    async with living() as cluster:
        spec = {
            "capacity": {"storage": "5Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"},
        }
        await cluster.create(VOLUMES, {"metadata": {"name": "mine"}, "spec": spec})
        assert cluster.get(VOLUMES, "mine")["status"]["phase"] == "Available"
        await cluster.create(CLAIMS, claim(storageClassName=""))
        assert cluster.get(CLAIMS, "data")["spec"]["volumeName"] == "mine"
        assert cluster.get(CLAIMS, "data")["status"]["capacity"] == {"storage": "5Gi"}
        await cluster.delete(CLAIMS, "data")
        assert cluster.get(VOLUMES, "mine")["status"]["phase"] == "Released"


@in_virtual_time
async def test_a_claim_goes_when_no_pod_uses_it_and_its_volume_with_it() -> None:
    async with living() as cluster:
        await cluster.create(CLAIMS, claim())
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
        await cluster.create(PODS, {"metadata": {"name": "one"}, "spec": template(volumes=[volume])["spec"]})
        await cluster.delete(CLAIMS, "data", after_s=100)
        assert cluster.health(CLAIMS, "data").status is HealthStatus.TERMINATING
        await cluster.delete(PODS, "one")
        assert cluster.all(CLAIMS) == cluster.all(VOLUMES) == []


@in_virtual_time
async def test_every_namespace_has_an_account_and_the_authority() -> None:
    async with living() as cluster:
        await cluster.create(NAMESPACES, {"metadata": {"name": "shop"}})
        accounts = {one["metadata"]["namespace"] for one in cluster.all(ACCOUNTS)}
        assert {"default", "kube-system", "shop"} <= accounts
        await cluster.delete(ACCOUNTS, "default")
        await cluster.delete(CONFIG_MAPS, "kube-root-ca.crt")
        assert cluster.get(ACCOUNTS, "default") is not None
        assert cluster.get(CONFIG_MAPS, "kube-root-ca.crt") is not None


@in_virtual_time
async def test_a_namespace_goes_with_all_that_lives_in_it() -> None:
    async with living() as cluster:
        await cluster.create(NAMESPACES, {"metadata": {"name": "shop"}})
        metadata = {"name": "web", "namespace": "shop"}
        await cluster.create(DEPLOYMENTS, {**workload(replicas=2), "metadata": metadata})
        await cluster.create(SERVICES, {**service(), "metadata": metadata})
        await cluster.create(CLAIMS, {**claim(), "metadata": {"name": "data", "namespace": "shop"}})
        await cluster.delete(NAMESPACES, "shop")
        assert "shop" not in {one["metadata"]["name"] for one in cluster.all(NAMESPACES)}
        assert cluster.all(PODS) == cluster.all(ENDPOINTS) == cluster.all(CLAIMS) == []


@in_virtual_time
async def test_a_finalizer_that_nobody_takes_holds_a_namespace() -> None:
    async with living() as cluster:
        await cluster.create(NAMESPACES, {"metadata": {"name": "shop"}})
        metadata = {"name": "stuck", "namespace": "shop", "finalizers": ["example.org/stuck"]}
        await cluster.create(CONFIG_MAPS, {"metadata": metadata})
        await cluster.delete(NAMESPACES, "shop", after_s=1000)
        assert cluster.get(NAMESPACES, "shop")["status"]["phase"] == "Terminating"


@in_virtual_time
async def test_events_are_forgotten_after_an_hour() -> None:
    async with living() as cluster:
        await cluster.create(DEPLOYMENTS, workload(), after_s=3500)
        assert cluster.all(EVENTS) != []
        await cluster.settle(120)
        assert cluster.all(EVENTS) == []


@pytest.mark.parametrize("kind", ["ExternalName", "no selector"])
def test_a_service_that_leads_to_no_pods_has_no_endpoints(kind: str) -> None:
    @in_virtual_time
    async def run() -> None:
        async with living() as cluster:
            if kind == "ExternalName":
                spec: Object = {"type": kind, "externalName": "example.org"}
            else:
                spec = {"ports": [{"port": 80}]}
            await cluster.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})
            assert cluster.all(ENDPOINTS) == []

    run()
