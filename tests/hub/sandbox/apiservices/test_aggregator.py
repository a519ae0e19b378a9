"""Servers behind APIServices are asked by the server in memory as by a real one."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from agent.kit.clock import SystemClock
from agent.kube.api import Object
from agent.kube.client import Client
from hub.sandbox.apiservices.aggregator import aggregating
from hub.sandbox.apiservices.backends import Routes
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.local import LocalTransport
from hub.sandbox.server import Server
from tests.fakes.contract import API_SERVICES
from tests.fakes.remote import (
    CONFIGURATION,
    SERVICES,
    RemoteGroupContract,
    Served,
    api_service,
    extension,
    is_available,
    is_away,
    trusting,
)


@pytest.fixture
def server() -> Server:
    return new_cluster(SystemClock(), {"secret": admin()})


def seen(server: Server) -> Served:
    transport = LocalTransport(server, "secret")
    return Served(api=Client(transport, clock=SystemClock()), transport=transport)


@pytest.fixture
async def served(server: Server) -> AsyncIterator[Served]:
    async with aggregating(server, clock=SystemClock(), routes={}):
        yield seen(server)


class TestSandbox(RemoteGroupContract):
    pass


def service(**spec: object) -> Object:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "near"}, "spec": dict(spec)}


async def test_a_service_leads_where_its_cluster_has_a_way_to(server: Server) -> None:
    async with extension() as behind:
        routes: Routes = {("default", "near", 443): f"127.0.0.1:{behind.port}"}
        async with aggregating(server, clock=SystemClock(), routes=routes):
            served = seen(server)
            await served.api.create(SERVICES, "default", service(ports=[{"port": 443}]), field_manager="test")
            await served.api.create(
                API_SERVICES, "", api_service(443, **trusting(behind)), field_manager="test"
            )
            await served.until(is_available)


@pytest.mark.parametrize(
    ("port", "reason"),
    [(443, "MissingEndpoints"), (8443, "ServicePortError")],
    ids=["no way", "no such port"],
)
async def test_a_service_that_leads_nowhere_is_said(port: int, reason: str, served: Served) -> None:
    await served.api.create(SERVICES, "default", service(ports=[{"port": 443}]), field_manager="test")
    await served.api.create(API_SERVICES, "", api_service(port), field_manager="test")
    assert (await served.until(is_away))["reason"] == reason


async def test_those_behind_find_by_what_certificate_they_are_asked(served: Served) -> None:
    data = msgspec.json.decode((await served.ask(CONFIGURATION)).body)["data"]
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert data["requestheader-client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")
    assert data["requestheader-username-headers"] == '["X-Remote-User"]'


async def test_without_a_way_to_others_a_remote_group_is_unavailable(server: Server) -> None:
    served = seen(server)
    await served.api.create(API_SERVICES, "", api_service(443), field_manager="test")
    reply = await served.ask("/apis/near.test/v1")
    assert (reply.status, reply.body) == (503, b"service unavailable\n")
