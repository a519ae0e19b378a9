"""A session brings wishes to the desk and reports to the hub, and ends whenever one side is not surely what the other believes."""

import asyncio
from dataclasses import replace

import pytest

from agent.desk import ContentMissing, head_name
from agent.kube.resources import SECRETS
from agent.link.session import SessionRefused
from agent.model.assignment import Hold, HoldReason, Order, Tombstone
from agent.model.content import digest_of
from agent.model.link import Ack, Alive, Assign, Held, Hello, Keep, Mark, Nack, Refused, Welcome
from agent.model.names import ClusterId, Digest, HomeName
from agent.model.report import Notice, NoticeKind, Report, Stage
from hub.gateway import allowance
from hub.gateway.session import MISSED_ALIVES, Refusal
from tests.agent.wishes import CLUSTER, OTHER, WEB, bundle, config_map
from tests.fakes.clock import START, VirtualLoop, in_virtual_time
from tests.hub.gateway.link import ALIVE_S, NAMESPACE, Link, reported

LONG_S = ALIVE_S * (MISSED_ALIVES + 3)
RELEASED = Hold(reason=HoldReason.RELEASED, message="no Fleet names it here any more")


def ready(bundle: Digest, *, uid: str = "uid-1", message: str = "") -> Report:
    return Report(
        cluster=ClusterId("whatever it says"),
        home=WEB,
        uid=uid,
        order=Order(1, 1),
        candidate=digest_of(b"candidate"),
        bundle=bundle,
        stage=Stage.READY,
        as_of="2026-01-01T00:00:00Z",
        message=message,
    )


@in_virtual_time
async def test_the_first_assignment_comes_whole_with_the_message_and_is_on_the_desk_when_acknowledged() -> (
    None
):
    async with Link() as link:
        wish = link.wish([config_map("a"), config_map("b")])
        link.connect()
        await link.settle()
        assert link.holds(wish)
        (ack,) = link.said_up(Ack)
        assert isinstance(ack, Ack)
        assert (ack.substance, ack.order) == (wish.assignment.substance, Order(1, 1))
        assert link.worker.woken == [WEB]
        # The index has to be fetched, the small manifests came along.
        assert link.content.fetched == 1
        assert link.is_connected()


@in_virtual_time
async def test_a_changed_line_travels_as_a_delta_and_nothing_is_fetched() -> None:
    async with Link() as link:
        link.wish([config_map("a"), config_map("b"), config_map("gone")])
        link.connect()
        await link.settle()
        link.content.fetched = 0
        wish = link.wish([config_map("a"), config_map("b", "two")], revision="main@sha1:2")
        await link.settle()
        assert link.holds(wish)
        assert link.content.fetched == 0
        sent = link.said_down(Assign)[-1]
        assert isinstance(sent, Assign)
        assert sent.delta is not None
        assert (len(sent.delta.base.set), len(sent.delta.base.removed), len(sent.inline)) == (1, 1, 1)


@in_virtual_time
async def test_much_content_is_fetched() -> None:
    async with Link() as link:
        wish = link.wish([config_map(f"a{number}", "x" * 15_000) for number in range(10)])
        link.connect()
        await link.settle()
        (sent,) = link.said_down(Assign)
        assert isinstance(sent, Assign)
        assert sent.inline == ()
        assert link.holds(wish)
        assert link.content.fetched == 11


@in_virtual_time
async def test_a_delta_from_a_bundle_that_is_not_held_is_replaced_by_a_fetch() -> None:
    async with Link() as link:
        first = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        second, third = [config_map("b")], [config_map("c")]
        link.wish(second)
        await asyncio.sleep(0)
        wish = link.wish(third)
        await link.settle()
        assert link.holds(wish)
        assert not link.holds(first)


@in_virtual_time
async def test_another_revision_of_the_same_is_a_mark() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wish([config_map("a")], revision="main@sha1:2")
        await link.settle()
        assert len(link.said_down(Assign)) == 1
        assert link.said_down(Mark) == [Mark(revision="main@sha1:2", homes=(WEB,))]
        assert link.worker.revisions == {WEB: "main@sha1:2"}


@in_virtual_time
async def test_a_revision_that_moved_while_the_assignment_was_under_way_is_told() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        line = link.connect()
        line.slow(0.5)
        await link.settle(0.8)
        link.wish([config_map("a")], revision="main@sha1:2")
        await link.settle(5.0)
        assert link.worker.revisions == {WEB: "main@sha1:2"}


