"""The desk saves packs before heads, writes only over what it knows, and never loses what it cannot read."""

import asyncio
import base64
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.desk import (
    MAX_PACKS,
    PART_LABEL,
    TERM_SECRET,
    ContentMissing,
    Desk,
    DeskUnreadable,
    Overtaken,
    head_name,
    replace_assignment,
)
from agent.kube.api import Object
from agent.kube.errors import Conflict, NotFound, Unreachable
from agent.kube.resources import SECRETS
from agent.model.assignment import Order
from agent.model.content import Manifest
from hub.sandbox.calls import Call
from hub.sandbox.faults import none
from hub.sandbox.wire import Answer
from tests.agent.wishes import OTHER, WEB, blobs, config_map, head, reordered
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.cluster import Cluster, Undisturbed

NAMESPACE = "cartwheel-system"


class Place:
    """A cluster with the agent's namespace."""

    def __init__(self) -> None:
        self.cluster = Cluster(FakeClock())
        self.cluster.add_namespace(NAMESPACE)
        self.network = self.cluster.network

    def desk(self) -> Desk:
        return Desk(self.cluster.api("agent"), NAMESPACE)

    async def loaded(self) -> Desk:
        desk = self.desk()
        await desk.load()
        return desk

    def secrets(self, part: str) -> list[Object]:
        return self.cluster.list(SECRETS, NAMESPACE, label_selector=f"{PART_LABEL}={part}").items

    def put_data(self, name: str, key: str, data: bytes) -> None:
        value = self.cluster.get(SECRETS, NAMESPACE, name)
        value["data"] = {key: base64.b64encode(data).decode()}
        self.cluster.replace(SECRETS, NAMESPACE, value)


def large(count: int, seed: int = 0) -> list[Manifest]:
    """Manifests of 100 KiB each that do not compress."""
    chance = random.Random(seed)
    return [
        config_map(f"large-{seed}-{number}", base64.b64encode(chance.randbytes(75 << 10)).decode())
        for number in range(count)
    ]


@in_virtual_time
async def test_a_small_delivery_is_one_secret_and_comes_back() -> None:
    place, manifests = Place(), [config_map("a"), config_map("b")]
    saved = await (await place.loaded()).save(head(manifests), blobs(manifests))
    assert not place.secrets("pack")
    again = await place.loaded()
    assert again.get(WEB) == saved
    assert await again.blobs(saved, blobs(manifests)) == blobs(manifests)


@in_virtual_time
async def test_large_content_goes_into_packs_before_the_head() -> None:
    place, manifests = Place(), large(3)
    await (await place.loaded()).save(head(manifests), blobs(manifests))
    writes = [call.name for call in place.cluster.writes if call.user == "agent"]
    assert all(name.startswith("cartwheel-pack-") for name in writes[:-1])
    assert writes[-1] == head_name(WEB)
    assert all(pack["immutable"] for pack in place.secrets("pack"))
    again = await place.loaded()
    assert await again.blobs(again.heads[WEB], blobs(manifests)) == blobs(manifests)


@in_virtual_time
async def test_a_head_is_not_written_when_a_manifest_is_neither_given_nor_saved() -> None:
    place, manifests = Place(), [config_map("a"), config_map("b")]
    desk = await place.loaded()
    with pytest.raises(ContentMissing) as missing:
        await desk.save(head(manifests), blobs(manifests[:1]))
    assert missing.value.digests == (manifests[1].digest,)
    assert desk.get(WEB) is None
    assert not place.secrets("head")


@in_virtual_time
async def test_an_equal_head_is_not_written_again() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = await place.loaded()
    saved = await desk.save(head(manifests), blobs(manifests))
    count = len(place.cluster.writes)
    await desk.save(saved)
    await desk.save(head(manifests), blobs(manifests))
    assert len(place.cluster.writes) == count


