"""Servers behind APIServices are asked by a real kube-apiserver as the suite says."""

from collections.abc import AsyncIterator, Iterator

import pytest

from agent.kit.clock import SystemClock
from agent.kube.access import from_kubeconfig
from agent.kube.client import Client
from agent.kube.transport import HttpTransport
from e2e.planes.plane import Plane
from tests.fakes.remote import RemoteGroupContract, Served


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with Plane("aggregated", tmp_path_factory.mktemp("planes")) as plane:
        yield plane


@pytest.fixture
async def served(plane: Plane) -> AsyncIterator[Served]:
    transport = HttpTransport(from_kubeconfig(str(plane.kubeconfig())))
    async with Client(transport, clock=SystemClock()) as api:
        yield Served(api=api, transport=transport)
        plane.kubectl(
            "delete", "apiservice/v1.near.test", "service/near", "-n", "default", "--ignore-not-found"
        )


class TestRealServer(RemoteGroupContract):
    pass
