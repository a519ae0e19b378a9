"""Clients, followers and leaders over a real API server that is killed, frozen and started again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from agent.kit.clock import SystemClock, SystemRandomness
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.access import from_kubeconfig
from agent.kube.api import Object
from agent.kube.client import Client
from agent.kube.errors import Expired, Unreachable
from agent.kube.lease import Leadership, LeaseSettings
from agent.kube.resources import CONFIG_MAPS
from agent.kube.transport import HttpTransport
from agent.kube.watch import Follower, Mirror
from e2e.planes.plane import Plane

NAMESPACE = "default"

# A plane's programs end with the thread that started them, so that it is started again here, not in a worker thread.


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with Plane("following", tmp_path_factory.mktemp("planes")) as plane:
        yield plane


@pytest.fixture
async def client(plane: Plane) -> AsyncIterator[Client]:
    access = from_kubeconfig(str(plane.kubeconfig()))
    async with Client(HttpTransport(access), clock=SystemClock(), timeout_s=5.0) as client:
        yield client


def config_map(name: str) -> Object:
    labels = {"suite": "following"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


async def put(client: Client, name: str) -> None:
    await client.create(CONFIG_MAPS, NAMESPACE, config_map(name), field_manager="test")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.05)


async def test_a_collection_of_several_pages_is_read_whole(client: Client) -> None:
    names = {f"many-{number}" for number in range(1101)}
    pending = iter(sorted(names))

    async def work() -> None:
        for name in pending:
            await put(client, name)

    await asyncio.gather(*(work() for _ in range(8)))
    listing = await client.list(CONFIG_MAPS, NAMESPACE, label_selector="suite=following")
    assert {one["metadata"]["name"] for one in listing.items} == names
    pending = iter(sorted(names))

    async def clear() -> None:
        for name in pending:
            await client.delete(CONFIG_MAPS, NAMESPACE, name)

    await asyncio.gather(*(clear() for _ in range(8)))


async def test_a_follower_outlives_its_server_and_hears_what_went_meanwhile(
    plane: Plane, client: Client
) -> None:
    mirror = Mirror()
    follower = Follower(
        client,
        CONFIG_MAPS,
        mirror,
        namespace=NAMESPACE,
        label_selector="suite=following",
        clock=SystemClock(),
        randomness=SystemRandomness(),
        backoff=Backoff(first_s=0.1, last_s=0.5),
    )

    def names() -> set[str]:
        return {name for _, name in mirror.objects}

    for name in ("a", "b"):
        await put(client, name)
    async with Tasks() as tasks:
        tasks.start(follower.run(), name="follower")
        await until(lambda: names() == {"a", "b"})
        plane.kill_apiserver()
        await until(lambda: bool(follower.problem))
        plane.restart_apiserver()
        await client.delete(CONFIG_MAPS, NAMESPACE, "a")
        await put(client, "c")
        await until(lambda: names() == {"b", "c"})
        await until(lambda: not follower.problem)


async def test_a_version_from_before_a_restart_expires(plane: Plane, client: Client) -> None:
    before = await client.list(CONFIG_MAPS, NAMESPACE)
    await put(client, "later")
    plane.kill_apiserver()
    plane.restart_apiserver()
    with pytest.raises(Expired):
        async for _ in client.watch(CONFIG_MAPS, NAMESPACE, resource_version=before.resource_version):
            pass


async def test_a_frozen_server_is_unreachable_and_costs_the_leader_its_lease_in_time(
    plane: Plane, client: Client
) -> None:
    clock = SystemClock()
    times = LeaseSettings(duration_s=3.0, deadline_s=2.0, retry_s=0.4)
    one = Leadership(client, NAMESPACE, "lead", "one", times, clock=clock)
    two = Leadership(client, NAMESPACE, "lead", "two", times, clock=clock)
    await asyncio.wait_for(one.acquire(), 20)
    async with Tasks() as tasks:
        keeping = tasks.start(one.keep(), name="keep")
        waiting = tasks.start(two.acquire(), name="wait")
        await clock.sleep(4)
        assert (one.holds, two.holds, keeping.done()) == (True, False, False)
        plane.freeze()
        try:
            frozen_s = clock.monotonic_s()
            await asyncio.wait_for(keeping, 10)
            assert clock.monotonic_s() - frozen_s < times.deadline_s + 0.5
            with pytest.raises(Unreachable):
                await client.get(CONFIG_MAPS, NAMESPACE, "kube-root-ca.crt")
        finally:
            plane.thaw()
        await asyncio.wait_for(waiting, 20)
        assert (one.holds, two.holds) == (False, True)
    await two.release()
    await asyncio.wait_for(one.acquire(), 20)
    assert one.holds