@in_virtual_time
async def test_what_is_held_is_not_sent_again_by_the_next_session() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.lines[-1].cut()
        await link.settle()
        assert not link.is_connected()
        link.connect()
        await link.settle()
        assert link.said_down(Assign) == []
        assert link.presence.term == 2
        assert link.desk.term == 2


@in_virtual_time
async def test_a_quick_change_of_mind_ends_with_the_last_wish() -> None:
    async with Link() as link:
        first = link.wish([config_map("a")])
        line = link.connect()
        await link.settle()
        line.slow(0.2)
        link.wish([config_map("a", "two")])
        await link.settle(0.1)
        link.wish([config_map("a")])
        await link.settle(3.0)
        assert link.holds(first)
        await link.settle(LONG_S)
        assert len(link.lines) == 1
        assert link.ends == []


@in_virtual_time
async def test_a_tombstone_is_on_the_desk_before_anything_happens() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle()
        head = link.desk.get(WEB)
        assert head is not None
        assert head.leaving == "delete"
        assert link.worker.woken == [WEB, WEB]


@in_virtual_time
async def test_a_removal_that_takes_long_and_then_ends_keeps_the_session() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.wish([config_map("b")], home=OTHER)
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle(LONG_S)
        await link.desk.drop(WEB)
        link.reports.put(WEB, Report.gone(CLUSTER, WEB, "uid-1", as_of=START))
        await link.settle(LONG_S)
        assert link.ends == []
        gone = reported(link)
        assert gone is not None
        assert gone.stage is Stage.GONE


@in_virtual_time
async def test_a_tombstone_of_an_older_uid_leaves_the_newer_delivery_alone() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")], uid="uid-2")
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle(LONG_S)
        head = link.desk.get(WEB)
        assert head is not None
        assert link.holds(wish)
        assert head.leaving == ""
        gone = reported(link)
        assert gone is not None
        assert (gone.stage, gone.uid) == (Stage.GONE, "uid-1")
        assert link.ends == []


@in_virtual_time
async def test_gone_is_said_only_when_no_unanswered_write_can_bring_the_delivery_back() -> None:
    async with Link() as link:
        network = link.cluster.network
        network.loses_answers = lambda call: call.is_write and call.name == head_name(WEB)
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        assert link.desk.get(WEB) is None
        network.loses_answers = lambda call: False
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle()
        gone = reported(link)
        assert gone is not None
        assert gone.stage is Stage.GONE
        await link.desk.load()
        assert link.desk.get(WEB) is None


@in_virtual_time
async def test_that_a_delivery_has_left_is_not_said_any_more_when_it_is_here_again() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle()
        await link.desk.drop(WEB)
        link.reports.put(WEB, Report.gone(CLUSTER, WEB, "uid-1", as_of=START))
        await link.settle()
        # The hub has heard it, and places the very same delivery there again.
        link.boards.reports.drop((CLUSTER, WEB))
        wish = link.wish([config_map("a")])
        await link.settle()
        assert link.holds(wish)
        link.lines[-1].cut()
        link.connect()
        await link.settle()
        assert reported(link) is None


@in_virtual_time
async def test_gone_is_not_said_of_what_cannot_be_read() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.lines[-1].cut()
        head = link.cluster.get(SECRETS, NAMESPACE, head_name(WEB))
        damaged = {**head, "data": {"head": "bm90aGluZw=="}}
        link.cluster.replace(SECRETS, NAMESPACE, damaged)
        await link.desk.load()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        link.connect()
        await link.settle(LONG_S)
        assert reported(link) is None
        damaged = link.cluster.get(SECRETS, NAMESPACE, head_name(WEB))
        restored = {**damaged, "data": head["data"]}
        link.cluster.replace(SECRETS, NAMESPACE, restored)
        await link.settle(LONG_S)
        found = link.desk.get(WEB)
        assert found is not None
        assert found.leaving == "delete"


@in_virtual_time
async def test_a_tombstone_for_what_is_not_there_is_answered() -> None:
    async with Link() as link:
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        link.connect()
        await link.settle()
        gone = reported(link)
        assert gone is not None
        assert (gone.stage, gone.uid) == (Stage.GONE, "uid-1")


