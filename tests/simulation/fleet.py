"""A fleet under the production hub's own decisions: placement, builds, prune limits, tombstones and status, over a management cluster that fails as well."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from agent.apply.policy import is_owned
from agent.kit.telemetry import Telemetry
from agent.kube.api import Object
from agent.model.head import Head
from agent.model.inventory import format_id
from agent.model.names import HomeName, ObjectRef
from agent.reconciler.wish import is_prune_held
from hub.artifacts.blobs import Blobs
from hub.clusters.controller import ClusterController
from hub.clusters.departure import ClusterSettings
from hub.delivery.controller import Controller
from hub.delivery.settings import DeliverySettings
from hub.gateway.registry import ClusterRegistry
from hub.gateway.session import Registry
from hub.model import annotations as names
from hub.model.cluster import ClusterName
from hub.model.kinds import Kind
from hub.model.wish import Presence
from hub.status.writer import StatusSettings, StatusWriter
from hub.store import Store
from tests.fakes.clock import SeededRandomness
from tests.simulation.cluster import Cluster
from tests.simulation.ground import Ground
from tests.simulation.judge import HOMES, QUICK, Judge
from tests.simulation.management import STATUS, Commit, Management, Table
from tests.simulation.place import APPS, CONFIG_MAPS, Place, fingerprint
from tests.simulation.processes import HubProcess
from tests.simulation.storm import Storm
from tests.simulation.tally import Step
from tests.simulation.weather import Weather
from tests.simulation.world import World

T = TypeVar("T")
JOINED_S = 20.0
LEFT_S = 30
"""So long a deleted delivery may take to leave when nothing fails any more."""
_KINDS = (
    *("commit",) * 6,
    *("delete", "deliver", "leave", "join", "policy", "request", "approve", "suspend") * 2,
    *(
        "empty twice",
        "management away",
        "disk away",
        "backup",
        "restore",
        "cut",
        "freeze",
        "half-open",
        "kill",
        "kill hub",
        "clock",
    ),
    *("drift", "compact", "give away objects", "annotate", "api away", "hang", "hijack", "revoke"),
)


class FleetWorld(World):
    """Places, and the management cluster that says what is wished for them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.judge: Judge = FleetJudge(self)
        for place in self.places:
            place.cluster.follow(self.judge.watch(place))
        self.management = Management(self.management_cluster(), self.table())
        self.seat = Place(id=self.places[0].id, cluster=self.management.cluster)
        """How the hub comes to its own cluster: what befalls its requests."""
        self.approved: dict[tuple[str, HomeName], str] = {}
        self.acted_on: set[tuple[str, HomeName]] = set()
        """Whose approved Bundle has come to the desk."""
        self.joined_s: dict[str, float] = {}

    def management_cluster(self) -> Ground:
        """Return a cluster that serves the hub's kinds."""
        return Cluster(name="management", clock=self.clock, with_status=frozenset(STATUS))

    def table(self) -> Table:
        """Return what holds trees, and builds."""
        return Table()

    def term(self, place: Place) -> int:
        return self.management.term(place)

    def texts_of(self, place: Place, head: Head) -> dict[str, str]:
        commit = self.management.commits[int(head.revision.rpartition(":")[2])]
        return dict(commit.objects(head.home) or {})

    def approve(self, home: HomeName, bundle: str) -> None:
        """Note that a Bundle may delete more than the limit, once, everywhere."""
        for place in self.places:
            self.revoke_approval((place.id, home))
            self.approved[(place.id, home)] = bundle

    def revoke_approval(self, key: tuple[str, HomeName]) -> None:
        self.approved.pop(key, None)
        self.acted_on.discard(key)

    def commit(self, folders: Mapping[HomeName, Any]) -> None:
        """Have a commit in Git, and fetched."""
        commits = self.management.commits
        commits.append(Commit(len(commits), folders))
        self.step(Step.WISH, f"commit {len(commits) - 1} {sorted(map(str, folders.values()))}")
        self.management.fetch()


