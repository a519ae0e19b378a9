"""The API server in memory behaves as the contract says."""

import json

import pytest

from agent.kube.api import Change
from agent.kube.discovery import Discovery
from agent.kube.errors import Expired, Unreachable
from agent.kube.resources import CONFIG_MAPS, NAMESPACES
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.contract import ApiServerContract, World, changes, config_map
from tests.fakes.interference import Network
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


@in_virtual_time
async def test_every_request_is_noted_and_dry_runs_are_no_writes() -> None:
    cluster = FakeCluster(FakeClock())
    api = cluster.api("agent")
    await api.get(NAMESPACES, "", "default")
    for dry_run in (True, False):
        body = json.dumps(config_map(a="1")).encode()
        await api.apply(CONFIG_MAPS, "default", "settings", body, field_manager="m", dry_run=dry_run)
    assert [(call.user, call.verb) for call in cluster.calls] == [
        ("agent", "get"),
        ("agent", "apply"),
        ("agent", "apply"),
    ]
    assert [call.name for call in cluster.writes] == ["settings"]


@in_virtual_time
async def test_a_lost_answer_leaves_what_was_written_and_a_cut_request_nothing() -> None:
    cluster, network = FakeCluster(FakeClock()), Network()
    cluster.interference = network
    api = cluster.api()
    network.cuts = lambda call: call.name == "cut"
    network.loses_answers = lambda call: call.name == "lost"
    for name in ("cut", "lost"):
        with pytest.raises(Unreachable):
            await api.create(CONFIG_MAPS, "default", config_map(name), field_manager="m")
    names = [one["metadata"]["name"] for one in cluster.list(CONFIG_MAPS).items]
    assert names == ["lost"]


@in_virtual_time
async def test_a_watch_from_before_a_compaction_expires_and_one_that_is_up_to_date_goes_on() -> None:
    cluster = FakeCluster(FakeClock())
    api = cluster.api()
    old = (await api.list(CONFIG_MAPS)).resource_version
    await api.create(CONFIG_MAPS, "default", config_map(), field_manager="m")
    new = (await api.list(CONFIG_MAPS)).resource_version
    cluster.compact()
    with pytest.raises(Expired):
        await changes(api.watch(CONFIG_MAPS, resource_version=old), 1)
    await api.delete(CONFIG_MAPS, "default", "settings")
    assert await changes(api.watch(CONFIG_MAPS, resource_version=new), 1) == [(Change.DELETED, "settings")]