@in_virtual_time
async def test_a_delivery_made_anew_while_the_old_one_leaves_takes_its_place() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle()
        wish = link.wish([config_map("a")], uid="uid-2")
        await link.settle()
        head = link.desk.get(WEB)
        assert head is not None
        assert link.holds(wish)
        assert head.leaving == ""
        assert head.held, "what the old one made is still known"


@in_virtual_time
async def test_a_tombstone_that_is_taken_back_ends_in_the_same_assignment_again() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle()
        link.wishes.put(WEB, wish)
        await link.settle()
        head = link.desk.get(WEB)
        assert head is not None
        assert link.holds(wish)
        assert head.leaving == ""
        await link.settle(LONG_S)
        assert link.ends == []


@in_virtual_time
async def test_that_it_has_left_is_not_believed_of_a_delivery_that_was_assigned_since() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.put(WEB, Tombstone(home=WEB, uid="uid-1", delete_objects=True))
        await link.settle()
        link.wishes.put(WEB, wish)
        await link.settle()
        link.reports.put(WEB, Report.gone(CLUSTER, WEB, "uid-1", as_of=START))
        await link.settle()
        assert reported(link) is None


@in_virtual_time
async def test_what_is_held_and_not_wished_for_is_left_alone() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.lines[-1].cut()
        link.wishes.drop(WEB)
        link.connect()
        await link.settle(LONG_S)
        head = link.desk.get(WEB)
        assert head is not None
        assert (head.leaving, head.released) == ("", False)
        assert link.ends[1:] == []


@pytest.mark.parametrize("reason", [one for one in HoldReason if one is not HoldReason.RELEASED])
def test_held_means_keep(reason: HoldReason) -> None:
    @in_virtual_time
    async def run() -> None:
        async with Link() as link:
            wish = link.wish([config_map("a")])
            link.connect()
            await link.settle()
            before = link.desk.get(WEB)
            link.wishes.put(WEB, Hold(reason=reason))
            await link.settle(LONG_S)
            assert link.said_down(Keep) == [Keep(home=WEB, hold=Hold(reason=reason))]
            assert link.desk.get(WEB) == before
            link.wishes.put(WEB, wish)
            await link.settle()
            assert len(link.said_down(Assign)) == 1
            assert link.ends == []

    run()


@in_virtual_time
async def test_a_released_delivery_stays_so_until_it_is_assigned_again() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()

        def is_released() -> bool:
            head = link.desk.get(WEB)
            assert head is not None
            return head.released

        link.wishes.put(WEB, RELEASED)
        await link.settle(LONG_S)
        assert is_released()
        link.wishes.put(WEB, Hold(reason=HoldReason.STARTING))
        await link.settle()
        assert is_released()
        link.wishes.put(WEB, wish)
        await link.settle(LONG_S)
        assert not is_released()
        assert link.ends == []


@in_virtual_time
async def test_a_released_delivery_is_assigned_again_by_a_later_session() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.put(WEB, RELEASED)
        await link.settle()
        link.lines[-1].cut()
        await link.settle()
        link.wishes.put(WEB, wish)
        link.connect()
        await link.settle()
        head = link.desk.get(WEB)
        assert head is not None
        assert not head.released


@in_virtual_time
async def test_a_wish_that_vanishes_takes_nothing_away() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.wishes.drop(WEB)
        await link.settle(LONG_S)
        assert link.holds(wish)
        assert link.ends == []


@in_virtual_time
async def test_an_old_hub_is_refused() -> None:
    async with Link() as link:
        await link.desk.save_term(7)
        line = link.connect()
        link.registry.next_term = 3
        await link.settle()
        (end,) = link.ends
        assert isinstance(end, SessionRefused)
        assert end.reason == "OldTerm"
        assert link.desk.term == 7
        assert [type(one) for one in line.up.said] == [Hello]


@in_virtual_time
async def test_a_newer_session_ends_the_older_one_and_what_it_still_brings_does_not_count() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        old = link.connect()
        await link.settle()
        bundle = wish.assignment.bundle.digest
        new = link.connect()
        await asyncio.sleep(0.1)
        assert link.presence.term == 2
        await old.agent.send(ready(bundle, message="old"))
        await old.agent.send(Alive(desk_root=link.desk.root))
        await link.settle(3.0)
        assert reported(link) is None
        assert link.presence.term == 2
        assert link.is_connected()
        (end,) = link.ends
        assert isinstance(end, SessionRefused)
        assert end.reason == "Superseded"
        assert not new.is_broken