class FleetHub(HubProcess):
    """One life of the hub: everything of production but the ways from Git and to gRPC."""

    def __init__(self, world: FleetWorld) -> None:
        self._blobs = Blobs()
        super().__init__(world, self._blobs)
        self._fleet = world
        api = world.api(world.seat, "hub", Weather(world, world.seat))
        self._randomness = SeededRandomness(world.chance.randrange(1 << 30))
        self._store = Store(api, clock=world.clock, randomness=self._randomness, backoff=QUICK)
        self._registry = ClusterRegistry(self._store, clock=world.clock, hub="hub")

    def registry(self, place: Place) -> Registry:
        return self._registry

    def registered(self, place: Place) -> str:
        """Return the fingerprint that this hub knows to be registered."""
        cluster = self._store.clusters.readable((APPS, place.id))
        return cluster.status.certificate.key_fingerprint if cluster is not None else ""

    async def run(self) -> None:
        world = self._fleet
        async with self.tasks as tasks:
            tasks.start(self._store.run(), name="store")
            await self._store.wait_until_complete()
            for part in (self._clusters(), self._deliveries(), self._status(), self.router):
                tasks.start(part.run(), name=type(part).__name__)
            tasks.start(self._hear(), name="reports")
            world.hub = self
            try:
                await tasks.wait_for_failure()
            finally:
                self.end()

    def _clusters(self) -> ClusterController:
        return ClusterController(ClusterSettings(backoff=QUICK), **self._common())

    def _status(self) -> StatusWriter:
        return StatusWriter(StatusSettings(backoff=QUICK), telemetry=Telemetry(), **self._common())

    def _deliveries(self) -> Controller:
        table = self._fleet.management.table
        settings = DeliverySettings(
            management=ClusterName(namespace=APPS, name="management"),
            backoff=QUICK,
            tools={},
            dependency_retry_s=4.0,
            rename_window_s=10.0,
        )
        return Controller(
            settings, blobs=self._blobs, renderer=table, trees=table, offload=_at_once, **self._common()
        )

    def _common(self) -> dict[str, Any]:
        return {
            "store": self._store,
            "boards": self.boards,
            "clock": self._fleet.clock,
            "randomness": self._randomness,
        }


async def _at_once(work: Callable[[], T], /) -> T:
    return work()


