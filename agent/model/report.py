"""What an agent says of one delivery: the verdict for exactly one Bundle, as exceptions. Pure values.

Never a value from a manifest is in one: ids, words, and messages of the API server that name fields.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import msgspec

from agent.kit.tracing import NO_TRACE, Traceparent, read_traceparent
from agent.model.assignment import Order
from agent.model.content import canonical
from agent.model.names import ClusterId, Digest, HomeName, timestamp

FORMAT = 1
MAX_EXCEPTIONS = 100


class Stage(StrEnum):
    """How far a delivery has come with its present Bundle."""

    WAITING = "Waiting"  # for dependencies
    APPLYING = "Applying"
    CHECKING = "Checking"  # applied; health is awaited
    READY = "Ready"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    GONE = "Gone"  # a tombstone has been carried out


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One object that is not simply applied and current: inventory id, the word for what is the matter, the sentence."""

    id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The newest word on one delivery.

    `as_of` is RFC 3339, the time at which it was true, `generation` the delivery's that was acted on. `reason` is a Flux condition reason.
    `inventory_extra` are ids (with version) held that the Bundle does not list, `inventory_missing` ids that it lists and that are not
    held; the rest of the inventory is the Bundle's.
    `prune_held` are ids whose deletion waits for approval, `prune_words` say of some of them what would go along. `fights` names managers that take fields back. `handled` are tokens acted on.
    `exceptions` are at most MAX_EXCEPTIONS; `exception_count` counts all.
    """

    cluster: ClusterId
    home: HomeName
    uid: str
    order: Order
    candidate: Digest
    bundle: Digest
    stage: Stage
    as_of: str
    generation: int = 0
    reason: str = ""
    message: str = ""
    healthy: bool | None = None
    health_message: str = ""
    applied_once: bool = False
    inventory_extra: Mapping[str, str] = field(default_factory=dict)
    inventory_missing: tuple[str, ...] = ()
    exceptions: tuple[Verdict, ...] = ()
    exception_count: int = 0
    prune_held: tuple[str, ...] = ()
    prune_words: tuple[str, ...] = ()
    fights: tuple[Verdict, ...] = ()
    handled: Mapping[str, str] = field(default_factory=dict)
    traceparent: Traceparent = NO_TRACE

    @classmethod
    def gone(cls, cluster: ClusterId, home: HomeName, uid: str, *, as_of: datetime) -> "Report":
        """Say that nothing of a delivery is on the desk any more."""
        return cls(
            cluster=cluster,
            home=home,
            uid=uid,
            order=Order(0, 0),
            candidate=Digest(""),
            bundle=Digest(""),
            stage=Stage.GONE,
            as_of=timestamp(as_of),
        )

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return canonical({"format": FORMAT, **asdict(self)})

    @classmethod
    def decode(cls, data: bytes) -> "Report":
        """Read `encode`'s bytes; fields of a later version are ignored. Raises ValueError when they are of another form.

        Every part has its type: what is made of reports is written for many clusters, and one agent must not hold that up.
        """
        try:
            raw = msgspec.json.decode(data, type=dict[str, object])
            if raw.get("format") != FORMAT:
                raise ValueError(f"this version does not read reports of format {raw.get('format')}")
            return msgspec.convert(raw | {"traceparent": read_traceparent(raw.get("traceparent"))}, cls)
        except (msgspec.MsgspecError, RecursionError) as problem:
            raise ValueError(f"this is no report: {problem}") from problem

    def says_the_same_as(self, other: "Report") -> bool:
        """Compare without the time."""
        return replace(self, as_of="", traceparent=NO_TRACE) == replace(other, as_of="", traceparent=NO_TRACE)


class NoticeKind(StrEnum):
    """What an event of the agent is about."""

    APPLIED = "Applied"
    PRUNED = "Pruned"
    DRIFT_DETECTED = "DriftDetected"
    DRIFT_CORRECTED = "DriftCorrected"
    HEALTH_PASSED = "HealthPassed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that happened to a delivery, told once: numbered per agent process, acknowledged by the hub."""

    seq: int
    home: HomeName
    uid: str
    kind: NoticeKind
    reason: str
    message: str
    at: str
    bundle: str = ""
