"""The API server in memory behaves as the contract says."""

import pytest

from agent.kube.discovery import Discovery
from tests.fakes.clock import FakeClock
from tests.fakes.contract import ApiServerContract, World
from tests.fakes.kube import FakeCluster


@pytest.fixture
async def world() -> World:
    clock = FakeClock()
    cluster = FakeCluster(clock)
    cluster.add_namespace("here")
    api = cluster.api()
    return World(
        api=api,
        restricted=cluster.restrict("guest", "here"),
        namespace="here",
        discovery=Discovery(api, clock=clock),
    )


class TestInMemory(ApiServerContract):
    pass
