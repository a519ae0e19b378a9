"""How a program of ours runs: until it ends, or until it is asked to."""

import asyncio
import logging
import resource
import signal
from collections.abc import Awaitable, Callable

from agent.kit.errors import CartwheelError

_LOG = logging.getLogger(__name__)


def until_stopped(work: Callable[[], Awaitable[None]]) -> int:
    """Run a program until it ends or SIGTERM or SIGINT asks it to, and return its exit status."""

    async def serve() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await work()

    _permit_open_files()
    try:
        asyncio.run(serve())
    except asyncio.CancelledError:
        return 0
    except CartwheelError as problem:
        _LOG.error("ended", extra={"reason": problem.reason, "error": str(problem)})
        return 1
    return 0


def _permit_open_files() -> None:
    """Have as many files open as is permitted: a session is one, and many a runtime begins with 1,024, which a thousand agents use up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
