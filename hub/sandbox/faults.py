"""Faults between clients and an API server in memory: latency, refusals, lost and half answers, hangs.

    faults = Faults(clock)
    server.traffic.interference = faults
    faults.loses_answers = lambda call: call.verb == "apply"

What is refused or cut off before it arrives has done nothing; what is lost or halved afterwards has taken effect.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import msgspec

from agent.kit.clock import Clock
from hub.sandbox.calls import Call
from hub.sandbox.wire import Answer, Broken

Choice = Callable[[Call], bool]


def none(_: Call) -> bool:
    """Choose no call."""
    return False


class Faults:
    """What is to go wrong, by the calls it is to happen to; nothing as long as nothing is chosen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.latency_s: Callable[[Call], float] = lambda _: 0.0
        """How long a request is on its way."""
        self.refuses: Callable[[Call], Answer | None] = lambda _: None
        """What is answered in the server's place: `busy()`, `answer_of(timed_out())`."""
        self.cuts: Choice = none
        """The connection breaks before the request arrives."""
        self.hangs: Choice = none
        """The request never arrives, and the connection stays."""
        self.loses_answers: Choice = none
        """The connection breaks before anything of the answer comes."""
        self.halves: Choice = none
        """The connection breaks in the middle of the body; of a watch, in the middle of its first line."""
        self.clips: Choice = none
        """Half of the body comes as if it were all, as from a proxy that lost the rest."""

    async def before(self, call: Call) -> Answer | None:
        if self.hangs(call):
            await asyncio.Event().wait()
        if (latency_s := self.latency_s(call)) > 0:
            await self._clock.sleep(latency_s)
        if self.cuts(call):
            raise Broken
        return self.refuses(call)

    async def after(self, call: Call, answer: Answer) -> Answer:
        if self.loses_answers(call):
            raise Broken
        if self.halves(call):
            if answer.stream is None:
                raise Broken(_half(answer.body))
            return replace(answer, stream=_torn(answer.stream))
        if self.clips(call) and answer.stream is None:
            half = _half(answer.body).decode(errors="ignore")
            return Answer(status=answer.status, text=half, media_type=answer.media_type)
        return answer


def busy(after_s: int = 1) -> Answer:
    """Return what priority and fairness answers when too many others ask: no Status, a line of text."""
    text = "Too many requests, please try again later.\n"
    headers = {"Retry-After": str(after_s)}
    return Answer(status=429, text=text, media_type="text/plain; charset=utf-8", headers=headers)


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


async def _torn(stream: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """Break in the middle of the first line of a stream."""
    async with aclosing(stream):
        async for value in stream:
            raise Broken(_half(msgspec.json.encode(value)))
        yield
