"""At most one process leads, whatever the network and the wall clocks do."""

from dataclasses import replace

from agent.kit.tasks import Tasks
from agent.kube.api import Object, PatchType
from agent.kube.lease import Leadership, LeaseSettings
from agent.kube.resources import LEASES
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.cluster import Cluster

SETTINGS = LeaseSettings(duration_s=15, deadline_s=10, retry_s=2)


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.network = self.cluster.network
        self.leading: list[str] = []

    def process(self, name: str, *, skew_s: float = 0.0, settings: LeaseSettings = SETTINGS) -> Leadership:
        clock = FakeClock(skew_s=skew_s)
        return Leadership(self.cluster.api(name), "kube-system", "hub", name, settings, clock=clock)

    async def life(self, process: Leadership, name: str) -> None:
        """Lead as often as it may."""
        while True:
            await process.acquire()
            self.leading.append(name)
            await process.keep()
            self.leading.remove(name)

    def lease(self) -> Object:
        spec: Object = self.cluster.get(LEASES, "kube-system", "hub")["spec"]
        return spec


@in_virtual_time
async def test_the_first_leads_and_the_second_waits() -> None:
    stage, told = Stage(), list[str]()
    one, two = stage.process("one"), stage.process("two")
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        await stage.clock.sleep(1)
        tasks.start(two.acquire(told.append), name="two")
        await stage.clock.sleep(600)
        assert (one.holds, two.holds) == (True, False)
    assert set(told) == {"one"}
    assert stage.lease()["holderIdentity"] == "one"
    assert stage.lease()["leaseTransitions"] == 0


@in_virtual_time
async def test_a_released_lease_is_taken_at_the_next_look() -> None:
    stage = Stage()
    one, two = stage.process("one"), stage.process("two")
    await one.acquire()
    await one.release()
    assert not one.holds
    before_s = stage.clock.monotonic_s()
    await two.acquire()
    assert stage.clock.monotonic_s() - before_s <= SETTINGS.retry_s
    assert stage.lease()["leaseTransitions"] == 1


@in_virtual_time
async def test_a_silent_leader_is_followed_after_its_duration_and_has_stopped_before() -> None:
    stage = Stage()
    one, two = stage.process("one"), stage.process("two")
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        await stage.clock.sleep(1)
        tasks.start(stage.life(two, "two"), name="two")
        await stage.clock.sleep(30)
        stage.network.cuts = lambda call: call.user == "one"
        for _ in range(300):
            await stage.clock.sleep(0.1)
            assert len(stage.leading) <= 1
        assert stage.leading == ["two"]


@in_virtual_time
async def test_a_leader_whose_requests_hang_stops_in_time() -> None:
    stage = Stage()
    one, two = stage.process("one"), stage.process("two")
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        await stage.clock.sleep(1)
        tasks.start(stage.life(two, "two"), name="two")
        await stage.clock.sleep(30)
        stage.network.hangs = lambda call: call.user == "one"
        for _ in range(300):
            await stage.clock.sleep(0.1)
            assert len(stage.leading) <= 1
        assert stage.leading == ["two"]


@in_virtual_time
async def test_a_renewal_that_came_in_while_a_look_was_under_way_counts_in_full() -> None:
    stage = Stage()
    stage.network.latency_s = lambda call: 3.9 if call.user == "two" else 0.0
    close = replace(SETTINGS, deadline_s=14)
    one, two = stage.process("one", settings=close), stage.process("two", settings=close)
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        # It asks at 56.3, the other renews at 60, the answer is as of 60.2.
        await stage.clock.sleep(56.3)
        tasks.start(stage.life(two, "two"), name="two")
        await stage.clock.sleep(3.8)
        stage.network.cuts = lambda call: call.user == "one"
        stage.network.latency_s = lambda call: 0.0
        for _ in range(200):
            await stage.clock.sleep(0.1)
            assert len(stage.leading) <= 1
        assert stage.leading == ["two"]


@in_virtual_time
async def test_one_request_that_hangs_costs_no_leadership() -> None:
    stage = Stage()
    one = stage.process("one")
    await one.acquire()
    async with Tasks() as tasks:
        keeping = tasks.start(one.keep(), name="one")
        await stage.clock.sleep(1)
        stage.network.hangs = lambda call: True
        await stage.clock.sleep(3)
        stage.network.hangs = lambda call: False
        await stage.clock.sleep(60)
        assert not keeping.done()


@in_virtual_time
async def test_a_look_that_hangs_does_not_keep_the_waiting_one_waiting() -> None:
    stage = Stage()
    one, two = stage.process("one"), stage.process("two")
    await one.acquire()
    async with Tasks() as tasks:
        taking = tasks.start(two.acquire(), name="two")
        await stage.clock.sleep(5)
        stage.network.hangs = lambda call: True
        await stage.clock.sleep(3)
        stage.network.hangs = lambda call: False
        await stage.clock.sleep(SETTINGS.duration_s)
        assert taking.done()


@in_virtual_time
async def test_answers_that_get_lost_do_not_make_two_leaders() -> None:
    stage = Stage()
    one, two = stage.process("one"), stage.process("two")
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        tasks.start(stage.life(two, "two"), name="two")
        await stage.clock.sleep(30)
        stage.network.loses_answers = lambda call: call.verb == "update"
        for _ in range(600):
            await stage.clock.sleep(0.1)
            assert len(stage.leading) <= 1


@in_virtual_time
async def test_wrong_wall_clocks_do_not_matter() -> None:
    stage = Stage()
    one, two = stage.process("one", skew_s=-86_400), stage.process("two", skew_s=86_400)
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        await stage.clock.sleep(1)
        tasks.start(stage.life(two, "two"), name="two")
        await stage.clock.sleep(300)
        assert stage.leading == ["one"]


@in_virtual_time
async def test_whoever_was_robbed_stops_at_its_next_look() -> None:
    stage = Stage()
    one = stage.process("one")
    async with Tasks() as tasks:
        tasks.start(stage.life(one, "one"), name="one")
        await stage.clock.sleep(10)
        await stage.cluster.api("person").patch(
            LEASES,
            "kube-system",
            "hub",
            {"spec": {"holderIdentity": "thief"}},
            kind=PatchType.MERGE,
            field_manager="person",
        )
        await stage.clock.sleep(2 * SETTINGS.retry_s + 0.1)
        assert stage.leading == []
        assert not one.holds


@in_virtual_time
async def test_a_release_leaves_what_another_took() -> None:
    stage = Stage()
    one = stage.process("one")
    await one.acquire()
    spec = {"spec": {"holderIdentity": "thief"}}
    await stage.cluster.api("thief").patch(
        LEASES, "kube-system", "hub", spec, kind=PatchType.MERGE, field_manager="thief"
    )
    await one.release()
    assert stage.lease()["holderIdentity"] == "thief"
