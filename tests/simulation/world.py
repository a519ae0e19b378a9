"""A hub's gateway and two agents on one virtual time, with everything between them going wrong by a seed.

What survives a kill is what survives in truth: the clusters, the hub's wishes and terms, and its content. The world judges while it runs:
each deletion when it is asked for, each acknowledgement when it is given, each report when the hub hears it, what the desk says after each
write of it, each hub's belief about who is connected every second.
"""

import asyncio
import json
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.desk import _data, _unpack, head_name
from agent.kit.reconcile import Backoff
from agent.kube.errors import NotFound, Unreachable
from agent.kube.resources import SECRETS
from agent.model.assignment import RECONCILE, Order, PruneLimit, Tombstone
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.names import ClusterId, Digest, HomeName
from agent.model.report import Report
from agent.reconciler.settings import ReconcilerSettings
from hub.gateway.session import MISSED_ALIVES
from hub.model.wish import Assigned, Wish
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.wishes import OTHER, SPEC, WEB, Contents, assignment, blobs, bundle, config_map
from tests.fakes.clock import FakeClock
from tests.fakes.door import Call
from tests.fakes.kube import FakeCluster
from tests.fakes.line import Line

if TYPE_CHECKING:
    from tests.simulation.processes import Ghost, Hub

NAMESPACE = "cartwheel-system"
ALIVE_S = 3.0
BLIND_S = ALIVE_S * MISSED_ALIVES + 2.0 + 1.0 + 2.0
"""So long the hub may believe in an agent that is cut off: the silence it allows, its tick, ours, and what a message travels."""
QUICK = Backoff(first_s=0.3, last_s=4.0)
MOVE_WAIT_S = ReconcilerSettings(backoff=QUICK).move_wait_s
LIMIT = PruneLimit(percent=100.0, at_least=1000)


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Place:
    """One workload cluster, and what is true of it whoever runs."""

    id: ClusterId
    cluster: FakeCluster
    wishes: dict[HomeName, Wish] = field(default_factory=dict)
    objects: dict[HomeName, dict[str, str]] = field(default_factory=dict)
    issued: dict[Digest, tuple[HomeName, dict[str, str]]] = field(default_factory=dict)
    was_there: set[tuple[HomeName, str, str]] = field(default_factory=set)
    buried: set[tuple[HomeName, str]] = field(default_factory=set)
    graves: dict[HomeName, list[str]] = field(default_factory=dict)
    uids: dict[HomeName, int] = field(default_factory=dict)
    orders: dict[HomeName, Order] = field(default_factory=dict)
    said: list[Report] = field(default_factory=list)
    asked: int = 0
    revision: int = 0
    wished_from: dict[str, int] = field(default_factory=dict)
    on_desk: dict[HomeName, tuple[bytes, float]] = field(default_factory=dict)
    term: int = 0
    line: Line | None = None
    cut_off_s: float | None = None

    def cut(self) -> None:
        """Note that the agent is cut off from now on, unless it was already."""
        if self.cut_off_s is None:
            self.cut_off_s = asyncio.get_running_loop().time()

    def owned(self, home: HomeName) -> dict[str, str]:
        """Return the texts of the ConfigMaps that a delivery owns, by name."""
        return {
            one["metadata"]["name"]: one["data"]["text"]
            for one in self.cluster.list(CONFIG_MAPS, "apps").items
            if (one["metadata"].get("labels") or {}).get("kustomize.toolkit.fluxcd.io/name") == home.name
        }

    def head(self, home: HomeName) -> Head | None:
        """Return what the cluster's desk durably says."""
        try:
            return Head.decode(_unpack(_data(self.cluster.get(SECRETS, NAMESPACE, head_name(home)), "head")))
        except NotFound:
            return None


