"""Notices are told until they are acknowledged, and never fill the memory."""

import asyncio

from agent.model.report import Notice, NoticeKind
from agent.notices import MAX_NOTICES, Notices
from tests.agent.wishes import assignment
from tests.fakes.clock import START, in_virtual_time


def add(notices: Notices, message: str) -> None:
    notices.add(assignment(), NoticeKind.APPLIED, "Progressing", message, at=START)


def messages(found: tuple[Notice, ...]) -> list[str]:
    return [one.message for one in found]


@in_virtual_time
async def test_they_come_in_order_and_again_until_acknowledged() -> None:
    notices = Notices()
    for message in "abc":
        add(notices, message)
    found = await notices.after(0)
    assert messages(found) == ["a", "b", "c"]
    assert messages(await notices.after(found[0].seq)) == ["b", "c"]
    notices.acknowledge(found[1].seq)
    assert messages(await notices.after(0)) == ["c"]


@in_virtual_time
async def test_who_has_heard_all_waits_for_the_next() -> None:
    notices = Notices()
    add(notices, "a")
    (first,) = await notices.after(0)
    waiting = asyncio.ensure_future(notices.after(first.seq))
    await asyncio.sleep(10)
    assert not waiting.done()
    add(notices, "b")
    assert messages(await waiting) == ["b"]


@in_virtual_time
async def test_the_oldest_go_when_nobody_listens_and_how_many_is_told() -> None:
    notices = Notices()
    for number in range(MAX_NOTICES + 5):
        add(notices, str(number))
    found = await notices.after(0)
    assert len(found) == MAX_NOTICES
    assert found[0].message == "5"
    notices.acknowledge(found[-1].seq)
    add(notices, "next")
    (later,) = await notices.after(0)
    assert later.message == "next\n(5 earlier events were lost while the hub was away)"
