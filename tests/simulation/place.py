"""One workload cluster of a world, and what is true of it whoever runs."""

import asyncio
import base64
from dataclasses import dataclass, field

from agent.desk import TERM_SECRET, _data, _unpack, head_name
from agent.kube.api import Object, Resource
from agent.kube.resources import SECRETS
from agent.model.assignment import Order
from agent.model.head import Head
from agent.model.names import OWNER_NAME, OWNER_NAMESPACE, ClusterId, Digest, HomeName
from agent.model.report import Report
from hub.model.wish import Wish
from tests.fakes.line import Line
from tests.simulation.cluster import copied
from tests.simulation.ground import Ground

AGENTS = "cartwheel-system"
APPS = "apps"
CONFIG_MAPS = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap", namespaced=True)
KINDS = {"/api/v1": (CONFIG_MAPS, SECRETS)}


@dataclass
class Place:
    """What outlives every process: the cluster, what is wished for it, its session's term, and what was seen there."""

    id: ClusterId
    cluster: Ground
    wishes: dict[HomeName, Wish] = field(default_factory=dict)
    objects: dict[HomeName, dict[str, str]] = field(default_factory=dict)
    issued: dict[Digest, tuple[HomeName, dict[str, str]]] = field(default_factory=dict)
    was_there: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """Until when an object of an owner showed a text, infinite while it does."""
    came: dict[tuple[HomeName, Order], tuple[float, dict[str, str]]] = field(default_factory=dict)
    """Since when the Bundle of each assignment is on the desk, and what its objects say."""
    bundles: dict[HomeName, tuple[Digest, float]] = field(default_factory=dict)
    """The Bundle that each delivery has on the desk, and since when."""
    seen_term: int = 0
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
    down_until_s: float = 0.0
    hangs_next: bool = False
    hijacks_next: bool = False
    stuck: list[float] = field(default_factory=list)
    """Since when each of the agent's workers hangs that does."""
    key: int = 1
    agents_key: int = 1
    revoked_s: float = 0.0
    _heads: dict[HomeName, tuple[Object, Head]] = field(default_factory=dict)

    @property
    def stuck_since_s(self) -> float | None:
        """Return since when a worker hangs, None when none does."""
        return min(self.stuck, default=None)

    def cut(self) -> None:
        """Note that the hub hears nothing of the agent from now on, unless it did not already."""
        if self.cut_off_s is None:
            self.cut_off_s = asyncio.get_running_loop().time()

    def owned(self, home: HomeName) -> dict[str, str]:
        """Return the texts of the ConfigMaps that a delivery owns, by name."""
        return {
            name: value["data"]["text"]
            for (plural, _, name), value in self.cluster.objects.items()
            if plural == CONFIG_MAPS.plural and owner_of(value) == home.name
        }

    def head(self, home: HomeName) -> Head | None:
        """Return what the cluster's desk durably says."""
        stored = self.cluster.objects.get((SECRETS.plural, AGENTS, head_name(home)))
        if stored is None:
            return None
        known = self._heads.get(home)
        if known is None or known[0] is not stored:
            known = self._heads[home] = (stored, Head.decode(_unpack(_data(stored, "head"))))
        return known[1]

    def revoke(self) -> None:
        """Have another key registered than the one that the agent has."""
        self.key += 1
        self.revoked_s = asyncio.get_running_loop().time()

    @property
    def desk_term(self) -> int:
        """Return the term that the cluster's desk durably remembers."""
        stored = self.cluster.objects.get((SECRETS.plural, AGENTS, TERM_SECRET))
        return int(base64.b64decode(stored["data"]["term"])) if stored is not None else 0


def fingerprint(key: int) -> str:
    """Return how a key is named in certificates."""
    return f"SHA256:{key}"


def give_away(place: Place, live: Object) -> None:
    """Have somebody take an object into other hands."""
    taken = copied(live)
    taken["metadata"]["labels"] = {OWNER_NAME: "foreign", OWNER_NAMESPACE: APPS}
    place.cluster.replace(CONFIG_MAPS, APPS, taken, manager="somebody", subresource="")


def owner_of(value: Object) -> str:
    """Return the name of the delivery that an object names as its owner, empty when it names none."""
    return str((value["metadata"].get("labels") or {}).get(OWNER_NAME, ""))
