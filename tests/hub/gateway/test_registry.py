"""Who is let in by the Clusters as they are stored."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.model.names import ClusterId
from hub.gateway.registry import ClusterRegistry
from hub.gateway.session import Peer, Refusal
from hub.model.kinds import Kind
from hub.store import Store
from tests.hub.memory import START, Hand, MemoryApi, Middle, settle

KEY = "SHA256:1"
PEER = Peer(cluster=ClusterId("id-of-eu-1"), fingerprint=KEY, not_after=START + timedelta(hours=24))


@pytest.fixture
def api() -> MemoryApi:
    api = MemoryApi()
    put(api)
    return api


@pytest.fixture
async def registry(api: MemoryApi) -> AsyncIterator[ClusterRegistry]:
    clock = Hand()
    store = Store(api, clock=clock, randomness=Middle(), backoff=Backoff())
    async with Tasks() as tasks:
        tasks.start(store.run(), name="store")
        await settle()
        yield ClusterRegistry(store, clock=clock, hub="hub-0")


def put(api: MemoryApi, **metadata: Any) -> None:
    status = {"certificate": {"keyFingerprint": KEY, "notAfter": "2026-01-02T00:00:00Z"}}
    api.put_resource(Kind.CLUSTER, "eu-1", {"id": PEER.cluster}, status=status, finalizers=["f"], **metadata)


async def test_the_registered_key_is_let_in(registry: ClusterRegistry) -> None:
    registry.check_open(PEER)
    assert await registry.begin_session(PEER, 7) == 8


async def test_to_a_cluster_that_is_being_removed_nothing_but_a_session_is_open(
    api: MemoryApi, registry: ClusterRegistry
) -> None:
    put(api, deletionTimestamp="2026-01-01T00:00:00Z")
    await settle()
    registry.check(PEER)
    with pytest.raises(Refusal, match="is being removed"):
        registry.check_open(PEER)


async def test_a_cluster_that_is_gone_is_let_in_nowhere(api: MemoryApi, registry: ClusterRegistry) -> None:
    api.remove("clusters", "apps", "eu-1")
    await settle()
    with pytest.raises(Refusal, match="removed from the fleet"):
        registry.check(PEER)
