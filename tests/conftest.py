"""What every test process needs."""

import asyncio
import os

import pytest
from hypothesis import settings

from agent.link.channel import keep_polling

# How long an example takes says more of the machine than of the code; and CI tries the same examples every time.
settings.register_profile("steady", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("steady")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep gRPC's poller running, as programs do: tests leave channels to the garbage collector in the middle of calls."""

    async def keep() -> None:
        keep_polling()

    asyncio.run(keep())