@in_virtual_time
async def test_a_silent_agent_is_not_taken_for_connected() -> None:
    async with Link() as link:
        link.wish([config_map("a")])
        line = link.connect()
        await link.settle()
        line.freeze()
        await link.settle(ALIVE_S * MISSED_ALIVES - 3)
        assert link.is_connected()
        await link.settle(8.0)
        assert not link.is_connected()
        assert "nothing was heard" in link.presence.problem


@in_virtual_time
async def test_a_hub_that_was_held_up_itself_takes_no_agent_for_silent() -> None:
    # All would be cut off in the same moment, by a hub that has too little time already, and come back at once.
    async with Link() as link:
        link.connect()
        await link.settle()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        began = link.presence.term
        loop.hold_up(ALIVE_S * MISSED_ALIVES * 2)
        await link.settle(ALIVE_S * 2)
        assert link.is_connected()
        assert link.presence.term == began


@in_virtual_time
async def test_an_agent_that_cannot_even_be_told_is_not_taken_for_connected() -> None:
    async with Link() as link:
        line = link.connect()
        await link.settle()

        line.is_stuck = True
        await link.settle(LONG_S)
        assert not link.is_connected()


@in_virtual_time
async def test_a_caller_that_says_nothing_is_sent_away() -> None:
    async with Link() as link:
        line = link.connect()
        line.freeze()
        await link.settle(15.0)
        assert link.boards.presence.get(CLUSTER) is None
        line.thaw()
        assert line.down.said == []


@in_virtual_time
async def test_a_revoked_certificate_ends_the_session_within_five_seconds() -> None:
    async with Link() as link:
        link.connect()
        await link.settle(60.0)
        link.registry.refusal = Refusal("the certificate was revoked", reason="Revoked")
        await link.settle(4.9)
        (end,) = link.ends
        assert isinstance(end, SessionRefused)
        assert end.reason == "Revoked"
        assert not link.is_connected()


@in_virtual_time
async def test_out_of_step_ends_in_a_new_hello_that_heals() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        await link.desk.drop(WEB)
        await link.settle(LONG_S)
        (end,) = link.ends
        assert isinstance(end, SessionRefused)
        assert end.reason == "OutOfStep"
        link.connect()
        await link.settle(LONG_S)
        assert link.holds(wish)
        assert len(link.ends) == 1


@in_virtual_time
async def test_content_that_was_lost_on_the_desk_is_sent_again() -> None:
    async with Link() as link:
        manifests = [config_map(f"a{number}", str(number) * 15_000) for number in range(20)]
        wish = link.wish(manifests)
        link.connect()
        await link.settle()
        head = link.desk.get(WEB)
        assert head is not None
        for name in head.packs:
            link.cluster.delete(SECRETS, NAMESPACE, name)
        # A changed line alone is enough to notice.
        wish = link.wish([*manifests[:-1], config_map("a19", "changed")])
        await link.settle(5.0)
        assert link.holds(wish)
        head = link.desk.get(WEB)
        assert head is not None
        needed = {entry.digest for entry in head.entries}
        assert set(await link.desk.blobs(head, needed)) == needed


@in_virtual_time
async def test_content_that_was_found_lost_is_sent_again_though_nothing_changed() -> None:
    async with Link() as link:
        wish = link.wish([config_map(f"a{number}", str(number) * 15_000) for number in range(20)])
        link.connect()
        await link.settle()
        head = link.desk.get(WEB)
        assert head is not None
        needed = {entry.digest for entry in head.entries}
        for name in head.packs:
            link.cluster.delete(SECRETS, NAMESPACE, name)
        with pytest.raises(ContentMissing):
            await link.desk.blobs(head, needed)
        await link.settle(LONG_S)
        link.connect()
        await link.settle(LONG_S)
        assert link.holds(wish)
        head = link.desk.get(WEB)
        assert head is not None
        assert set(await link.desk.blobs(head, needed)) == needed
        assert len(link.ends) == 1


@in_virtual_time
async def test_an_assignment_for_another_cluster_is_refused_with_a_reason() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        foreign = replace(wish, assignment=replace(wish.assignment, cluster=ClusterId("another")))
        link.wishes.put(WEB, foreign)
        link.connect()
        await link.settle()
        (nack,) = link.said_up(Nack)
        assert isinstance(nack, Nack)
        assert nack.reason == "OtherCluster"
        assert link.desk.get(WEB) is None
        # The hub says it anew when it wishes anew.
        link.wishes.put(WEB, wish)
        await link.settle()
        assert link.holds(wish)