class World:
    """Everything, for one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock()
        self.is_calm = False
        self.content = Contents()
        self.places = [self._place(ClusterId(f"cluster-{number}")) for number in (1, 2)]
        self.hub: Hub | None = None
        self.ghost: Ghost | None = None
        self.broken: list[str] = []

    def _place(self, id_: ClusterId) -> Place:
        place = Place(id=id_, cluster=FakeCluster(self.clock))
        for namespace in (NAMESPACE, "apps"):
            place.cluster.add_namespace(namespace)
        place.cluster.interference = Weather(self, place)
        return place

    def wish(self, place: Place, home: HomeName) -> None:
        """Wish for something else: other objects, or that the delivery goes, or a new one of the name."""
        place.revision += 1
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


class Weather:
    """What befalls the requests of an agent, and who looks at what they do."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place

    async def before(self, call: Call) -> None:
        # When it is asked for: what comes to the desk while a request travels cannot call it back.
        if call.verb == "delete" and call.resource == "configmaps" and call.user == "agent":
            self._judge_deletion(call)
        await self._trouble(call)

    async def after(self, call: Call) -> None:
        if call.writes and call.resource == "secrets":
            self._judge_orders()
            self._note_desk()
        if call.writes and call.resource == "configmaps":
            for home in (WEB, OTHER):
                owned = self._place.owned(home)
                self._place.was_there.update((home, name, text) for name, text in owned.items())
        await self._trouble(call)

    async def _trouble(self, call: Call) -> None:
        chance = self._world.chance
        if self._world.is_calm or call.verb == "watch":
            return
        if chance.random() < 0.1:
            await asyncio.sleep(chance.uniform(0.0, 0.5))
        if chance.random() < 0.02:
            raise Unreachable(f"{call.verb} {call.name}: no answer")

    def _judge_orders(self) -> None:
        """Nothing comes to the desk that is older than what was acknowledged."""
        place = self._place
        for home, acknowledged in place.orders.items():
            head = place.head(home)
            if head is not None and head.assignment.order < acknowledged:
                self._world.fail(f"{home} on the desk of {place.id} went back to {head.assignment.order}")

    def _note_desk(self) -> None:
        """Note since when the desk holds the assignments that it holds."""
        for home in (WEB, OTHER):
            head, before = self._place.head(home), self._place.on_desk.get(home)
            if head is not None and (before is None or before[0] != head.raw_assignment):
                self._place.on_desk[home] = (head.raw_assignment, self._world.clock.monotonic_s())

    def _judge_move(self, name: str, home: HomeName, other: HomeName) -> None:
        """What the newest commits list without a gap is deleted only if the one that lists it did not come along in time."""
        place = self._place
        head, gains = place.head(home), place.head(other)
        if head is None or head.leaving or gains is None or gains.leaving:
            return
        since = place.wished_from.get(name)
        waited_s = self._world.clock.monotonic_s() - place.on_desk[home][1]
        if (
            since is not None
            and int(head.revision.rpartition(":")[2]) >= since
            and waited_s < MOVE_WAIT_S - 1e-6
        ):
            self._world.fail(f"{name}, which moves from {home} to {other}, is to be deleted")

    def _judge_deletion(self, call: Call) -> None:
        """A deletion needs a durable reason: a delivery that leaves by a tombstone, or a Bundle that does not list the object."""
        place, name = self._place, call.name
        try:
            live = place.cluster.get(CONFIG_MAPS, "apps", name)
        except NotFound:
            return
        if call.resource_version not in ("", live["metadata"]["resourceVersion"]):
            # Somebody was faster; the server is going to refuse it.
            return
        labels = live["metadata"].get("labels") or {}
        owner = HomeName("Kustomization", "apps", labels.get("kustomize.toolkit.fluxcd.io/name", ""))
        if owner not in (WEB, OTHER):
            self._world.fail(f"{name}, which nobody owns, is to be deleted")
        self._judge_move(name, owner, OTHER if owner == WEB else WEB)
        for home in (WEB, OTHER):
            head = place.head(home)
            if head is None:
                continue
            is_listed = any(entry.ref.name == name for entry in head.entries)
            if is_listed and not head.leaving:
                self._world.fail(f"{name}, which {home} on the desk names, is to be deleted")
            if head.leaving and (home, head.assignment.uid) not in place.buried:
                self._world.fail(f"{home} leaves without a tombstone")


def _revision(number: int) -> str:
    return f"main@sha1:{number}"


def _own(home: HomeName) -> str:
    """Return a name that a delivery has when it has no other."""
    return f"{home.name}-own"


def _text(manifest: Manifest) -> str:
    text: str = json.loads(manifest.body)["data"]["text"]
    return text
