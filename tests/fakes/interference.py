"""Ready-made interference with an API server in memory."""

import asyncio
from collections.abc import Callable

from agent.kube.errors import Unreachable
from tests.fakes.door import Call


class Network:
    """The way to the server. Requests that `cuts` chooses fail, before or after they took effect; those that `hangs` chooses never return."""

    def __init__(self) -> None:
        self.cuts: Callable[[Call], bool] = _none
        self.loses_answers: Callable[[Call], bool] = _none
        self.hangs: Callable[[Call], bool] = _none

    async def before(self, call: Call) -> None:
        if self.hangs(call):
            await asyncio.Event().wait()
        if self.cuts(call):
            raise Unreachable(f"{call.verb} {call.resource}: connection refused")

    async def after(self, call: Call) -> None:
        if self.loses_answers(call):
            raise Unreachable(f"{call.verb} {call.resource}: connection reset")


def _none(_: Call) -> bool:
    return False