@in_virtual_time
async def test_content_that_nobody_names_any_more_is_deleted_after_the_head() -> None:
    place, before, after = Place(), large(3), [config_map("small")]
    desk = await place.loaded()
    await desk.save(head(before), blobs(before))
    place.cluster.calls.clear()
    await desk.save(head(after), blobs(after))
    assert [call.verb for call in place.cluster.writes] == ["update", "delete"]
    assert not place.secrets("pack")


@in_virtual_time
async def test_the_last_healthy_bundle_keeps_its_content() -> None:
    place, before, after = Place(), large(2, 1), large(2, 2)
    desk = await place.loaded()
    old = await desk.save(head(before), blobs(before))
    new = replace_assignment(old, head(after, order=Order(1, 2)), was_healthy=True)
    saved = await desk.save(new, blobs(after))
    assert await desk.blobs(saved, blobs(before)) == blobs(before)


@in_virtual_time
async def test_many_packs_are_made_into_few() -> None:
    place, manifests = Place(), large(2)
    desk = await place.loaded()
    for number in range(MAX_PACKS + 2):
        manifests += large(2, number + 1)
        saved = await desk.save(head(manifests, order=Order(1, number + 2)), blobs(manifests))
    assert len(saved.packs) <= MAX_PACKS
    assert {pack["metadata"]["name"] for pack in place.secrets("pack")} == set(saved.packs)
    assert await desk.blobs(saved, blobs(manifests)) == blobs(manifests)


@in_virtual_time
async def test_packs_of_an_interrupted_write_are_collected_at_the_next_start() -> None:
    place, manifests = Place(), large(3)
    desk = await place.loaded()
    place.network.cuts = lambda call: call.name == head_name(WEB)
    with pytest.raises(Unreachable):
        await desk.save(head(manifests), blobs(manifests))
    place.network.cuts = lambda call: False
    assert place.secrets("pack")
    await place.loaded()
    assert not place.secrets("pack")


@in_virtual_time
async def test_a_delivery_is_off_the_desk_although_its_packs_cannot_be_collected() -> None:
    place, manifests = Place(), large(3)
    desk = await place.loaded()
    await desk.save(head(manifests), blobs(manifests))
    place.network.cuts = lambda call: call.verb == "delete" and call.name.startswith("cartwheel-pack-")
    await desk.drop(WEB)
    place.network.cuts = none
    assert desk.get(WEB) is None
    assert place.secrets("pack")
    await place.loaded()
    assert not place.secrets("pack")


@in_virtual_time
async def test_of_two_agents_one_fails() -> None:
    place, manifests = Place(), [config_map("a")]
    one, other = await place.loaded(), await place.loaded()
    saved = await one.save(head(manifests), blobs(manifests))
    with pytest.raises(Conflict):
        await other.save(head(manifests), blobs(manifests))
    late = await place.loaded()
    await one.save(replace(saved, revision="newer"))
    with pytest.raises(Conflict):
        await late.save(replace(saved, revision="older"))
    assert (await place.loaded()).heads[WEB].revision == "newer"


@in_virtual_time
async def test_of_two_saves_at_once_the_later_has_to_be_made_anew() -> None:
    place, before, after = Place(), large(2, 1), large(2, 2)
    desk = await place.loaded()
    old = await desk.save(head(before), blobs(before))
    new = replace_assignment(old, head(after, order=Order(1, 2)), was_healthy=False)
    first = asyncio.ensure_future(desk.save(new, blobs(after)))
    await asyncio.sleep(0)
    ahead = {"apps_made_meanwhile__ConfigMap": "v1"}
    with pytest.raises(Overtaken):
        await desk.save(replace(old, ahead=ahead))
    saved = await first
    await desk.save(replace(saved, ahead={**saved.ahead, **ahead}))
    assert (await place.loaded()).heads[WEB].held.keys() >= {*ahead, *saved.held}


