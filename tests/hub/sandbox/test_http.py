"""A server in memory on a port: whoever has a token is answered, and a watch goes on as lines."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from agent.kit.clock import SystemClock
from agent.kube.access import Access
from agent.kube.api import Change
from agent.kube.client import Client
from agent.kube.errors import Expired, NotFound, Unauthorized
from agent.kube.resources import CONFIG_MAPS, NAMESPACES
from agent.kube.transport import HttpTransport
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.http import served
from hub.sandbox.server import Server
from hub.sandbox.tls import Loopback, loopback


@pytest.fixture(scope="module")
def certificate() -> Loopback:
    return loopback(SystemClock().now())


@pytest.fixture
async def server(certificate: Loopback) -> AsyncIterator[tuple[Server, str]]:
    found = new_cluster(SystemClock(), {"secret": admin()})
    async with served(found, certificate.context) as address:
        yield found, address


def client(address: str, certificate: Loopback, token: str = "secret") -> Client:
    trust = ssl.create_default_context(cadata=certificate.ca)
    access = Access(server=address, tls=trust, authorization=lambda: f"Bearer {token}")
    return Client(HttpTransport(access), clock=SystemClock())


async def test_requests_and_refusals_come_through(server: tuple[Server, str], certificate: Loopback) -> None:
    async with client(server[1], certificate) as api:
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}}
        made = await api.create(NAMESPACES, "", place, field_manager="test")
        assert made["status"] == {"phase": "Active"}
        with pytest.raises(NotFound):
            await api.get(CONFIG_MAPS, "apps", "settings")


async def test_who_shows_no_known_token_is_not_answered(
    server: tuple[Server, str], certificate: Loopback
) -> None:
    async with client(server[1], certificate, token="guessed") as api:
        with pytest.raises(Unauthorized):
            await api.get(NAMESPACES, "", "default")


async def test_a_watch_tells_what_happens_and_a_version_that_is_forgotten_has_expired(
    server: tuple[Server, str], certificate: Loopback
) -> None:
    async with client(server[1], certificate) as api:
        old = (await api.list(NAMESPACES)).resource_version
        stream = api.watch(NAMESPACES, resource_version=old)
        coming = asyncio.ensure_future(anext(stream))
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}}
        await api.create(NAMESPACES, "", place, field_manager="test")
        event = await coming
        assert (event.change, event.object["metadata"]["name"]) == (Change.ADDED, "apps")
        await stream.aclose()  # type: ignore[attr-defined]
        server[0].storage.compact()
        with pytest.raises(Expired):
            await anext(api.watch(NAMESPACES, resource_version=old))
