"""A board gives every reader the newest value of each key, and nothing twice."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kit.board import Board


async def test_a_reader_begins_with_what_is_there() -> None:
    board: Board[str, int] = Board()
    board.put("a", 1)
    with board.reader() as reader:
        assert await reader.next() == {"a": 1}


async def test_a_reader_that_fell_behind_gets_the_last_value_only() -> None:
    board: Board[str, int] = Board()
    with board.reader() as reader:
        for value in range(100):
            board.put("a", value)
        assert await reader.next() == {"a": 99}


async def test_an_equal_value_wakes_nobody() -> None:
    board: Board[str, int] = Board()
    board.put("a", 1)
    with board.reader() as reader:
        await reader.next()
        assert not board.put("a", 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.next(), 0.01)


async def test_a_dropped_key_is_told_as_nothing() -> None:
    board: Board[str, int] = Board()
    board.put("a", 1)
    with board.reader() as reader:
        await reader.next()
        board.drop("a")
        assert await reader.next() == {"a": None}


async def test_a_closed_reader_costs_the_board_nothing() -> None:
    board: Board[str, int] = Board()
    reader = board.reader()
    reader.close()
    board.put("a", 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.next(), 0.01)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3) | st.none(), st.booleans())))
def test_what_a_reader_has_seen_ends_as_the_board(steps: list[tuple[str, int | None, bool]]) -> None:
    async def follow() -> None:
        board: Board[str, int] = Board()
        seen: dict[str, int | None] = {}
        with board.reader() as reader:
            for at, (key, value, reads) in enumerate([*steps, ("a", 1, True)]):
                if value is None:
                    board.drop(key)
                else:
                    board.put(key, value)
                if reads:
                    board.put("always there is something to read", at)
                    seen.update(await reader.next())
        assert {key: value for key, value in seen.items() if value is not None} == board.snapshot()

    asyncio.run(follow())