@pytest.mark.parametrize("is_new", [True, False], ids=["create", "replace"])
def test_a_write_whose_answer_was_lost_does_not_stop_later_ones(is_new: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        place, manifests = Place(), [config_map("a")]
        desk = await place.loaded()
        if not is_new:
            await desk.save(head(manifests, order=Order(1, 0)), blobs(manifests))
        place.network.loses_answers = lambda call: call.name == head_name(WEB) and call.is_write
        with pytest.raises(Unreachable):
            await desk.save(head(manifests), blobs(manifests))
        place.network.loses_answers = lambda call: False
        saved = await desk.save(head(manifests, revision="later"), blobs(manifests))
        assert (await place.loaded()).heads[WEB] == saved
        await desk.drop(WEB)
        assert not place.secrets("head")

    run()


@in_virtual_time
async def test_a_write_that_was_cancelled_after_it_took_effect_does_not_stop_later_ones() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = await place.loaded()
    task = asyncio.ensure_future(desk.save(head(manifests), blobs(manifests)))
    place.cluster.interference = _HangsAfter(lambda call: call.is_write)
    while not place.secrets("head"):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    place.cluster.interference = None
    await desk.save(head(manifests, revision="later"), blobs(manifests))
    assert (await place.loaded()).heads[WEB].revision == "later"


@in_virtual_time
async def test_what_another_agent_wrote_is_not_taken_for_a_lost_answer() -> None:
    place, manifests = Place(), [config_map("a")]
    desk, other = await place.loaded(), await place.loaded()
    place.network.cuts = lambda call: call.name == head_name(WEB)
    with pytest.raises(Unreachable):
        await desk.save(head(manifests), blobs(manifests))
    place.network.cuts = lambda call: False
    await other.save(head(manifests, revision="of the other"), blobs(manifests))
    with pytest.raises(Conflict):
        await desk.save(head(manifests), blobs(manifests))


@in_virtual_time
async def test_terms_only_rise_and_survive() -> None:
    place = Place()
    desk = await place.loaded()
    assert desk.term == 0
    await desk.save_term(4)
    with pytest.raises(ValueError, match="not newer"):
        await desk.save_term(4)
    place.network.loses_answers = lambda call: call.is_write
    with pytest.raises(Unreachable):
        await desk.save_term(5)
    place.network.loses_answers = lambda call: False
    await desk.save_term(6)
    assert (await place.loaded()).term == 6


@in_virtual_time
async def test_a_term_that_cannot_be_read_is_named() -> None:
    place = Place()
    await (await place.loaded()).save_term(4)
    place.put_data(TERM_SECRET, "term", b"four")
    with pytest.raises(DeskUnreadable, match=TERM_SECRET):
        await place.loaded()


@pytest.mark.parametrize(
    "data",
    [b"no zstd", zstandard.compress(b"no head"), zstandard.compress(b"\x82\xa6format\x09\xa4head\xc0")],
    ids=["damaged", "foreign", "of a newer version"],
)
def test_a_head_that_cannot_be_read_is_told_and_never_overwritten(data: bytes) -> None:
    @in_virtual_time
    async def run() -> None:
        place, manifests = Place(), large(2)
        desk = await place.loaded()
        await desk.save(head(manifests), blobs(manifests))
        place.put_data(head_name(WEB), "head", data)
        again = await place.loaded()
        assert list(again.unreadable) == [head_name(WEB)]
        with pytest.raises(DeskUnreadable, match=head_name(WEB)):
            await again.save(head(manifests), blobs(manifests))
        await again.drop(WEB)
        assert [one["data"]["head"] for one in place.secrets("head")] == [base64.b64encode(data).decode()]
        assert place.secrets("pack"), "nobody knows which packs it names"
        await again.save(head([config_map("b")], home=OTHER), blobs([config_map("b")]))

    run()


@in_virtual_time
async def test_a_desk_that_cannot_be_listed_is_not_taken_for_empty() -> None:
    place = Place()
    desk = await place.loaded()
    await desk.save(head([config_map("a")]), blobs([config_map("a")]))
    place.network.cuts = lambda call: call.verb == "list"
    with pytest.raises(Unreachable):
        await place.loaded()
    with pytest.raises(Unreachable):
        await desk.load()
    assert list(desk.heads) == [WEB]


@in_virtual_time
async def test_a_damaged_pack_is_missing_content_until_it_is_given_again() -> None:
    place, manifests = Place(), large(2)
    saved = await (await place.loaded()).save(head(manifests), blobs(manifests))
    for name in saved.packs:
        place.cluster.delete(SECRETS, NAMESPACE, name)
    desk = await place.loaded()
    assert [one.home for one in desk.held] == [WEB]
    with pytest.raises(ContentMissing):
        await desk.blobs(saved, blobs(manifests))
    assert not desk.held, "the hub is to send it again"
    healed = await desk.save(reordered(saved, Order(2, 1)), blobs(manifests))
    assert await desk.blobs(healed, blobs(manifests)) == blobs(manifests)
    assert [one.home for one in desk.held] == [WEB]


@in_virtual_time
async def test_the_root_counts_what_stays() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = await place.loaded()
    empty = desk.root
    saved = await desk.save(head(manifests), blobs(manifests))
    full = desk.root
    assert full != empty
    assert (await place.loaded()).root == full
    await desk.save(replace(saved, leaving="delete"))
    assert desk.root == empty
    await desk.save(replace(saved, released=True))
    assert desk.root == empty


@in_virtual_time
async def test_who_names_an_object_is_known_through_every_change() -> None:
    homes = [replace(WEB, name=name) for name in ("one", "other")]
    shared, alone = config_map("shared"), config_map("alone")
    desk = await Place().loaded()
    for home in homes:
        await desk.save(head([shared, alone], home=home), blobs([shared, alone]))
    await desk.save(head([shared], home=homes[0]), blobs([shared]))
    assert (desk.names(shared.ref), desk.names(alone.ref)) == (True, True)
    found = desk.get(homes[1])
    assert found is not None
    await desk.save(replace(found, leaving="delete"))
    assert (desk.names(shared.ref), desk.names(alone.ref), desk.is_awaited(alone.ref)) == (True, False, False)
    await desk.drop(homes[1])
    assert (desk.names(shared.ref), desk.is_awaited(shared.ref)) == (True, True)
    await desk.drop(homes[0])
    assert not desk.names(shared.ref)


@in_virtual_time
async def test_an_object_is_named_by_assignments_that_stay() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = await place.loaded()
    saved = await desk.save(head(manifests), blobs(manifests))
    assert desk.names(manifests[0].ref)
    await desk.save(replace(saved, leaving="delete"))
    assert not desk.names(manifests[0].ref)


@pytest.mark.parametrize("is_done", [True, False], ids=["took effect", "was lost"])
def test_what_a_lost_write_may_name_counts_until_it_is_certain(is_done: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        place, before, after = Place(), [config_map("a")], [config_map("b")]
        desk = await place.loaded()
        old = await desk.save(head(before), blobs(before))
        fails = _writes_of_head
        place.network.loses_answers, place.network.cuts = (fails, none) if is_done else (none, fails)
        with pytest.raises(Unreachable):
            await desk.save(
                replace_assignment(old, head(after, order=Order(1, 2)), was_healthy=False), blobs(after)
            )
        place.network.loses_answers = place.network.cuts = none
        assert desk.names(after[0].ref)
        assert not desk.surely_names(after[0].ref)
        await desk.make_certain()
        assert not desk.names(after[0].ref)
        assert (await place.loaded()).heads[WEB] == old

    run()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=5), st.data())
