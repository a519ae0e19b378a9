"""What the hub wishes for a placement, and what it knows of a cluster's agent: the values on the boards between its stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent.kit.board import Board
from agent.kit.tracing import NO_TRACE, Traceparent
from agent.model.assignment import Assignment, Hold, Tombstone
from agent.model.content import Bundle
from agent.model.names import ClusterId, HomeName
from agent.model.report import Notice, Report, Stage
from hub.model.cluster import Cluster
from hub.model.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """This is to run. `revision` is the source's, for people; `traceparent` the trace that led here, which makes no wish another."""

    assignment: Assignment
    bundle: Bundle
    revision: str
    traceparent: Traceparent = field(default=NO_TRACE, compare=False)


Wish = Assigned | Tombstone | Hold
PlacementKey = tuple[ClusterId, HomeName]
DeliveryKey = tuple[str, str, str]
"""Kind, namespace and name of a delivery in the management cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Whether a cluster's agent is connected here, and what it said of itself when it last was."""

    connected: bool
    since: datetime
    last_seen: datetime
    term: int = 0
    agent_version: str = ""
    kubernetes_version: str = ""
    protocol: int = 0
    key_fingerprint: str = ""
    certificate_not_after: str = ""
    problem: str = ""
    desk: frozenset[tuple[HomeName, str]] = frozenset()
    """What was on its desk, with UIDs, when this session began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A notice of one cluster; on the board under (cluster, session's term, the notice's number). Whoever told it drops it."""

    cluster: ClusterId
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The agent did not take what it was assigned last for the delivery of this UID, and why; gone when it takes one."""

    uid: str
    reason: str
    message: str


class Boards:
    """Where the stages of one hub meet: wishes go down, reports and presence come up. One event loop; one hub."""

    def __init__(self) -> None:
        self.wishes: Board[PlacementKey, Wish] = Board()
        self.reports: Board[PlacementKey, Report] = Board()
        self.presence: Board[ClusterId, Presence] = Board()
        self.happenings: Board[tuple[ClusterId, int, int], Happening] = Board()
        self.declined: Board[PlacementKey, Declined] = Board()
        self.standings: Board[DeliveryKey, Standing] = Board()


def present_in(cluster: Cluster, boards: Boards) -> Mapping[HomeName, str]:
    """Return the deliveries that are in a cluster, with their UIDs.

    They are what its agent said that it holds, what was released there, what is reported and what is wished for; of one home name the last
    of these. What the agent said to have left is not there any more, unless it is wished for again.
    """
    presence = boards.presence.get(cluster.spec.id) if cluster.spec.id is not None else None
    found = dict(presence.desk) if presence is not None else {}
    for entry in cluster.status.released:
        found[HomeName(kind=entry.kind, namespace=entry.namespace, name=entry.name)] = entry.uid
    wishes = {home: wish for (id_, home), wish in boards.wishes.snapshot().items() if id_ == cluster.spec.id}
    found |= {home: wish.uid for home, wish in wishes.items() if isinstance(wish, Tombstone)}
    for (id_, home), report in boards.reports.snapshot().items():
        if id_ != cluster.spec.id:
            continue
        if report.stage is not Stage.GONE:
            found[home] = report.uid
        elif found.get(home) == report.uid:
            del found[home]
    return found | {home: wish.assignment.uid for home, wish in wishes.items() if isinstance(wish, Assigned)}
