"""Who looks at a world all the time and knows what must never be: whatever the seed does, whoever is killed.

At every request, before it is carried out: a deletion needs a durable reason, a write an owner that is on the desk with the object's id. At every
change in a cluster: what the desk says goes only forwards. At every step: nothing is believed ready or connected that is not. At the end:
what was wished last is there, and both ends of every link say so.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.kit.reconcile import Backoff
from agent.kube.api import Object
from agent.kube.resources import SECRETS
from agent.model.assignment import root_of
from agent.model.head import Head
from agent.model.inventory import format_id
from agent.model.link import Ack
from agent.model.names import Digest, HomeName, ObjectRef
from agent.model.report import Report, Stage
from agent.reconciler.settings import ReconcilerSettings
from hub.gateway.session import MISSED_ALIVES
from hub.model.wish import Assigned, Presence
from tests.agent.wishes import OTHER, WEB
from tests.simulation.api import Call
from tests.simulation.ground import Key
from tests.simulation.place import AGENTS, APPS, CONFIG_MAPS, Place, fingerprint, owner_of

if TYPE_CHECKING:
    from tests.simulation.processes import HubProcess
    from tests.simulation.world import World

HOMES = (WEB, OTHER)
ALIVE_S = 3.0
BLIND_S = ALIVE_S * MISSED_ALIVES + 2.0 + 1.0 + 2.0
"""So long the hub may believe in an agent that is cut off: the silence it allows, its tick, ours, and what a message travels."""
QUICK = Backoff(first_s=0.3, last_s=4.0)
STUCK_S = 20.0
REVOKED_S = 5.0
"""So soon a session ends whose certificate was revoked."""
MOVE_WAIT_S = ReconcilerSettings(backoff=QUICK).move_wait_s


class Judge:
    """The invariants of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def watch(self, place: Place) -> Callable[[Key, Object | None, Object | None], None]:
        """Return who is told of every change in a cluster."""
        terms = [0]

        def changed(key: Key, before: Object | None, after: Object | None) -> None:
            if key[0] == SECRETS.plural:
                self._judge_desk(place, terms)
            else:
                now_s = self._world.clock.monotonic_s()
                if before is not None:
                    place.was_there[_shown(before)] = now_s
                if after is not None:
                    place.was_there[_shown(after)] = float("inf")

        return changed

    def look(self) -> None:
        """Judge what must hold at any time."""
        hub = self._world.hub
        if hub is None:
            return
        for place in self._world.places:
            seen, since = hub.boards.presence.get(place.id), place.cut_off_s
            is_late = since is not None and self._world.clock.monotonic_s() - since > BLIND_S
            if seen is not None and seen.connected and is_late:
                self._fail(f"{place.id} is believed to be connected, but was cut off at {since:.1f} s")
            self._judge_revoked(place, seen)
            for home in HOMES:
                report = hub.boards.reports.get((place.id, home))
                if report is not None and hub.judged.get((place.id, home)) is not report:
                    hub.judged[(place.id, home)] = report
                    self._judge_report(hub, place, report)

    def _judge_revoked(self, place: Place, seen: Presence | None) -> None:
        is_old = seen is not None and seen.connected and seen.key_fingerprint != fingerprint(place.key)
        if is_old and self._world.clock.monotonic_s() - place.revoked_s > REVOKED_S:
            self._fail(f"{place.id} has a session under a key that was revoked at {place.revoked_s:.1f} s")

    def alive(self, place: Place) -> None:
        """Judge an agent's word that its workers move."""
        since = place.stuck_since_s
        if since is not None and self._world.clock.monotonic_s() - since > STUCK_S + 2 * ALIVE_S:
            self._fail(f"{place.id} says that it is alive, but a worker hangs since {since:.1f} s")

    def request(self, place: Place, call: Call) -> None:
        """Judge what an agent asks for, when it asks: what comes to the desk while a request travels cannot call it back."""
        if call.resource != CONFIG_MAPS.plural:
            return
        if call.verb == "delete":
            self._judge_deletion(place, call)
        elif call.writes:
            self._judge_write(place, call)

    def said(self, place: Place, report: Report) -> None:
        """Judge an agent's word that a delivery has left."""
        head = place.head(report.home)
        if report.stage is Stage.GONE and head is not None and head.assignment.uid == report.uid:
            self._fail(f"{report.home} is said to have left {place.id}, but is on the desk")

    def acknowledged(self, place: Place, ack: Ack) -> None:
        """Judge an agent's word that an assignment is on its desk."""
        head = place.head(ack.home)
        if head is None or head.assignment.substance != ack.substance:
            self._fail(f"{ack.home} is acknowledged, but not on the desk of {place.id}")
        place.orders[ack.home] = ack.order

    def end(self, place: Place, rest: tuple[int, int]) -> None:
        """What was wished last is what is there, on the desk and in the cluster, and the hub knows it.

        `rest` are the session's term and the cluster's version some time before: nothing happens any more.
        """
        wished: dict[HomeName, Digest] = {}
        for home, wish in place.wishes.items():
            head, owned = place.head(home), place.owned(home)
            if owned != place.objects[home]:
                self._fail(f"{place.id} has {owned} of {home}, but {place.objects[home]} was wished")
            if not isinstance(wish, Assigned):
                if head is not None:
                    self._fail(f"{home} is still on the desk of {place.id}")
                continue
            wished[home] = wish.assignment.substance
            hub = self._world.hub
            report = hub.boards.reports.get((place.id, home)) if hub else None
            asked = ("Ready", wish.assignment.bundle.digest, wish.assignment.tokens)
            if report is None or (str(report.stage), report.bundle, report.handled) != asked:
                self._fail(f"the hub does not know that {home} is ready in {place.id}: {report}")
        if (place.term, place.cluster.version) != rest:
            self._fail(
                f"{place.id} does not come to rest: {rest} became {(place.term, place.cluster.version)}"
            )
        heads = [head for home in HOMES if (head := place.head(home)) is not None]
        if root_of({head.home: head.assignment.substance for head in heads}) != root_of(wished):
            self._fail(f"the root of the desk of {place.id} is not that of what was wished")

    def _judge_desk(self, place: Place, terms: list[int]) -> None:
        """Nothing comes to the desk that is older than what was acknowledged or opened."""
        if place.desk_term < terms[0]:
            self._fail(f"the desk of {place.id} went back from term {terms[0]} to {place.desk_term}")
        terms[0] = place.desk_term
        for home in HOMES:
            head, before = place.head(home), place.on_desk.get(home)
            if head is None:
                continue
            if missing := [
                one for one in head.packs if ("secrets", AGENTS, one) not in place.cluster.objects
            ]:
                self._fail(f"{home} is on the desk of {place.id} without its content {missing}")
            if home in place.orders and head.assignment.order < place.orders[home]:
                self._fail(f"{home} on the desk of {place.id} went back to {head.assignment.order}")
            key = (home, head.assignment.order)
            if key not in place.came:
                place.came[key] = (self._came_s(place, head), self._world.texts_of(place, head))
            if before is None or before[0] != head.raw_assignment:
                place.on_desk[home] = (head.raw_assignment, self._world.clock.monotonic_s())

    def _came_s(self, place: Place, head: Head) -> float:
        """Return since when a head's Bundle is on the desk: what asks for the same anew does not begin anew."""
        home, bundle = head.assignment.home, head.assignment.bundle.digest
        known = place.bundles.get(home)
        if known is None or known[0] != bundle:
            known = place.bundles[home] = (bundle, self._world.clock.monotonic_s())
        return known[1]

    def _judge_report(self, hub: "HubProcess", place: Place, report: Report) -> None:
        self._judge_newest(hub, place, report)
        if report.stage is not Stage.READY:
            return
        since_s, texts = place.came[(report.home, report.order)]
        shown = {
            name: place.was_there.get((report.home.name, name, text), -1.0) for name, text in texts.items()
        }
        if missing := [name for name, until_s in shown.items() if until_s < since_s]:
            self._fail(
                f"{place.id} says that {report.home} is Ready, but {missing} were not there since {since_s:.1f} s"
            )

    def _judge_newest(self, hub: "HubProcess", place: Place, report: Report) -> None:
        """No word covers one that was said later."""
        first = hub.heard.get((place.id, report.home), 0)
        for at in range(first, len(place.said)):
            if place.said[at].says_the_same_as(report):
                hub.heard[(place.id, report.home)] = at
                return
        self._fail(f"an old word on {report.home} in {place.id} covers a newer one")

    def _judge_write(self, place: Place, call: Call) -> None:
        """An object is written only for a delivery that stays on the desk, which holds it durably before."""
        ref = ObjectRef("", CONFIG_MAPS.kind, APPS, call.name)
        owner = owner_of(dict(call.body))
        home = next((one for one in HOMES if one.name == owner), None)
        head = place.head(home) if home is not None else None
        if head is None or format_id(ref) not in head.held:
            self._fail(f"{call.name} is written for {owner}, whose head on the desk does not hold it")

    def _judge_move(self, place: Place, name: str, home: HomeName, other: HomeName) -> None:
        """What the newest commits list without a gap is deleted only if the one that lists it did not come along in time."""
        head, gains = place.head(home), place.head(other)
        if head is None or head.leaving or gains is None or gains.leaving:
            return
        since = place.wished_from.get(name)
        waited_s = self._world.clock.monotonic_s() - place.on_desk[home][1]
        is_newest = since is not None and int(head.revision.rpartition(":")[2]) >= since
        if is_newest and waited_s < MOVE_WAIT_S - 1e-6:
            self._fail(f"{name}, which moves from {home} to {other}, is to be deleted")

    def _judge_deletion(self, place: Place, call: Call) -> None:
        """A deletion needs a durable reason: a delivery that leaves by a tombstone, or a Bundle that does not list the object."""
        name, live = call.name, self._live(place, call)
        if live is None:
            return
        owner = HomeName("Kustomization", APPS, owner_of(live))
        if owner not in HOMES:
            self._fail(f"{name}, which nobody owns, is to be deleted")
            return
        self._judge_move(place, name, owner, OTHER if owner == WEB else WEB)
        for home in HOMES:
            head = place.head(home)
            if head is None:
                continue
            is_listed = any(entry.ref.name == name for entry in head.entries)
            if is_listed and not head.leaving:
                self._fail(f"{name}, which {home} on the desk names, is to be deleted")
            if head.leaving and (home, head.assignment.uid) not in place.buried:
                self._fail(f"{home} leaves without a tombstone")

    def deleting(self, place: Place, call: Call) -> None:
        """Judge a deletion when it is carried out: it may have come to another owner since it was asked for."""
        live = self._live(place, call)
        if live is not None and owner_of(live) not in {one.name for one in HOMES}:
            self._fail(f"{call.name}, which came to {owner_of(live)}, is deleted")

    @staticmethod
    def _live(place: Place, call: Call) -> Object | None:
        """Return what a deletion would delete, None when somebody was faster: then the server refuses it."""
        live = place.cluster.objects.get((CONFIG_MAPS.plural, APPS, call.name))
        is_meant = live is not None and call.version in ("", live["metadata"]["resourceVersion"])
        return live if is_meant else None

    def _fail(self, text: str) -> None:
        self._world.fail(text)


def _shown(value: Object) -> tuple[str, str, str]:
    """Return for whom an object shows what."""
    return owner_of(value), value["metadata"]["name"], value["data"]["text"]