def test_whatever_is_interrupted_the_desk_holds_a_whole_head(
    steps: list[set[int]], data: st.DataObject
) -> None:
    """Each save may be cut off before any of its requests; what is on the desk afterwards is one of the heads, with all its content."""
    pool = large(6)

    @in_virtual_time
    async def run() -> None:
        place = Place()
        desk, tried = await place.loaded(), []
        for number, step in enumerate(steps):
            manifests = [pool[one] for one in sorted(step)]
            wanted = head(manifests, order=Order(1, number + 1))
            tried.append(wanted.raw_assignment)
            left = data.draw(st.integers(0, 8))
            place.network.cuts = _after(left)
            try:
                old = desk.get(WEB)
                await desk.save(replace_assignment(old, wanted, was_healthy=False), blobs(manifests))
            except Unreachable:
                desk = place.desk()
            place.network.cuts = lambda call: False
            await desk.load()
            found = desk.get(WEB)
            if found is not None:
                assert found.raw_assignment in tried
                assert set(await desk.blobs(found, found.needed())) == found.needed()

    run()


def _writes_of_head(call: Call) -> bool:
    return call.is_write and call.name == head_name(WEB)


def _after(count: int) -> Callable[[Call], bool]:
    left = [count]

    def cuts(_: Call) -> bool:
        left[0] -= 1
        return left[0] < 0

    return cuts


