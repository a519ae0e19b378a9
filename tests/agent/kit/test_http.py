"""Probes are answered by what is true."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from agent.kit.http import ProbeServer
from agent.kit.loops import Running
from agent.kit.telemetry import Telemetry


class Stage:
    """A program whose readiness and only loop are as a test says."""

    name = "works"
    silent_s = 0.0
    problem = ""

    def __init__(self) -> None:
        self.telemetry = Telemetry(stuck_after_s=60.0)
        self.server = ProbeServer("127.0.0.1", 0, ready=lambda: self.problem, telemetry=self.telemetry)

    async def drain(self) -> None:
        """Nothing goes on."""

    async def ask(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    await found.server.start()
    yield found
    await found.server.stop()


async def test_readiness_is_what_the_program_says(stage: Stage) -> None:
    assert await stage.ask("/readyz") == (200, "ok\n")
    stage.problem = "hub-1 leads"
    assert await stage.ask("/readyz") == (503, "hub-1 leads\n")


async def test_health_is_that_all_loops_move(stage: Stage) -> None:
    loop: Running = stage
    with stage.telemetry.loops.running(loop):
        assert await stage.ask("/healthz") == (200, "ok\n")
        stage.silent_s = 61.0
        assert await stage.ask("/healthz") == (503, "a worker of loop works has not moved for 61 s\n")
    assert await stage.ask("/healthz") == (200, "ok\n")


async def test_metrics_are_those_of_the_program(stage: Stage) -> None:
    stage.telemetry.counter("cartwheel_tests", "Tests.", result=("good", "bad")).labels("good").inc()
    status, text = await stage.ask("/metrics")
    assert status == 200
    assert 'cartwheel_tests_total{result="good"} 1.0' in text
    assert 'cartwheel_tests_total{result="bad"} 0.0' in text