class FleetJudge(Judge):
    """The invariants of a fleet: those of its places, and of what is said of them in the management cluster."""

    def __init__(self, world: FleetWorld) -> None:
        super().__init__(world)
        self._fleet = world
        self._read: dict[str, Object] = {}
        self._let_go: dict[tuple[str, HomeName], set[str]] = {}
        """What a Bundle that was not held let go, and none has wanted since: the work for it may end under the next one."""

    def look(self) -> None:
        super().look()
        for home in HOMES:
            value = self._fleet.management.find(Kind.KUSTOMIZATION, home.name)
            if value is not None and self._read.get(home.name) is not value:
                self._read[home.name] = value
                self._judge_status(home, value)

    def _judge_revoked(self, place: Place, seen: Presence | None) -> None:
        hub = self._world.hub
        if isinstance(hub, FleetHub) and hub.registered(place) != fingerprint(place.key):
            # It is yet to hear of it, from a server that may be away.
            place.revoked_s = self._world.clock.monotonic_s()
        super()._judge_revoked(place, seen)

    def _judge_status(self, home: HomeName, value: Object) -> None:
        """A delivery is Ready at a revision only when that was applied in every cluster that has it for a while and is not told to be away."""
        status, world = value.get("status") or {}, self._fleet
        if _condition(status, "Ready") != "True":
            return
        message = next(one["message"] for one in status["conditions"] if one["type"] == "Ready")
        number = int(status["lastAppliedRevision"].rpartition(":")[2])
        texts = world.management.commits[number].objects(home)
        for place in world.places:
            joined_s = world.joined_s.get(place.id, 0.0)
            is_away = "disconnected" in message and place.id in message
            is_new = world.clock.monotonic_s() - joined_s < JOINED_S
            if is_away or is_new or not world.management.is_in_fleet(place):
                continue
            if texts is None or any((home.name, *one) not in place.was_there for one in texts.items()):
                self._fail(f"{home} is Ready at commit {number}, whose objects were never all in {place.id}")

    def _judge_deletion(self, place: Place, call: Any) -> None:
        super()._judge_deletion(place, call)
        live = self._live(place, call)
        for home in HOMES:
            head = place.head(home)
            if live is not None and head is not None and is_owned(live, home) and not head.leaving:
                self._judge_prune(place, head, format_id(ObjectRef("", CONFIG_MAPS.kind, APPS, call.name)))

    def _judge_prune(self, place: Place, head: Head, id_: str) -> None:
        """More than the limit is deleted only by a person's word for that very Bundle, once."""
        if self._is_held(place, head) and id_ not in self._let_go.get((place.id, head.home), ()):
            leaving = sorted(head.inventory.keys() - head.wanted.keys())
            self._fail(f"{id_}, of {leaving} of {head.home}, is deleted in {place.id}, which nobody approved")

    def _is_held(self, place: Place, head: Head) -> bool:
        leaving = head.inventory.keys() - head.wanted.keys()
        limit, bundle = head.assignment.prune_limit, head.assignment.bundle.digest
        is_much = is_prune_held(limit, len(head.inventory), len(head.wanted), len(leaving))
        return is_much and self._fleet.approved.get((place.id, head.home)) != bundle

    def _judge_desk(self, place: Place, terms: list[int]) -> None:
        super()._judge_desk(place, terms)
        for home in HOMES:
            head, key = place.head(home), (place.id, home)
            if head is not None and not head.leaving:
                let_go = self._let_go.setdefault(key, set())
                let_go.difference_update(head.wanted)
                if not self._is_held(place, head):
                    let_go.update(head.inventory.keys() - head.wanted.keys())
            if head is None or key not in self._fleet.approved:
                continue
            if head.assignment.bundle.digest == self._fleet.approved[key]:
                self._fleet.acted_on.add(key)
            elif key in self._fleet.acted_on:
                # What comes back later is weighed anew.
                self._fleet.revoke_approval(key)

    def end(self, place: Place, rest: tuple[int, int]) -> None:
        management, commit = self._fleet.management, self._fleet.management.commits[-1]
        for home in HOMES:
            uid, head, owned = management.uid(home), place.head(home), place.owned(home)
            wished = commit.objects(home) if uid else {}
            if owned != wished:
                self._fail(f"{place.id} has {owned} of {home}, but {wished} was wished")
            if uid and (head is None or head.assignment.uid != uid or head.leaving or head.released):
                self._fail(f"the desk of {place.id} does not hold {home} with UID {uid}")
            if not uid and head is not None:
                self._fail(f"{home} is still on the desk of {place.id}")
            self._judge_told(home, uid)
        if (management.term(place), place.cluster.version) != rest:
            now = (management.term(place), place.cluster.version)
            self._fail(f"{place.id} does not come to rest: {rest} became {now}")

    def _judge_told(self, home: HomeName, uid: str) -> None:
        """The status says in the end what is true, and which request was the last that was handled."""
        value = self._fleet.management.find(Kind.KUSTOMIZATION, home.name)
        if not uid:
            if value is not None:
                self._fail(f"{home} is deleted, but its finalizer does not leave")
            return
        assert value is not None
        status = value.get("status") or {}
        asked = (value["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
        told = (
            _condition(status, "Ready"),
            status.get("lastAppliedRevision"),
            status.get("lastHandledReconcileAt"),
        )
        if told != ("True", self._fleet.management.commits[-1].revision, asked):
            self._fail(f"{home} is said to be {told}, asked at {asked}")


def _condition(status: Mapping[str, Any], name: str) -> str:
    found = [one["status"] for one in status.get("conditions") or () if one["type"] == name]
    return str(found[0]) if found else ""


class FleetStorm(Storm):
    """What people and failures do to a fleet."""

    def __init__(self, seed: int) -> None:
        self._fleet = self.new_world(seed)
        super().__init__(seed, self._fleet)
        self._management = self._fleet.management
        self._kinds = _KINDS
        self._backup: object = None

    def new_world(self, seed: int) -> FleetWorld:
        """Return what a seed begins with."""
        return FleetWorld(seed)

    async def _run_hub(self) -> None:
        await FleetHub(self._fleet).run()

    async def _begin(self) -> None:
        self._management.begin(self._fleet.places)
        self._commit()
        for home in HOMES:
            self._management.deliver(home)

    async def _disturb_with(self, kind: str, place: Place) -> None:
        fleet, management, home = self._fleet, self._management, self._chance.choice(HOMES)
        match kind:
            case "commit":
                self._commit()
            case "delete":
                self._delete(home)
            case "deliver":
                management.deliver(home)
            case "leave":
                management.label(place, "test")
                self._bury_left()
            case "join":
                self._join(place)
            case "policy":
                policy = self._chance.choice(("Keep", "Prune"))
                management.set_spec(Kind.FLEET, "prod", onLeave=policy)
                self._bury_left()
            case "empty twice":
                await self._empty_twice(home)
            case "request":
                management.request(home)
            case "approve":
                self._approve()
            case "suspend":
                if management.uid(home):
                    management.set_spec(Kind.KUSTOMIZATION, home.name, suspend=self._chance.random() < 0.5)
            case "management away":
                fleet.seat.down_until_s = fleet.clock.monotonic_s() + self._chance.uniform(0.5, 8.0)
                management.cluster.compact()
            case "disk away":
                management.table.is_lost = True
                asyncio.get_running_loop().call_later(self._chance.uniform(1.0, 15.0), self._mount)
            case "backup":
                self._backup = management.cluster.snapshot()
            case "restore" if self._backup is not None:
                await self._restore(self._backup)
            case "give away objects":
                self._give_away(place)

    async def _empty_twice(self, home: HomeName) -> None:
        """Somebody takes all out of a delivery and approves that, puts it back, and takes it out again."""
        before = self._management.commits[-1].folders
        self._fleet.commit({**before, home: {}})
        await asyncio.sleep(self._chance.uniform(2.0, 8.0))
        self._approve()
        await asyncio.sleep(self._chance.uniform(2.0, 6.0))
        self._fleet.commit(before)
        await asyncio.sleep(self._chance.uniform(2.0, 8.0))
        self._fleet.commit({**before, home: {}})

    def _mount(self) -> None:
        self._management.table.is_lost = False

    def _commit(self) -> None:
        """Change what deliveries hold: usually a little, sometimes back to what was, or to what cannot be built or holds nothing."""
        commits, roll = self._management.commits, self._chance.random()
        before = dict(commits[-1].folders) if commits else {}
        folders: dict[HomeName, Any] = dict(before)
        if len(commits) > 2 and roll < 0.2:
            folders = dict(commits[-self._chance.choice((2, 3))].folders)
        else:
            for home in HOMES:
                if home not in before or self._chance.random() < 0.7:
                    folders[home] = self._folder(home)
        # One object is one delivery's.
        shared = [home for home in HOMES if isinstance(folders[home], Mapping) and "shared" in folders[home]]
        for home in shared[1:]:
            folders[home] = {name: text for name, text in folders[home].items() if name != "shared"}
        self._fleet.commit(folders)

    def _folder(self, home: HomeName) -> Mapping[str, str] | str | None:
        roll = self._chance.random()
        if roll < 0.18 and self._management.commits:
            return (None, "broken", {})[int(roll / 0.06)]
        wanted = [f"{home.name}-{number}" for number in range(5) if self._chance.random() < 0.6]
        if self._chance.random() < 0.4:
            wanted.append("shared")
        return {name: str(self._chance.randrange(3)) for name in wanted or [f"{home.name}-own"]}

    def _delete(self, home: HomeName) -> None:
        if self._management.uid(home):
            # Of one that is suspended the objects would stay, as Flux has it.
            self._management.set_spec(Kind.KUSTOMIZATION, home.name, suspend=False)
        uid = self._management.delete(home)
        for place in self._fleet.places:
            place.buried.add((home, uid))

    def _join(self, place: Place) -> None:
        if not self._management.is_in_fleet(place):
            self._fleet.joined_s[place.id] = self._fleet.clock.monotonic_s()
            self._management.label(place, "prod")

    def _bury_left(self) -> None:
        """Note what may be deleted by now since its cluster left the Fleet."""
        if self._management.get(Kind.FLEET, "prod")["spec"]["onLeave"] != "Prune":
            return
        for place in self._fleet.places:
            if not self._management.is_in_fleet(place):
                place.buried.update((home, self._management.uid(home)) for home in HOMES)

    def _approve(self) -> None:
        """Say that what is held back may go."""
        hub = self._fleet.hub
        for home in HOMES if hub is not None else ():
            for place in self._fleet.places:
                report = hub.boards.reports.get((place.id, home)) if hub is not None else None
                if report is not None and report.prune_held and self._management.uid(home) == report.uid:
                    self._management.annotate(home, names.APPROVE_PRUNE, report.bundle)
                    self._fleet.approve(home, report.bundle)

    async def _restore(self, backup: object) -> None:
        """Have the management cluster as it was some time ago: for a while nobody reaches it, and the hub begins anew."""
        self._fleet.tally.kills += 1
        await self._hub.kill()
        self._management.cluster.restore(backup)
        for place in self._fleet.places:
            self._join_again(place)
        for home in HOMES:
            value = self._management.find(Kind.KUSTOMIZATION, home.name)
            approved = ((value or {"metadata": {}})["metadata"].get("annotations") or {}).get(
                names.APPROVE_PRUNE
            )
            if approved:
                self._fleet.approve(home, approved)
        self._bury_left()
        await self._hub.restart(self._chance.uniform(0.0, 5.0))
        self._management.fetch()

    def _join_again(self, place: Place) -> None:
        """After a restored backup a cluster may be one of the Fleet again, and its agent's key another one."""
        self._fleet.joined_s[place.id] = self._fleet.clock.monotonic_s()
        if self._management.registered(place) != fingerprint(place.key):
            self._revoke(place)

    def _revoke(self, place: Place) -> None:
        super()._revoke(place)
        self._management.register(place)

    async def _settle(self) -> None:
        """People put in order what they left open: every delivery is there, placed everywhere, not suspended, and can be built."""
        for place in self._fleet.places:
            self._join(place)
        await asyncio.sleep(10.0)
        for home in HOMES:
            self._management.deliver(home)
            self._management.set_spec(Kind.KUSTOMIZATION, home.name, suspend=False)
        # What another delivery lists by an old commit is not deleted before that has taken it over or lists it no more.
        self._whole()
        self._approving = asyncio.get_running_loop().create_task(self._keep_approving())
        for _ in range(LEFT_S):
            await asyncio.sleep(1.0)
            for home in HOMES:
                self._management.deliver(home)
        late = [home for home in HOMES if not self._management.uid(home)]
        if late:
            self._fleet.fail(f"{late} are being deleted, and do not leave")

    def _whole(self) -> None:
        """Commit what can be built."""
        folders = {home: {f"{home.name}-{self._chance.randrange(5)}": "last"} for home in HOMES}
        self._fleet.commit(folders)

    async def _keep_approving(self) -> None:
        while True:
            await asyncio.sleep(3.0)
            self._approve()

    async def _wish_last(self) -> None:
        self._whole()
        if self._chance.random() < 0.4:
            self._delete(self._chance.choice(HOMES))
        self._management.request(self._chance.choice(HOMES))