@in_virtual_time
async def test_what_an_agent_declined_is_on_the_board_until_it_takes_one() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        foreign = replace(wish, assignment=replace(wish.assignment, cluster=ClusterId("another")))
        link.wishes.put(WEB, foreign)
        link.connect()
        await link.settle()
        declined = link.boards.declined.get((CLUSTER, WEB))
        assert declined is not None
        assert (declined.uid, declined.reason) == ("uid-1", "OtherCluster")
        assert "another" in declined.message
        link.wishes.put(WEB, wish)
        await link.settle()
        assert link.boards.declined.get((CLUSTER, WEB)) is None


@in_virtual_time
async def test_what_an_agent_declined_is_said_again_after_a_while() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        index = wish.assignment.bundle.base
        kept, link.content[index] = link.content[index], b'{"format":2}'
        link.connect()
        await link.settle()
        assert len(link.said_up(Nack)) == 1
        link.content[index] = kept
        await link.settle(ALIVE_S * 4)
        assert link.holds(wish)
        assert link.boards.declined.get((CLUSTER, WEB)) is None


@in_virtual_time
async def test_what_an_agent_declined_counts_no_more_when_it_is_not_wished_for() -> None:
    async with Link() as link:
        first = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        foreign = replace(first, assignment=replace(first.assignment, cluster=ClusterId("another")))
        link.wishes.put(WEB, foreign)
        await link.settle()
        assert link.boards.declined.get((CLUSTER, WEB)) is not None
        link.wishes.put(WEB, first)
        await link.settle()
        assert link.boards.declined.get((CLUSTER, WEB)) is None


@in_virtual_time
async def test_an_assignment_that_cannot_be_read_ends_the_session_by_name() -> None:
    async with Link() as link:
        line = link.connect()
        await link.settle()
        await line.hub.send(Assign(assignment=b'{"format":2}'))
        await link.settle()
        (end,) = link.ends
        assert isinstance(end, SessionRefused)
        assert end.reason == "Malformed"
        assert "format 2" in str(end)


@in_virtual_time
async def test_an_index_that_cannot_be_read_is_refused_and_what_is_held_stays() -> None:
    async with Link() as link:
        first = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        index = b'{"format":2}'
        link.content[digest_of(index)] = index
        bundle = replace(first.assignment.bundle, base=digest_of(index))
        link.wishes.put(WEB, replace(first, assignment=replace(first.assignment, bundle=bundle)))
        await link.settle()
        (nack,) = link.said_up(Nack)
        assert isinstance(nack, Nack)
        assert nack.reason == "Malformed"
        assert link.holds(first)


@in_virtual_time
async def test_an_older_order_is_refused() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        line = link.connect()
        await link.settle()
        late = replace(wish.assignment, order=Order(0, 9), generation=0)
        await line.hub.send(Assign(assignment=late.encode()))
        await link.settle()
        (nack,) = link.said_up(Nack)
        assert isinstance(nack, Nack)
        assert nack.reason == "OlderOrder"
        assert link.holds(wish)


@in_virtual_time
async def test_content_that_cannot_be_had_is_asked_for_again() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        index = link.content.pop(wish.assignment.bundle.base)
        link.connect()
        await link.settle(5.0)
        assert link.desk.get(WEB) is None
        link.content[wish.assignment.bundle.base] = index
        await link.settle(20.0)
        assert link.holds(wish)


@in_virtual_time
async def test_reports_go_up_under_the_cluster_of_the_certificate_and_again_in_each_session() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        link.connect()
        await link.settle()
        link.reports.put(WEB, ready(wish.assignment.bundle.digest))
        await link.settle()
        heard = reported(link)
        assert heard is not None
        assert (heard.stage, heard.cluster) == (Stage.READY, CLUSTER)
        link.boards.reports.drop((CLUSTER, WEB))
        link.lines[-1].cut()
        link.connect()
        await link.settle()
        assert reported(link) is not None


@in_virtual_time
async def test_notices_are_told_until_they_are_acknowledged() -> None:
    async with Link() as link:
        wish = link.wish([config_map("a")])
        line = link.connect()
        await link.settle()
        line.freeze()
        link.notices.add(wish.assignment, NoticeKind.APPLIED, "Progressing", "a created", at=START)
        await link.settle()
        line.cut()
        await link.settle()
        link.connect()
        await link.settle()
        told = [one.notice.message for one in link.boards.happenings.snapshot().values()]
        assert told == ["a created"]
        link.lines[-1].cut()
        link.connect()
        await link.settle()
        assert len(link.boards.happenings.snapshot()) == 1


