"""Whatever happens between the hub and its agents: nothing is deleted without a reason, the newest wish wins, nothing is green that is cut off.

200 seeds run in about 15 s on one core; SEEDS sets another number. A failing seed is run alone with `pytest tests/simulation -k <seed>`.
"""

import asyncio
import logging
import os

import pytest

from agent.kube.errors import NotFound
from agent.kube.resources import SECRETS
from agent.model.names import OWNER_NAME, OWNER_NAMESPACE
from hub.model.wish import Assigned
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.wishes import OTHER, WEB
from tests.fakes.clock import in_virtual_time
from tests.simulation.processes import Agent, Hub, Process
from tests.simulation.world import NAMESPACE, Place, World

SEEDS = int(os.environ.get("SEEDS", "200"))
STEPS = 12
CALM_S = 90.0


class _Defects(logging.Handler):
    """Hears of exceptions that a loop survives; they are defects all the same."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._world.fail(f"{record.getMessage()}: {record.exc_info[1]!r}")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_lost_deleted_or_believed_wrongly(seed: int) -> None:
    @in_virtual_time
    async def run() -> None:
        world = World(seed)
        defects = _Defects(world)
        logging.getLogger("agent").addHandler(defects)
        try:
            await _live(world)
        finally:
            logging.getLogger("agent").removeHandler(defects)
        assert world.broken == []

    run()


async def _live(world: World) -> None:
    hub = Process(world, lambda: Hub(world).run())
    agents = [_agent(world, place) for place in world.places]
    for place in world.places:
        for home in (WEB, OTHER):
            world.wish(place, home)
    for _ in range(STEPS):
        await asyncio.sleep(world.chance.uniform(0.0, 6.0))
        await _disturb(world, hub, agents)
    world.is_calm = True
    for place in world.places:
        if place.line is not None:
            place.line.cut()
    await asyncio.sleep(CALM_S)
    for place in world.places:
        _judge_end(world, place)
    for process in (hub, *agents):
        await process.kill()


def _agent(world: World, place: Place) -> Process:
    return Process(world, lambda: Agent(world, place).run())


async def _disturb(world: World, hub: Process, agents: list[Process]) -> None:
    chance = world.chance
    number = chance.randrange(len(world.places))
    place = world.places[number]
    match chance.choice(
        (
            "forget",
            "wish",
            "wish",
            "waver",
            "waver",
            "move",
            "move",
            "cut",
            "freeze",
            "kill",
            "kill hub",
            "drift",
            "compact",
            "give away",
            "annotate",
        )
    ):
        case "wish":
            world.wish(place, chance.choice((WEB, OTHER)))
        case "waver":
            home = chance.choice((WEB, OTHER))
            for _ in range(chance.randint(2, 4)):
                world.wish(place, home)
                await asyncio.sleep(chance.uniform(0.0, 1.0))
        case "move":
            world.move(place, *chance.sample((WEB, OTHER), 2))
        case "cut" if place.line is not None:
            place.line.cut()
        case "freeze" if place.line is not None and not place.line.is_broken:
            place.line.is_frozen = True
            place.cut()
            # The agent's transport notices, sooner or later than the hub.
            asyncio.get_running_loop().call_later(chance.uniform(2.0, 30.0), place.line.cut)
        case "kill":
            place.cut()
            await agents[number].restart(chance.uniform(0.0, 5.0))
        case "kill hub":
            await hub.restart(chance.uniform(0.0, 5.0))
        case "drift":
            _drift(world, place)
        case "forget" if world.hub is not None:
            home = chance.choice((WEB, OTHER))
            world.hub.forget(place, home)
            await asyncio.sleep(chance.uniform(0.5, 3.0))
            if world.hub is not None:
                world.hub.say(place, home)
        case "annotate":
            _annotate(world, place)
        case "give away":
            _give_away(world, place)
            world.wish(place, chance.choice((WEB, OTHER)))
        case "compact":
            place.cluster.compact()
            place.cluster.end_watches()


def _drift(world: World, place: Place) -> None:
    """Somebody edits or deletes an object by hand."""
    name = world.chance.choice(("web-0", "web-1", "other-0", "shared"))
    try:
        live = place.cluster.get(CONFIG_MAPS, "apps", name)
        if world.chance.random() < 0.5:
            place.cluster.delete(CONFIG_MAPS, "apps", name)
        else:
            live["data"]["text"] = "by hand"
            place.cluster.replace(CONFIG_MAPS, "apps", live, manager="kubectl-edit", subresource="")
    except NotFound:
        return


def _annotate(world: World, place: Place) -> None:
    """A backup puts its mark on what the agent has saved."""
    for live in place.cluster.list(SECRETS, NAMESPACE).items:
        live["metadata"].setdefault("annotations", {})["backup.example.org/run"] = str(world.chance.random())
        place.cluster.replace(SECRETS, NAMESPACE, live, manager="backup", subresource="")


def _give_away(world: World, place: Place) -> None:
    """Somebody takes objects into other hands."""
    for live in place.cluster.list(CONFIG_MAPS, "apps").items:
        if world.chance.random() < 0.5:
            live["metadata"]["labels"] = {OWNER_NAME: "foreign", OWNER_NAMESPACE: "apps"}
            place.cluster.replace(CONFIG_MAPS, "apps", live, manager="somebody", subresource="")


def _judge_end(world: World, place: Place) -> None:
    """What was wished last is what is there, on the desk and in the cluster, and the hub knows it."""
    for home, wish in place.wishes.items():
        head, owned = place.head(home), place.owned(home)
        if owned != place.objects[home]:
            world.fail(f"{place.id} has {owned} of {home}, but {place.objects[home]} was wished")
        if not isinstance(wish, Assigned):
            if head is not None:
                world.fail(f"{home} is still on the desk of {place.id}")
            continue
        if head is None or head.assignment.substance != wish.assignment.substance:
            world.fail(f"the desk of {place.id} does not hold what was wished for {home}")
        report = world.hub.boards.reports.get((place.id, home)) if world.hub else None
        asked = ("Ready", wish.assignment.bundle.digest, wish.assignment.tokens)
        if report is None or (str(report.stage), report.bundle, report.handled) != asked:
            world.fail(f"the hub does not know that {home} is ready in {place.id}: {report}")
