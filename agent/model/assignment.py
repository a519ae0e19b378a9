"""What the hub wishes for one delivery in one cluster: its assignment, its tombstone, or a hold. Pure values.

An assignment travels and is saved as its canonical bytes; whoever compares two compares those bytes or their digest. Orders are
(term, seq) and nothing else orders anything. `spec` is what the agent needs of the delivery's own spec, in seconds and home names.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from agent.model.content import BundleRef, canonical, digest_of
from agent.model.names import ClusterId, Digest, HomeName, ObjectRef

FORMAT = 1

# The names of tokens.
RECONCILE = "reconcile"
RECONCILE_CLUSTER = "reconcile-cluster"
APPROVE_PRUNE = "approve-prune"


class DeletionPolicy(StrEnum):
    """What becomes of the objects when the delivery is deleted."""

    MIRROR_PRUNE = "MirrorPrune"
    DELETE = "Delete"
    WAIT_FOR_TERMINATION = "WaitForTermination"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True, order=True)
class Order:
    """Which of two wishes is newer: the session's term, then the sequence within it."""

    term: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """An object to wait for beside those applied."""

    ref: ObjectRef
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySpec:
    """How a delivery is to be converged."""

    interval_s: float
    retry_interval_s: float
    timeout_s: float
    prune: bool = False
    deletion_policy: DeletionPolicy = DeletionPolicy.MIRROR_PRUNE
    force: bool = False
    suspend: bool = False
    wait: bool = False
    health_checks: tuple[HealthCheck, ...] = ()
    depends_on: tuple[HomeName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneLimit:
    """How much may be deleted at once without a person's word: at most this share, unless it is fewer than `at_least` objects."""

    percent: float = 50.0
    at_least: int = 10


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The hub's present wish for a placement. Without slots: its substance is made once, and compared often.

    `source` names the source by which dependencies compare revisions. `tokens` are requests by name (reconcile, approve-prune), newest
    value only. `generation` is the delivery's, for people; it orders nothing. `confidential` are the inventory ids of the objects that hold
    values of Secrets: of those nothing is told but names.
    """

    cluster: ClusterId
    home: HomeName
    uid: str
    generation: int
    order: Order
    candidate: Digest
    bundle: BundleRef
    source: str
    spec: DeliverySpec
    prune_limit: PruneLimit = PruneLimit()
    tokens: Mapping[str, str] = field(default_factory=dict)
    confidential: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return canonical({"format": FORMAT, **asdict(self)})

    @classmethod
    def decode(cls, data: bytes) -> "Assignment":
        """Read `encode`'s bytes; fields of a later version are ignored. Raises ValueError when they are of another form."""
        try:
            raw = json.loads(data)
            if raw["format"] != FORMAT:
                raise ValueError(f"this version does not read assignments of format {raw['format']}")
            return cls(
                cluster=ClusterId(raw["cluster"]),
                home=_home(raw["home"]),
                uid=raw["uid"],
                generation=raw["generation"],
                order=Order(**raw["order"]),
                candidate=Digest(raw["candidate"]),
                bundle=BundleRef(base=raw["bundle"]["base"], overlay=raw["bundle"]["overlay"]),
                source=raw["source"],
                spec=_spec(raw["spec"]),
                prune_limit=PruneLimit(**raw["prune_limit"]),
                tokens=raw["tokens"],
                confidential=tuple(raw.get("confidential", ())),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as problem:
            raise ValueError(f"this is no assignment: {problem!r}") from problem

    @cached_property
    def substance(self) -> Digest:
        """Return the digest of everything but order and candidate: equal for two wishes that ask for the same.

        A commit that changes nothing in a delivery makes another candidate, and nothing has to be said.
        """
        raw = asdict(self)
        del raw["order"], raw["candidate"]
        return digest_of(canonical(raw))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A delivery that is to leave the cluster. It is for this UID alone: a newer object of the same name is not meant."""

    home: HomeName
    uid: str
    delete_objects: bool
    author: str = ""
    reason: str = ""


class HoldReason(StrEnum):
    """Why the hub cannot say now what it wishes."""

    STARTING = "Starting"
    NOT_BUILT = "NotBuilt"
    BUILD_FAILED = "BuildFailed"
    SOURCE_NOT_READY = "SourceNotReady"
    STALLED = "Stalled"
    RELEASED = "Released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep what is there; released: and stop guarding it."""

    reason: HoldReason
    message: str = ""


def root_of(substances: Mapping[HomeName, Digest]) -> Digest:
    """Return one digest over deliveries and the substances of their assignments."""
    lines = sorted([str(home), substance] for home, substance in substances.items())
    return digest_of(canonical(lines))


def _home(raw: Mapping[str, str]) -> HomeName:
    return HomeName(kind=raw["kind"], namespace=raw["namespace"], name=raw["name"])


def _spec(raw: Mapping[str, Any]) -> DeliverySpec:
    checks = tuple(HealthCheck(ref=ObjectRef(**c["ref"]), version=c["version"]) for c in raw["health_checks"])
    return DeliverySpec(
        interval_s=raw["interval_s"],
        retry_interval_s=raw["retry_interval_s"],
        timeout_s=raw["timeout_s"],
        prune=raw["prune"],
        deletion_policy=DeletionPolicy(raw["deletion_policy"]),
        force=raw["force"],
        suspend=raw["suspend"],
        wait=raw["wait"],
        health_checks=checks,
        depends_on=tuple(_home(one) for one in raw["depends_on"]),
    )
