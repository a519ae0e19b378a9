"""A hub's gateway and two agents on one virtual time, with everything between them going wrong by a seed.

What survives a kill is what survives in truth: the clusters, the hub's wishes and terms, and its content. Every event that the seed chose is a
step: a wish, a disturbance, a message sent, a request to an API server; the judge looks at each.
"""

import asyncio
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.kube.api import Api
from agent.model.assignment import RECONCILE, Order, PruneLimit, Tombstone
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.names import ClusterId, HomeName
from hub.model.wish import Assigned
from tests.agent.wishes import SPEC, Contents, assignment, blobs, bundle, config_map
from tests.fakes.clock import FakeClock
from tests.simulation.api import Network, SimulatedApi
from tests.simulation.cluster import Cluster
from tests.simulation.ground import Ground
from tests.simulation.judge import MOVE_WAIT_S, Judge
from tests.simulation.place import KINDS, Place
from tests.simulation.tally import Step, Tally

if TYPE_CHECKING:
    from tests.simulation.processes import Ghost, HubProcess

LIMIT = PruneLimit(percent=100.0, at_least=1000)


class World:
    """Everything, for one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock()
        self.is_calm = False
        self.tally = Tally()
        self.judge = Judge(self)
        self.content = Contents()
        self.places = [self._place(ClusterId(f"cluster-{number}")) for number in (1, 2)]
        self.hub: HubProcess | None = None
        self.ghost: Ghost | None = None
        self.broken: list[str] = []

    def _place(self, id_: ClusterId) -> Place:
        place = Place(id=id_, cluster=self.workload_cluster(id_))
        place.cluster.follow(self.judge.watch(place))
        return place

    def workload_cluster(self, name: str) -> Ground:
        """Return a cluster in which nothing is yet."""
        return Cluster(name=name, clock=self.clock, kinds=KINDS)

    def api(self, place: Place, user: str, network: Network) -> Api:
        """Return a caller's way into the cluster of a place."""
        return SimulatedApi(place.cluster.door(), user, network)

    def term(self, place: Place) -> int:
        """Return the term of a place's last session, as the hub has it stored."""
        return place.term

    def texts_of(self, place: Place, head: Head) -> dict[str, str]:
        """Return what the objects of a head's Bundle say, by name."""
        return place.issued[head.assignment.bundle.digest][1]

    def step(self, step: Step, what: str) -> None:
        """Note one event, and judge the world as it is."""
        if not self.is_calm:
            self.tally.steps[step] += 1
        self.tally.trace.append(f"{self.clock.monotonic_s():.3f} {step}: {what}")
        self.judge.look()

    def wish(self, place: Place, home: HomeName) -> None:
        """Wish for something else: other objects, or that the delivery goes, or a new one of the name."""
        place.revision += 1
        self.step(Step.WISH, f"{place.id} {home.name}")
        roll = self.chance.random()
        current, graves = place.wishes.get(home), place.graves.get(home, [])
        if isinstance(current, Tombstone) and roll < 0.3 and current.uid in graves:
            # Placed there again before it has left: its tombstone is taken back.
            graves.remove(current.uid)
            self._assign(place, home, current.uid, self._names(place, home))
        elif isinstance(current, Assigned) and roll < 0.25:
            uid = current.assignment.uid
            place.wishes[home] = Tombstone(home=home, uid=uid, delete_objects=True)
            place.buried.add((home, uid))
            place.graves.setdefault(home, []).append(uid)
            place.objects[home] = {}
        else:
            if not isinstance(current, Assigned):
                place.uids[home] = place.uids.get(home, 0) + 1
            self._assign(place, home, f"{home.name}-uid-{place.uids[home]}", self._names(place, home))
        self._commit(place)
        for one in place.wishes:
            self._say(place, one)

    def move(self, place: Place, home: HomeName, other: HomeName) -> None:
        """Move an object from one delivery to another by one commit, which the other hears of a little later."""
        loses, gains = place.wishes.get(home), place.wishes.get(other)
        if not (isinstance(loses, Assigned) and isinstance(gains, Assigned)):
            return
        left, come = list(place.objects[home]), list(place.objects[other])
        if left == [_own(home)]:
            return
        place.revision += 1
        moved = left.pop(self.chance.randrange(len(left)))
        self._assign(place, home, loses.assignment.uid, left or [_own(home)])
        self._assign(place, other, gains.assignment.uid, [*come, moved])
        self._commit(place)
        self._say(place, home)
        delay_s = self.chance.uniform(0.0, MOVE_WAIT_S * 1.2)
        asyncio.get_running_loop().call_later(delay_s, self._say, place, other)

    def _commit(self, place: Place) -> None:
        """Have all that is wished for be at the newest revision."""
        for home, wish in place.wishes.items():
            if isinstance(wish, Assigned):
                place.wishes[home] = replace(wish, revision=_revision(place.revision))
        wished = {name for texts in place.objects.values() for name in texts}
        place.wished_from = {name: place.wished_from.get(name, place.revision) for name in wished}

    def _say(self, place: Place, home: HomeName) -> None:
        if self.hub is not None:
            self.hub.say(place, home)

    def _names(self, place: Place, home: HomeName) -> list[str]:
        """Choose some names that no other delivery has."""
        others = {name for other, texts in place.objects.items() if other != home for name in texts}
        names = [f"{home.name}-{number}" for number in range(4) if self.chance.random() < 0.6]
        if self.chance.random() < 0.4:
            names.append("shared")
        return [name for name in names if name not in others] or [_own(home)]

    def _assign(self, place: Place, home: HomeName, uid: str, names: list[str]) -> None:
        manifests = [config_map(name, str(self.chance.randrange(3)), home) for name in names]
        wished = bundle(manifests)
        self.content.update(blobs(manifests))
        self.content[wished.base.digest] = wished.base.encode()
        self.content[wished.overlay.digest] = wished.overlay.encode()
        spec = replace(SPEC, wait=self.chance.random() < 0.5)
        place.asked += 1
        made = assignment(
            manifests,
            home=home,
            uid=uid,
            order=Order(0, 0),
            cluster=place.id,
            prune_limit=LIMIT,
            spec=spec,
            tokens={RECONCILE: str(place.asked)},
        )
        place.wishes[home] = Assigned(assignment=made, bundle=wished, revision=_revision(place.revision))
        place.objects[home] = {one.ref.name: _text(one) for one in manifests}
        place.issued[wished.digest] = (home, place.objects[home])

    def fail(self, text: str) -> None:
        self.broken.append(f"at {self.clock.monotonic_s():.1f} s: {text}")
        self.tally.trace.append(f"{self.clock.monotonic_s():.3f} BROKEN: {text}")


def _revision(number: int) -> str:
    return f"main@sha1:{number}"


def _own(home: HomeName) -> str:
    """Return a name that a delivery has when it has no other."""
    return f"{home.name}-own"


def _text(manifest: Manifest) -> str:
    text: str = json.loads(manifest.body)["data"]["text"]
    return text
