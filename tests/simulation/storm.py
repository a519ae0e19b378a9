"""One seed from its first wish to the calm in which everything has to come to rest: what happens, in which order, the seed decides."""

import asyncio
import contextlib
import logging
from unittest import mock

from agent import desk
from agent.kube.resources import SECRETS
from hub.gateway import session
from tests.fakes.clock import in_virtual_time
from tests.simulation.cluster import copied
from tests.simulation.judge import HOMES
from tests.simulation.place import AGENTS, APPS, CONFIG_MAPS, Place, give_away
from tests.simulation.processes import Agent, Hub, Process
from tests.simulation.tally import Step, Tally
from tests.simulation.world import World

STEPS = 200
DISTURBANCES = 12
STORM_S = 600.0
_LITTLE_BYTES = 300
CALM_S = 40.0
APPLIED_S = 20.0
REST_S = 14.0
_KINDS = (
    *("wish", "waver", "move") * 2,
    *(
        "forget",
        "cut",
        "freeze",
        "half-open",
        "kill",
        "kill hub",
        "drift",
        "compact",
        "give away",
        "annotate",
    ),
    "api away",
    "clock",
    "hang",
    "hijack",
    "revoke",
)


class Storm:
    """One world, and what is done to it."""

    def __init__(self, seed: int, world: World | None = None) -> None:
        self.seed = seed
        self.world = world or World(seed)
        self._chance = self.world.chance
        self._kinds: tuple[str, ...] = _KINDS

    def rage(self) -> Tally:
        """Live through the seed. What must never be is in the world's `broken` afterwards."""
        with contextlib.ExitStack() as stack:
            # Content is small here; what is done with large content is done with it all the same.
            for module, name in ((desk, "MAX_INLINE_BYTES"), (session, "MAX_INLINE_BYTES")):
                if self._chance.random() < 0.4:
                    stack.enter_context(mock.patch.object(module, name, _LITTLE_BYTES))
            in_virtual_time(self._heard)()
        return self.world.tally

    async def _heard(self) -> None:
        defects = _Defects(self.world)
        logging.getLogger("agent").addHandler(defects)
        logging.getLogger("hub").addHandler(defects)
        try:
            await self._live()
        finally:
            logging.getLogger("agent").removeHandler(defects)
            logging.getLogger("hub").removeHandler(defects)

    async def _live(self) -> None:
        world = self.world
        self._hub = Process(world, self._run_hub)
        self._agents = [self._agent(place) for place in world.places]
        await self._begin()
        done = 0
        while done < DISTURBANCES or (world.tally.total < STEPS and world.clock.monotonic_s() < STORM_S):
            await asyncio.sleep(self._chance.uniform(0.0, 6.0))
            await self._disturb()
            done += 1
        world.is_calm = True
        for place in world.places:
            if place.stuck_since_s is not None or place.hangs_next:
                await self._restart(place)
            place.hijacks_next = False
        await self._settle()
        for place in world.places:
            if place.line is not None:
                place.line.cut()
        await asyncio.sleep(CALM_S)
        terms = [world.term(place) for place in world.places]
        await self._wish_last()
        await asyncio.sleep(APPLIED_S)
        versions = [place.cluster.version for place in world.places]
        await asyncio.sleep(REST_S)
        for place, term, version in zip(world.places, terms, versions, strict=True):
            world.judge.end(place, (term, version))
        for process in (self._hub, *self._agents):
            await process.kill()

    async def _restart(self, place: Place) -> None:
        place.cut()
        place.hangs_next = False
        await self._agents[self.world.places.index(place)].restart(self._chance.uniform(0.0, 5.0))

    async def _run_hub(self) -> None:
        await Hub(self.world).run()

    async def _begin(self) -> None:
        """Wish for the first time."""
        for place in self.world.places:
            for home in HOMES:
                self.world.wish(place, home)

    async def _settle(self) -> None:
        """Put right what does not come right by itself, before the calm."""

    async def _wish_last(self) -> None:
        """Wish for something else in the calm."""
        for place in self.world.places:
            self.world.wish(place, self._chance.choice(HOMES))

    def _agent(self, place: Place) -> Process:
        return Process(self.world, lambda: Agent(self.world, place).run())

    async def _disturb(self) -> None:
        kind, place = self._chance.choice(self._kinds), self._chance.choice(self.world.places)
        self.world.step(Step.DISTURBANCE, f"{kind} {place.id}")
        match kind:
            case "kill":
                self.world.tally.kills += 1
                await self._restart(place)
            case "kill hub":
                self.world.tally.kills += 1
                await self._hub.restart(self._chance.uniform(0.0, 5.0))
            case "wish" | "waver" | "move" | "forget":
                await self._wish(kind, place)
            case "clock":
                # Sometimes a little, sometimes to another day.
                self.world.clock.skew_s += self._chance.choice((-1, 1)) * 10 ** self._chance.uniform(0.0, 5.0)
            case "cut" | "freeze" | "half-open":
                self._break(kind, place)
            case _:
                self._meddle(kind, place)
                await self._disturb_with(kind, place)

    async def _disturb_with(self, kind: str, place: Place) -> None:
        """Do what is done to worlds of one kind only."""

    async def _wish(self, kind: str, place: Place) -> None:
        """Somebody commits, or the hub does not know for a while what is wished."""
        world, home = self.world, self._chance.choice(HOMES)
        match kind:
            case "wish":
                world.wish(place, home)
            case "waver":
                for _ in range(self._chance.randint(2, 4)):
                    world.wish(place, home)
                    await asyncio.sleep(self._chance.uniform(0.0, 1.0))
            case "move":
                world.move(place, *self._chance.sample(HOMES, 2))
            case "forget" if world.hub is not None:
                world.hub.forget(place, home)
                await asyncio.sleep(self._chance.uniform(0.5, 3.0))
                if world.hub is not None:
                    world.hub.say(place, home)

    def _break(self, kind: str, place: Place) -> None:
        """The network between an agent and the hub breaks: at once, or so that only time tells."""
        line = place.line
        if line is None or line.is_broken:
            return
        if kind == "cut":
            line.cut()
            return
        ways = (True, True) if kind == "freeze" else self._chance.choice(((True, False), (False, True)))
        line.freeze(up=ways[0], down=ways[1])
        if ways[0]:
            place.cut()
        # The agent's transport notices, sooner or later than the hub.
        asyncio.get_running_loop().call_later(self._chance.uniform(2.0, 30.0), line.cut)

    def _meddle(self, kind: str, place: Place) -> None:
        """Something happens in the cluster."""
        match kind:
            case "drift":
                self._drift(place)
            case "annotate":
                self._annotate(place)
            case "give away":
                self._give_away(place)
                self.world.wish(place, self._chance.choice(HOMES))
            case "compact":
                place.cluster.compact()
            case "hang":
                place.hangs_next = True
            case "hijack":
                place.hijacks_next = True
            case "revoke":
                self._revoke(place)
            case "api away":
                place.down_until_s = self.world.clock.monotonic_s() + self._chance.uniform(0.5, 8.0)
                place.cluster.compact()

    def _revoke(self, place: Place) -> None:
        """Have an agent's certificate revoked; it enrols again some time later."""
        place.revoke()
        asyncio.get_running_loop().call_later(self._chance.uniform(2.0, 12.0), self._enrol, place)

    def _enrol(self, place: Place) -> None:
        place.agents_key = place.key

    def _drift(self, place: Place) -> None:
        """Somebody edits or deletes an object by hand."""
        name = self._chance.choice(("web-0", "web-1", "other-0", "shared"))
        by_hand = self._chance.random() < 0.5
        live = place.cluster.objects.get((CONFIG_MAPS.plural, APPS, name))
        if live is not None and by_hand:
            place.cluster.delete(CONFIG_MAPS, APPS, name)
        elif live is not None:
            edited = copied(live)
            edited["data"]["text"] = "by hand"
            place.cluster.replace(CONFIG_MAPS, APPS, edited, manager="kubectl-edit", subresource="")

    def _annotate(self, place: Place) -> None:
        """A backup puts its mark on what the agent has saved."""
        for live in place.cluster.list(SECRETS, AGENTS).items:
            live["metadata"].setdefault("annotations", {})["backup.example.org/run"] = str(
                self._chance.random()
            )
            place.cluster.replace(SECRETS, AGENTS, live, manager="backup", subresource="")

    def _give_away(self, place: Place) -> None:
        """Somebody takes objects into other hands."""
        for live in place.cluster.list(CONFIG_MAPS, APPS).items:
            if self._chance.random() < 0.5:
                give_away(place, live)


class _Defects(logging.Handler):
    """Hears of exceptions that a loop survives; they are defects all the same."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._world.fail(f"{record.getMessage()}: {record.exc_info[1]!r}")
