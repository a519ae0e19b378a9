"""What passes between clients and one server: who listens, what goes wrong on the way, and the watches that are open.

    server.traffic.listener = calls.append
    server.traffic.interference = Faults(clock)

State: those two, the open watches, and whether the server is up. While nobody listens or interferes, nothing is read twice.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Protocol

from hub.sandbox.calls import Call
from hub.sandbox.wire import Answer, Broken, Request


class Interference(Protocol):
    """What may come between a client and the server. Both may wait, and raise Broken where the connection breaks."""

    async def before(self, call: Call) -> Answer | None:
        """Let a request through, or return what is answered in the server's place: nothing was done then."""
        ...

    async def after(self, call: Call, answer: Answer) -> Answer:
        """Return what arrives of an answer: what was asked is done by now."""
        ...


class OpenWatch:
    """One watch that is open, and what it is to do next."""

    def __init__(self) -> None:
        self.bookmarks = 0
        self.is_over = False
        self.is_broken = False

    def check(self) -> None:
        """Raise Broken when the connection is gone."""
        if self.is_broken:
            raise Broken


class _Turn:
    """What lets the others run once, when it is awaited."""

    def __await__(self) -> Generator[None]:
        yield


class Traffic:
    """The way into one server. `describe` says what a request is, `answer` is the server's, `wake` has all watches look what they are to do."""

    def __init__(
        self,
        *,
        describe: Callable[[Request], Call],
        answer: Callable[[Request], Answer],
        wake: Callable[[], None],
    ) -> None:
        self.listener: Callable[[Call], None] | None = None
        self.interference: Interference | None = None
        self._describe = describe
        self._answer = answer
        self._wake = wake
        self._open: set[OpenWatch] = set()
        self._is_up = True
        self._crashes = 0

    @property
    def watches(self) -> int:
        """Return how many watches are open."""
        return len(self._open)

    async def exchange(self, request: Request) -> Answer:
        """Return what comes back of a request. Raises Broken."""
        # As on any way, others get their turn before anything is done.
        await _Turn()
        if not self._is_up:
            raise Broken
        if self.listener is None and self.interference is None:
            return await self._answer(request).settled()
        call, between, crashes = self._describe(request), self.interference, self._crashes
        if between is not None:
            instead = await between.before(call)
            self._check(crashes)
            if instead is not None:
                return instead
        if self.listener is not None:
            self.listener(call)
        answer = await self._answer(request).settled()
        if between is not None:
            answer = await between.after(call, answer)
            self._check(crashes)
        return answer

    def _check(self, crashes: int) -> None:
        """Raise Broken for a request that was on its way when the server crashed."""
        if self._crashes != crashes:
            raise Broken

    @contextmanager
    def watching(self) -> Iterator[OpenWatch]:
        """Count a watch as open during the block."""
        watch = OpenWatch()
        self._open.add(watch)
        try:
            yield watch
        finally:
            self._open.remove(watch)

    def end_watches(self) -> None:
        """End all open watches in good order, as a server does after a while."""
        for watch in self._open:
            watch.is_over = True
        self._wake()

    def break_watches(self) -> None:
        """Break the connections of all open watches."""
        for watch in self._open:
            watch.is_broken = True
        self._wake()

    def bookmark(self) -> None:
        """Send a bookmark on all open watches that take any."""
        for watch in self._open:
            watch.bookmarks += 1
        self._wake()

    def stop(self) -> None:
        """Break all connections, and let no request through."""
        self._is_up = False
        self._crashes += 1
        self.break_watches()

    def resume(self) -> None:
        """Let requests through again."""
        self._is_up = True
