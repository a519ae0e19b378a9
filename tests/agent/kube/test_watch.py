"""Followers tell everything that happens, through cuts, expiry and refusals, and never miss that something is gone."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.api import Object, PatchType
from agent.kube.resources import CONFIG_MAPS, SECRETS
from agent.kube.watch import Follower, Key, Mirror
from hub.sandbox.calls import Call
from tests.fakes.clock import FakeClock, SeededRandomness, in_virtual_time
from tests.fakes.cluster import Cluster


class Stage:
    """A cluster, a mirror that follows its ConfigMaps, and what the mirror told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.cluster.add_namespace("apps")
        self.network = self.cluster.network
        self.api = self.cluster.api("writer")
        self.told: list[tuple[str, bool]] = []
        self.last_seen: Object | None = None
        self.mirror = Mirror(self._tell)
        self.follower = Follower(
            self.cluster.api("follower"),
            CONFIG_MAPS,
            self.mirror,
            clock=self.clock,
            randomness=SeededRandomness(),
            backoff=Backoff(first_s=1.0, last_s=60.0),
        )

    def _tell(self, key: Key, before: Object | None, now: Object | None) -> None:
        self.told.append((key[1], now is not None))
        if now is None:
            self.last_seen = before

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.mirror.objects}

    def requests(self, verb: str) -> int:
        return sum(call.verb == verb and call.user == "follower" for call in self.cluster.calls)

    async def put(self, name: str) -> None:
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        await self.api.create(CONFIG_MAPS, "apps", value, field_manager="test")

    async def remove(self, name: str) -> None:
        await self.api.delete(CONFIG_MAPS, "apps", name)


@asynccontextmanager
async def following() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.put("first")
    async with Tasks() as tasks:
        tasks.start(stage.follower.run(), name="follower")
        await stage.clock.sleep(0.1)
        yield stage


@in_virtual_time
async def test_what_is_there_and_what_happens_is_mirrored() -> None:
    async with following() as stage:
        assert stage.mirror.is_complete
        await stage.put("second")
        await stage.remove("first")
        await stage.clock.sleep(0.1)
        assert stage.names == {"second"}
        assert stage.told == [("first", True), ("second", True), ("first", False)]
        assert stage.last_seen is not None
        assert stage.last_seen["metadata"]["name"] == "first"


@in_virtual_time
async def test_a_watch_that_was_cut_goes_on_where_it_was_without_a_list() -> None:
    async with following() as stage:
        await stage.clock.sleep(10)
        stage.cluster.break_watches()
        await stage.put("second")
        await stage.clock.sleep(5)
        assert stage.names == {"first", "second"}
        assert stage.requests("list") == 1


@in_virtual_time
async def test_what_vanished_while_a_position_expired_is_told_as_removed() -> None:
    async with following() as stage:
        await stage.put("second")
        await stage.clock.sleep(1)
        stage.network.cuts = lambda call: call.user == "follower"
        stage.cluster.break_watches()
        await stage.clock.sleep(1)
        await stage.remove("first")
        await stage.put("third")
        stage.cluster.compact()
        assert stage.names == {"first", "second"}
        stage.network.cuts = lambda call: False
        await stage.clock.sleep(120)
        assert stage.names == {"second", "third"}
        assert stage.told[-1] == ("first", False)
        assert stage.last_seen is None, "nobody saw it go"
        assert stage.requests("list") == 2
        assert stage.follower.problem == ""


@in_virtual_time
async def test_objects_that_a_new_list_brings_unchanged_are_not_told_again() -> None:
    async with following() as stage:
        stage.cluster.compact()
        stage.cluster.end_watches()
        await stage.put("other")
        stage.cluster.compact()
        await stage.clock.sleep(120)
        assert stage.told == [("first", True), ("other", True)]


@in_virtual_time
async def test_an_unreachable_server_is_asked_ever_more_rarely_and_the_problem_told() -> None:
    async with following() as stage:
        asked: list[float] = []

        def cut(call: Call) -> bool:
            if call.user == "follower":
                asked.append(stage.clock.monotonic_s())
            return call.user == "follower"

        stage.network.cuts = cut
        stage.cluster.break_watches()
        await stage.clock.sleep(600)
        gaps = [after - before for before, after in itertools.pairwise(asked)]
        assert len(asked) < 20
        assert max(gaps) <= 66
        assert "the connection broke" in stage.follower.problem


@in_virtual_time
async def test_cuts_that_lie_hours_apart_do_not_add_up() -> None:
    async with following() as stage:
        for number in range(12):
            await stage.put(f"news-{number}")
            await stage.clock.sleep(3600)
            stage.cluster.break_watches()
        await stage.clock.sleep(3)
        await stage.put("last")
        await stage.clock.sleep(0.1)
        assert "last" in stage.names


@in_virtual_time
async def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_end() -> None:
    async with following() as stage:
        for _ in range(100):
            stage.cluster.end_watches()
            await stage.clock.sleep(0.5)
        assert stage.requests("watch") < 12


@in_virtual_time
async def test_an_end_in_good_order_is_followed_by_the_next_watch() -> None:
    async with following() as stage:
        await stage.clock.sleep(300)
        stage.cluster.end_watches()
        await stage.clock.sleep(0.1)
        assert (stage.requests("watch"), stage.requests("list")) == (2, 1)


@in_virtual_time
async def test_a_bookmark_moves_the_position_so_that_compaction_does_no_harm() -> None:
    async with following() as stage:
        await stage.api.create(
            SECRETS,
            "apps",
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}},
            field_manager="t",
        )
        stage.cluster.bookmark()
        await stage.clock.sleep(5)
        stage.cluster.compact()
        stage.cluster.break_watches()
        await stage.clock.sleep(5)
        assert stage.requests("list") == 1


@in_virtual_time
async def test_a_mirror_keeps_the_newest_object() -> None:
    async with following() as stage:
        await stage.api.patch(
            CONFIG_MAPS, "apps", "first", {"data": {"a": "1"}}, kind=PatchType.MERGE, field_manager="test"
        )
        await stage.clock.sleep(0.1)
        found = stage.mirror.get(("apps", "first"))
        assert found is not None
        assert found["data"] == {"a": "1"}


@in_virtual_time
async def test_a_list_that_fails_takes_nothing_out_of_the_mirror_and_completes_none() -> None:
    async with following() as stage:
        failed: list[Call] = []

        def lists(call: Call) -> bool:
            failed.extend([call] if call.verb == "list" else [])
            return call.verb == "list"

        stage.network.cuts = lists
        stage.told.clear()
        stage.cluster.add_namespace("other")
        stage.cluster.compact()
        stage.cluster.end_watches()
        await stage.clock.sleep(30)
        assert failed
        assert (stage.names, stage.told) == ({"first"}, [])
        late = Mirror()
        follower = Follower(
            stage.cluster.api("late"),
            CONFIG_MAPS,
            late,
            clock=stage.clock,
            randomness=SeededRandomness(),
            backoff=Backoff(first_s=1.0, last_s=60.0),
        )
        async with Tasks() as tasks:
            tasks.start(follower.run(), name="late")
            await stage.clock.sleep(30)
            assert not late.is_complete
