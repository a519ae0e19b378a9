"""A line of a log is one JSON object, and says what the work is about that it was written in."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from agent.kit.errors import Transient
from agent.kit.logs import JsonFormatter, bound
from agent.kit.reconcile import Backoff, Loop, Outcome
from agent.kit.tasks import Tasks
from tests.fakes.clock import FakeClock, SeededRandomness, in_virtual_time

LOG = logging.getLogger("agent.test")


class Lines(logging.Handler):
    """What was logged, as it is written."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(JsonFormatter())
        self.all: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        assert "\n" not in text
        self.all.append(json.loads(text))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.all if one["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    found, root = Lines(), logging.getLogger("agent")
    level = root.level
    root.addHandler(found)
    root.setLevel(logging.INFO)
    yield found
    root.removeHandler(found)
    root.setLevel(level)


def test_a_line_has_time_level_logger_event_and_fields(lines: Lines) -> None:
    LOG.warning("failed", extra={"reason": "No", "text": "two\nlines"})
    (line,) = lines.all
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "agent.test",
        "event": "failed",
        "reason": "No",
        "text": "two\nlines",
    }


def test_a_defect_brings_its_traceback_in_one_line(lines: Lines) -> None:
    try:
        raise KeyError("defect")
    except KeyError:
        LOG.exception("defect")
    assert "KeyError" in lines.all[0]["traceback"]


def test_what_is_bound_is_on_every_line_of_the_block_and_on_no_other(lines: Lines) -> None:
    with bound(delivery="Kustomization/apps/web"):
        with bound(cluster_id="c-1"):
            LOG.info("both")
        LOG.info("outer")
    LOG.info("none")
    fields = [
        {name: line.get(name) for name in ("delivery", "cluster_id") if name in line} for line in lines.all
    ]
    assert fields == [
        {"delivery": "Kustomization/apps/web", "cluster_id": "c-1"},
        {"delivery": "Kustomization/apps/web"},
        {},
    ]


@in_virtual_time
async def _log_in_tasks() -> None:
    clock = FakeClock()

    async def say(event: str) -> None:
        await clock.sleep(1)
        LOG.info(event)

    async with Tasks() as tasks:
        with bound(cluster_id="c-1"):
            tasks.start(say("inside"), name="inside")
        tasks.start(say("outside"), name="outside")
        await clock.sleep(2)


def test_tasks_that_are_begun_in_the_block_carry_it_on(lines: Lines) -> None:
    _log_in_tasks()
    assert lines.of("inside")[0]["cluster_id"] == "c-1"
    assert "cluster_id" not in lines.of("outside")[0]


@in_virtual_time
async def _reconcile_two() -> None:
    clock = FakeClock()

    async def work(key: str) -> Outcome:
        LOG.info("working")
        await clock.sleep(1)
        LOG.info("worked")
        raise Transient("no", reason="No")

    loop = Loop(
        "deliveries",
        work,
        clock=clock,
        randomness=SeededRandomness(),
        backoff=Backoff(first_s=100),
        workers=2,
        about=lambda key: {"delivery": key},
    )
    async with Tasks() as tasks:
        tasks.start(loop.run(), name="loop")
        loop.mark("a")
        loop.mark("b")
        await clock.sleep(5)


def test_every_line_of_a_pass_names_its_loop_and_what_it_is_about(lines: Lines) -> None:
    _reconcile_two()
    for event in ("working", "worked", "failed"):
        assert [(line["loop"], line["delivery"]) for line in lines.of(event)] == [
            ("deliveries", "a"),
            ("deliveries", "b"),
        ]