@in_virtual_time
async def test_a_second_welcome_or_hello_ends_the_session() -> None:
    async with Link() as link:
        line = link.connect()
        await link.settle()
        await line.hub.send(Welcome(protocol=1, hub_version="1", term=9, alive_interval_s=1.0))
        await link.settle()
        (end,) = link.ends
        assert isinstance(end, SessionRefused)
        assert end.reason == "Malformed"
        assert link.desk.term == 1


def notice(seq: int) -> Notice:
    return Notice(
        seq=seq,
        home=WEB,
        uid="uid-1",
        kind=NoticeKind.APPLIED,
        reason="",
        message="",
        at="2026-01-01T00:00:00Z",
    )


def hello(*held: Held) -> Hello:
    return Hello(protocol=1, agent_version="0", kubernetes_version="v1", term=0, held=held, instance="pod")


@in_virtual_time
async def test_no_difference_is_told_to_what_was_never_wished_for_here() -> None:
    async with Link() as link:
        foreign = bundle([config_map("name-of-another-clusters-secret")])
        link.content[foreign.base.digest] = foreign.base.encode()
        link.content.others = frozenset({foreign.base.digest})
        mine = link.wish([config_map("a")])
        line = link.connect_alone()
        claimed = Held(
            home=WEB,
            uid="uid-1",
            candidate=mine.assignment.candidate,
            bundle=foreign.ref,
            substance=digest_of(b"another"),
            order=Order(1, 1),
        )
        await line.agent.send(hello(claimed))
        await link.settle()
        (sent,) = link.said_down(Assign)
        assert isinstance(sent, Assign)
        assert sent.delta is None


@in_virtual_time
async def test_one_cluster_may_report_so_much_and_no_more_whatever_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allowance, "MAX_REPORTS", 3)
    monkeypatch.setattr(allowance, "MAX_REPORT_BYTES", 5_000)
    async with Link() as link:
        for names, is_refused in (("ab", False), ("bca", False), ("abcd", True)):
            line = link.connect_alone()
            await line.agent.send(hello())
            for name in names:
                await line.agent.send(
                    replace(ready(Digest("")), home=HomeName("Kustomization", "apps", name))
                )
            await link.settle()
            assert link.is_connected() is not is_refused
        (refused,) = link.said_down(Refused)
        assert isinstance(refused, Refused)
        assert refused.reason == "TooManyReports"
        assert len(link.boards.reports.snapshot()) == 3


@in_virtual_time
async def test_one_cluster_may_report_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MAX_REPORT_BYTES", 5_000)
    async with Link() as link:
        line = link.connect_alone()
        await line.agent.send(hello())
        for message in ("x" * 4_000, "", "y" * 4_000):
            await line.agent.send(ready(Digest(""), message=message))
        await link.settle()
        assert link.is_connected()
        await line.agent.send(ready(Digest(""), message="z" * 5_000))
        await link.settle()
        assert not link.is_connected()
        assert reported(link) == replace(ready(Digest(""), message="y" * 4_000), cluster=CLUSTER)


@in_virtual_time
async def test_events_that_nobody_has_told_yet_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MAX_NOTICES", 2)
    async with Link() as link:
        line = link.connect_alone()
        await line.agent.send(hello())
        for seq in (1, 2):
            await line.agent.send(notice(seq))
        await link.settle()
        for key in link.boards.happenings.snapshot():
            link.boards.happenings.drop(key)
        for seq in (3, 4):
            await line.agent.send(notice(seq))
        await link.settle()
        assert link.is_connected()
        await line.agent.send(notice(5))
        await link.settle()
        (refused,) = link.said_down(Refused)
        assert isinstance(refused, Refused)
        assert refused.reason == "TooManyNotices"


@in_virtual_time
async def test_signs_of_life_count_no_more_often_than_they_were_asked_for() -> None:
    async with Link() as link:
        line = link.connect_alone()
        await line.agent.send(hello())
        # Were each compared, the third would end the session as out of step.
        for _ in range(100):
            await line.agent.send(Alive(desk_root=Digest("nonsense")))
        await link.settle()
        assert link.is_connected()
