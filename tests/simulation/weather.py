"""What befalls requests and messages, by the seed; each is a step that the judge looks at."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

from agent.kit.loops import still_moving
from agent.kube.errors import ServerFailed, TooManyRequests, Unreachable
from tests.fakes.line import Fate, Way
from tests.simulation.api import Call
from tests.simulation.place import APPS, CONFIG_MAPS, Place, give_away
from tests.simulation.tally import Step
from tests.simulation.world import World

T = TypeVar("T")


class Trouble(StrEnum):
    """What becomes of a request."""

    NONE = "answered"
    REFUSED = "not carried out, no answer"
    LOST = "carried out, no answer"
    BUSY = "429"
    BROKEN = "500"


_TROUBLES = (
    (0.02, Trouble.REFUSED),
    (0.04, Trouble.LOST),
    (0.045, Trouble.BUSY),
    (0.05, Trouble.BROKEN),
)


class Weather:
    """The network of one place."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place

    async def carry(self, call: Call, work: Callable[[], Awaitable[T]]) -> T:
        """Bring a request to the server and its answer back, or not."""
        trouble, there_s, back_s = self._decide(call)
        self._world.judge.request(self._place, call)
        self._world.step(Step.REQUEST, f"{self._place.id} {call.verb} {call.resource} {call.name} {trouble}")
        await self._hang(call)
        await asyncio.sleep(there_s)
        # As the client of production does: whoever gets an answer moves.
        still_moving()
        self._refuse(call, trouble)
        is_deletion = call.verb == "delete" and call.resource == CONFIG_MAPS.plural
        if is_deletion:
            self._hijack(call)
            self._world.judge.deleting(self._place, call)
        answer = await work()
        self._world.tally.deletions += is_deletion
        if back_s:
            await asyncio.sleep(back_s)
        if trouble is Trouble.LOST:
            raise Unreachable(f"{call.verb} {call.name}: connection reset")
        return answer

    def _decide(self, call: Call) -> tuple[Trouble, float, float]:
        """Return what becomes of a request, and how long it and its answer travel."""
        world, chance = self._world, self._world.chance
        if world.is_calm or call.verb == "watch":
            return Trouble.NONE, 0.0, 0.0
        if world.clock.monotonic_s() < self._place.down_until_s:
            return Trouble.REFUSED, 0.0, 0.0
        there_s, back_s = (chance.uniform(0.0, 0.5) if chance.random() < 0.1 else 0.0 for _ in range(2))
        roll = chance.random()
        trouble = next((one for limit, one in _TROUBLES if roll < limit), Trouble.NONE)
        world.tally.drops += trouble in (Trouble.REFUSED, Trouble.LOST)
        return trouble, there_s, back_s

    async def _hang(self, call: Call) -> None:
        """Never return, once when that was asked for: the worker that asks hangs until its process is killed."""
        place = self._place
        if (
            place.hangs_next
            and call.resource == CONFIG_MAPS.plural
            and call.verb in ("get", "apply", "delete")
        ):
            place.hangs_next, since_s = False, self._world.clock.monotonic_s()
            place.stuck.append(since_s)
            try:
                await asyncio.Event().wait()
            finally:
                # Given up with what it was part of, or killed.
                place.stuck.remove(since_s)

    def _hijack(self, call: Call) -> None:
        """Have somebody take an object over just before it is deleted, once when that was asked for."""
        live = self._place.cluster.objects.get((CONFIG_MAPS.plural, APPS, call.name))
        if self._place.hijacks_next and live is not None:
            self._place.hijacks_next = False
            give_away(self._place, live)

    def _refuse(self, call: Call, trouble: Trouble) -> None:
        text = f"{call.verb} {call.resource} {call.name}"
        match trouble:
            case Trouble.REFUSED:
                raise Unreachable(f"{text}: connection refused")
            case Trouble.BUSY:
                raise TooManyRequests(f"{text}: busy", status=429, reason="TooManyRequests")
            case Trouble.BROKEN:
                raise ServerFailed(f"{text}: etcdserver: leader changed", status=500, reason="InternalError")
            case Trouble.NONE | Trouble.LOST:
                return


def messages(world: World, place: Place, way: str) -> Callable[[object, Way], Fate]:
    """Return what decides on the messages that travel one way between an agent and the hub."""

    def decide(message: object, sending: Way) -> Fate:
        chance = world.chance
        delay_s = 0.0 if world.is_calm or chance.random() < 0.7 else chance.uniform(0.0, 2.0)
        # After the greeting, which is once by its nature.
        is_twice = len(sending.said) > 0 and not world.is_calm and chance.random() < 0.1
        word = "swallowed" if sending.is_silent else "twice" if is_twice else "late" if delay_s else "in time"
        world.tally.drops += sending.is_silent
        world.step(Step.MESSAGE, f"{place.id} {way} {type(message).__name__} {word}")
        return Fate(delay_s=delay_s, copies=2 if is_twice else 1)

    return decide
