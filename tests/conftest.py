"""What every test process needs."""

import asyncio

import pytest

from agent.link.channel import keep_polling


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep gRPC's poller running, as programs do: tests leave channels to the garbage collector in the middle of calls."""

    async def keep() -> None:
        keep_polling()

    asyncio.run(keep())
