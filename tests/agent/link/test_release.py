"""A cluster that is in no fleet any more is guarded no more, and forgets nothing."""

from dataclasses import replace

import pytest

from agent.desk import Desk, head_name
from agent.kube.errors import Unreachable
from agent.link.release import release_all
from agent.model.head import Head
from agent.model.names import HomeName
from tests.agent import wishes
from tests.agent.wishes import OTHER, WEB, blobs, config_map
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.cluster import Cluster

NAMESPACE = "cartwheel-system"


class Woken:
    """A worker that notes who is woken."""

    def __init__(self) -> None:
        self.homes: list[HomeName] = []

    def wake(self, home: HomeName) -> None:
        self.homes.append(home)


async def desk_with(cluster: Cluster, *heads: Head) -> Desk:
    desk = Desk(cluster.api("agent"), NAMESPACE)
    await desk.load()
    for head in heads:
        await desk.save(head)
    return desk


def head(home: HomeName) -> Head:
    return replace(
        wishes.head([config_map("a")], home=home), inline=blobs([config_map("a")]), inventory={"a": "v1"}
    )


def cluster() -> Cluster:
    found = Cluster(FakeClock())
    found.add_namespace(NAMESPACE)
    return found


@in_virtual_time
async def test_all_deliveries_are_released_for_good_with_what_is_known_of_them() -> None:
    place, worker = cluster(), Woken()
    desk = await desk_with(place, head(WEB), head(OTHER))
    await release_all(desk, worker, "this cluster was removed")
    assert set(worker.homes) == {WEB, OTHER}
    again = await desk_with(place)
    assert all(one.released and one.inventory for one in again.heads.values())
    assert (len(again.heads), again.held) == (2, ())


@in_virtual_time
async def test_it_is_heard_again_and_again_and_written_once() -> None:
    place, worker = cluster(), Woken()
    desk = await desk_with(place, head(WEB))
    await release_all(desk, worker, "this cluster was removed")
    writes = len(place.writes)
    await release_all(desk, worker, "this cluster was removed")
    assert (worker.homes, len(place.writes)) == ([WEB], writes)


@in_virtual_time
async def test_what_was_to_leave_goes_on_leaving() -> None:
    place, worker = cluster(), Woken()
    desk = await desk_with(place, replace(head(WEB), leaving="delete"))
    await release_all(desk, worker, "this cluster was removed")
    assert worker.homes == []
    found = desk.get(WEB)
    assert found is not None
    assert (found.leaving, found.released) == ("delete", False)


@in_virtual_time
async def test_one_that_cannot_be_saved_keeps_no_other() -> None:
    place, worker = cluster(), Woken()
    desk = await desk_with(place, head(WEB), head(OTHER))
    place.network.cuts = lambda call: call.is_write and call.name == head_name(WEB)
    with pytest.raises(Unreachable):
        await release_all(desk, worker, "this cluster was removed")
    assert worker.homes == [OTHER]
    place.network.cuts = lambda call: False
    await release_all(desk, worker, "this cluster was removed")
    assert worker.homes == [OTHER, WEB]
