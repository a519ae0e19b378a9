"""The only place that starts tasks. A task that fails is told of, never lost; whoever owns the group ends all of them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from agent.kit.errors import CartwheelError

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """Tasks that live as long as their owner. The first that fails is what `wait_for_failure` raises."""

    def __init__(self) -> None:
        # In the order in which they were started, so that a simulation repeats.
        self._running: dict[asyncio.Task[Any], None] = {}
        self._failed: asyncio.Event = asyncio.Event()
        self._failure: BaseException | None = None

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run a coroutine beside the caller."""
        task = asyncio.create_task(work, name=name)
        self._running[task] = None
        task.add_done_callback(self._done)
        return task

    async def wait_for_failure(self) -> None:
        """Wait until a task has failed, and raise what it raised."""
        await self._failed.wait()
        if self._failure is not None:
            raise self._failure

    async def run_until(self, task: asyncio.Task[Any]) -> None:
        """Wait until the task has ended, or raise what the first of the group to fail raised."""
        failing = asyncio.create_task(self._failed.wait())
        try:
            await asyncio.wait((task, failing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            failing.cancel()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.pop(task, None)
        if task.cancelled() or task.exception() is None:
            return
        problem = task.exception()
        if not isinstance(problem, CartwheelError):
            # What the owner does not expect; the others it hears of as the group's failure.
            _LOG.error("task failed", exc_info=problem, extra={"task": task.get_name()})
        if self._failure is None:
            self._failure = problem
            self._failed.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Offload(Protocol):
    """Does work that keeps a processor busy where it holds up no other task."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def in_thread(work: Callable[[], T], /) -> T:
    """Do work in a thread: beside it the loop goes on, if more slowly."""
    return await asyncio.to_thread(work)


async def all_of(works: Sequence[Coroutine[Any, Any, T]], *, at_once: int) -> list[T]:
    """Run coroutines, so many at once, and return what they return, in their order. The first failure cancels the rest."""
    gate = asyncio.Semaphore(at_once)

    async def one(work: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await work

    if len(works) == 1:
        return [await works[0]]
    running = [asyncio.create_task(one(work)) for work in works]
    try:
        return list(await asyncio.gather(*running))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for work in works:
            work.close()
