"""The messages of a session as values: what the agent sends up and the hub sends down. Pure; their bytes are made in `agent.wire`."""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from agent.kit.tracing import NO_TRACE, Traceparent
from agent.model.assignment import Hold, Order, Tombstone
from agent.model.content import BundleRef, Entry
from agent.model.names import Digest, HomeName
from agent.model.report import Notice, Report

PROTOCOL = 1
OLDEST_PROTOCOL = 1
CLUSTER_REMOVED = "ClusterRemoved"
"""The reason of a refusal that says to an agent that its cluster is in the fleet no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One delivery that is on the desk."""

    home: HomeName
    uid: str
    candidate: Digest
    bundle: BundleRef
    substance: Digest
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One delivery that is on the desk without counting as held: it leaves, was released, or its content is damaged."""

    home: HomeName
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The agent's first word. `term` is the highest that it has seen, `instance` names the process.

    `namespace_uid` is that of the namespace in which it and its key live, empty when not told: the same key from two of them is used by two
    clusters.
    """

    protocol: int
    agent_version: str
    kubernetes_version: str
    term: int
    held: tuple[Held, ...]
    instance: str
    features: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    namespace_uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The assignment of this substance is durably on the desk."""

    home: HomeName
    order: Order
    substance: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Nack:
    """An assignment was not taken; the one on the desk stays."""

    home: HomeName
    order: Order
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The agent's worker moves; the root is over all that is on its desk."""

    desk_root: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The hub's first word: the session's term, and how often it wants to hear that the agent is alive."""

    protocol: int
    hub_version: str
    term: int
    alive_interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDelta:
    """What changed in one index."""

    set: tuple[Entry, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """How to make the assigned Bundle's indexes from those of one that is held."""

    origin: BundleRef
    base: IndexDelta
    overlay: IndexDelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """An assignment's bytes, with what spares the agent from fetching."""

    assignment: bytes
    signatures: tuple[bytes, ...] = ()
    revision: str = ""
    traceparent: Traceparent = NO_TRACE
    delta: Delta | None = None
    inline: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """The hub holds this delivery: keep what is there."""

    home: HomeName
    hold: Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """These deliveries are at another revision of their source, which changes nothing in them."""

    revision: str
    homes: tuple[HomeName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAck:
    """All notices up to this one were taken."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The session ends, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """Say all reports again."""


Up = Hello | Ack | Nack | Report | Notice | Alive
Down = Welcome | Assign | Tombstone | Keep | Mark | NoticeAck | Refused | Resync

Sent_contra = TypeVar("Sent_contra", contravariant=True)
Received_co = TypeVar("Received_co", covariant=True)


class Stream(Protocol[Sent_contra, Received_co]):
    """One end of a session: in order, and gone as a whole when it breaks. gRPC is one implementation."""

    async def send(self, message: Sent_contra) -> None:
        """Hand over a message; waits while the other end is slow. Raises Transient when the session is broken."""
        ...

    async def receive(self) -> Received_co | None:
        """Return the next message, None when the other end has closed. Raises Transient when the session is broken."""
        ...
