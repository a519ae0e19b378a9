"""A real kube-apiserver behaves as the contract says, through the thin client."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from agent.kit.clock import SystemClock
from agent.kube.access import from_kubeconfig
from agent.kube.client import Client
from agent.kube.discovery import Discovery
from agent.kube.resources import NAMESPACES
from agent.kube.transport import HttpTransport
from e2e.planes.plane import Plane
from tests.fakes.contract import ApiServerContract, World

_NUMBERS = itertools.count()


@pytest.fixture
async def world(plane: Plane) -> AsyncIterator[World]:
    clock, namespace = SystemClock(), f"contract-{next(_NUMBERS)}"
    async with Client(HttpTransport(from_kubeconfig(str(plane.kubeconfig()))), clock=clock) as api:
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await api.create(NAMESPACES, "", place, field_manager="contract")
        guest = await asyncio.to_thread(plane.restrict, "guest", namespace)
        async with Client(HttpTransport(from_kubeconfig(str(guest))), clock=clock) as restricted:
            discovery = Discovery(api, clock=clock)
            yield World(api=api, restricted=restricted, namespace=namespace, discovery=discovery)


class TestRealServer(ApiServerContract):
    pass