class _HangsAfter(Undisturbed):
    def __init__(self, chosen: Callable[[Call], bool]) -> None:
        self._chosen = chosen

    async def after(self, call: Call, answer: Answer) -> Answer:
        if self._chosen(call):
            await asyncio.Event().wait()
        return answer


class _Changes:
    """Another hand on the Secrets of the desk."""

    def __init__(self, place: Place, name: str = head_name(WEB)) -> None:
        self._place = place
        self._name = name

    def annotate(self) -> None:
        value = self._place.cluster.get(SECRETS, NAMESPACE, self._name)
        value["metadata"].setdefault("annotations", {})["backup.example.org/time"] = "now"
        self._place.cluster.replace(SECRETS, NAMESPACE, value, manager="backup")

    def delete(self) -> None:
        self._place.cluster.delete(SECRETS, NAMESPACE, self._name)

    def garble(self) -> None:
        self._place.put_data(self._name, "head", b"by hand")


def _acting(place: Place) -> Desk:
    return Desk(place.cluster.api("agent"), NAMESPACE, acts=lambda: True)


@pytest.mark.parametrize("acts", [True, False])
def test_an_annotation_by_another_hand_hinders_no_save_and_no_removal(acts: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        place, manifests = Place(), [config_map("a")]
        desk = Desk(place.cluster.api("agent"), NAMESPACE, acts=lambda: acts)
        await desk.load()
        saved = await desk.save(head(manifests), blobs(manifests))
        hand = _Changes(place)
        hand.annotate()
        saved = await desk.save(replace(saved, revision="later"))
        assert (await place.loaded()).heads[WEB].revision == "later"
        hand.annotate()
        await desk.drop(WEB)
        assert not place.secrets("head")
        await desk.save_term(1)
        _Changes(place, TERM_SECRET).annotate()
        await desk.save_term(2)
        assert (await place.loaded()).term == 2

    run()


@in_virtual_time
async def test_a_head_that_was_deleted_by_hand_is_made_anew_by_the_agent_that_acts_and_by_no_other() -> None:
    place, manifests = Place(), [config_map("a")]
    desk, frozen = _acting(place), place.desk()
    await desk.load()
    saved = await desk.save(replace(head(manifests), inventory={"apps_a__ConfigMap": "v1"}), blobs(manifests))
    await frozen.load()
    _Changes(place).delete()
    with pytest.raises(NotFound):
        await frozen.save(replace(saved, revision="of the frozen one"))
    assert not place.secrets("head")
    await desk.save(replace(saved, revision="later"))
    found = (await place.loaded()).heads[WEB]
    assert (found.revision, found.inventory) == ("later", {"apps_a__ConfigMap": "v1"})


@in_virtual_time
async def test_over_an_older_head_by_another_hand_the_agent_that_acts_saves_and_forgets_nothing_of_it() -> (
    None
):
    place, manifests = Place(), [config_map("a")]
    desk = _acting(place)
    await desk.load()
    saved = await desk.save(head(manifests, order=Order(1, 5)), blobs(manifests))
    other = await place.loaded()
    await other.save(replace(reordered(saved, Order(1, 4)), inventory={"apps_theirs__ConfigMap": "v1"}))
    written = await desk.save(replace(saved, revision="later"))
    found = (await place.loaded()).heads[WEB]
    assert found == written == desk.get(WEB)
    assert (found.assignment.order, found.revision) == (Order(1, 5), "later")
    assert "apps_theirs__ConfigMap" in found.held


@in_virtual_time
async def test_a_newer_head_by_another_hand_is_taken_and_what_was_held_stays_held() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = _acting(place)
    await desk.load()
    mine = replace(head(manifests, order=Order(1, 5)), inventory={"apps_mine__ConfigMap": "v1"})
    saved = await desk.save(mine, blobs(manifests))
    other = await place.loaded()
    await other.save(replace(reordered(saved, Order(2, 1)), inventory={}))
    with pytest.raises(Overtaken):
        await desk.save(replace(saved, revision="older"))
    taken = desk.get(WEB)
    assert taken is not None
    assert taken.assignment.order == Order(2, 1)
    assert "apps_mine__ConfigMap" in taken.held
    await desk.save(replace(taken, revision="later"))
    assert (await place.loaded()).heads[WEB] == desk.get(WEB)


@in_virtual_time
async def test_a_head_that_was_garbled_by_hand_is_named_not_overwritten_and_goes_on_once_it_was_deleted() -> (
    None
):
    place, manifests = Place(), [config_map("a")]
    desk, hand = _acting(place), _Changes(place)
    await desk.load()
    saved = await desk.save(head(manifests), blobs(manifests))
    hand.garble()
    with pytest.raises(DeskUnreadable, match=f"Secret {NAMESPACE}/{head_name(WEB)} .* delete the Secret"):
        await desk.save(replace(saved, revision="later"))
    assert (await place.loaded()).unreadable
    hand.delete()
    await desk.save(replace(saved, revision="later"))
    assert (await place.loaded()).heads[WEB].revision == "later"


@in_virtual_time
async def test_who_does_not_act_says_which_secret_was_changed_and_by_whom() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = await place.loaded()
    saved = await desk.save(head(manifests), blobs(manifests))
    _Changes(place).garble()
    with pytest.raises(
        Conflict, match=f"Secret {NAMESPACE}/{head_name(WEB)} .* changed by somebody; .* restart"
    ):
        await desk.save(replace(saved, revision="later"))


@in_virtual_time
async def test_a_head_that_lost_its_label_is_found_when_the_assignment_comes_again() -> None:
    place, manifests = Place(), [config_map("a")]
    first = await place.loaded()
    await first.save(replace(head(manifests), inventory={"apps_old__ConfigMap": "v1"}), blobs(manifests))
    value = place.cluster.get(SECRETS, NAMESPACE, head_name(WEB))
    del value["metadata"]["labels"]
    place.cluster.replace(SECRETS, NAMESPACE, value)
    desk = _acting(place)
    await desk.load()
    assert desk.get(WEB) is None
    again = await desk.save(head(manifests, order=Order(2, 1)), blobs(manifests))
    assert "apps_old__ConfigMap" in again.held
    assert (await place.loaded()).heads[WEB] == again


@in_virtual_time
async def test_what_another_hand_added_to_a_head_that_leaves_is_seen_to_before_it_is_forgotten() -> None:
    place, manifests = Place(), [config_map("a")]
    desk = _acting(place)
    await desk.load()
    saved = await desk.save(head(manifests), blobs(manifests))
    saved = await desk.save(replace(saved, leaving="delete"))
    other = await place.loaded()
    await other.save(replace(saved, inventory={"apps_theirs__ConfigMap": "v1"}))
    with pytest.raises(Overtaken):
        await desk.drop(WEB)
    left = desk.get(WEB)
    assert left is not None
    assert (left.leaving, "apps_theirs__ConfigMap" in left.held) == ("delete", True)
    await desk.drop(WEB)
    assert not place.secrets("head")
