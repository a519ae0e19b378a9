"""What is asked of a convergence and what came of it. Pure values."""

import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.apply.prune import Refs
from agent.model.content import Manifest
from agent.model.inventory import format_id
from agent.model.jobs import JOB, has_time_to_live
from agent.model.names import Digest, HomeName, ObjectRef

_SECRET = ("", "Secret")
RECONCILIATION_FAILED = "ReconciliationFailed"
PRUNE_FAILED = "PruneFailed"
SUPERSEDED = "Superseded"
SERVICE_UNAVAILABLE = "ServiceUnavailable"


def _at_once() -> bool:
    return False


class Action(StrEnum):
    """What became of an object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    DELETED = "deleted"
    FAILED = "failed"
    HELD_BACK = "held back"

    @property
    def is_write(self) -> bool:
        return self in (Action.CREATED, Action.CONFIGURED)

    @property
    def is_failure(self) -> bool:
        return self in (Action.FAILED, Action.HELD_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The live object as it was when this manifest was last found to need no write."""

    resource_version: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The verdict on one object; `fields` were put back, `managers` had changed them."""

    ref: ObjectRef
    action: Action
    reason: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """What is wished: every manifest of a complete Bundle, `is_applied` if it was applied in full before.

    `inventory` is what is there because of this delivery, `ahead` what may be, `ended` the Jobs that are no more by the manifest they ran
    by. `kept_elsewhere` other assignments name, asked at each deletion: one may have come meanwhile. `must_wait` is asked before each, too:
    whether what leaves may be about to come to another assignment. `confidential` are the ids of those that hold values of Secrets,
    `resting` applied objects that are not looked at now.
    """

    owner: HomeName
    manifests: tuple[Manifest, ...]
    is_applied: bool = False
    inventory: Mapping[str, str]
    ahead: Mapping[str, str] = field(default_factory=dict)
    ended: Mapping[str, Digest] = field(default_factory=dict)
    prune: bool
    prune_held: bool = False
    force: bool = False
    kept_elsewhere: Refs = frozenset()
    must_wait: Callable[[], bool] = _at_once
    known: Mapping[ObjectRef, Known] = field(default_factory=dict)
    resting: Container[ObjectRef] = frozenset()
    confidential: frozenset[str] = frozenset()

    def is_confidential(self, ref: ObjectRef) -> bool:
        """Tell whether nothing that an object's manifest says may be told."""
        return (ref.group, ref.kind) == _SECRET or format_id(ref) in self.confidential

    @property
    def passing_jobs(self) -> frozenset[ObjectRef]:
        """Return the Jobs that the cluster removes some time after they ended."""
        jobs = [one for one in self.manifests if (one.ref.group, one.ref.kind) == JOB]
        return frozenset(one.ref for one in jobs if has_time_to_live(json.loads(one.body)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What came of it: a verdict per object, the ids (with versions) that exist now because of the delivery, the Jobs that ended and are
    no more, the objects whose deletion waits, and the failure, if any."""

    changes: tuple[Change, ...]
    inventory: Mapping[str, str]
    ended: Mapping[str, Digest]
    known: Mapping[ObjectRef, Known]
    deferred: tuple[ObjectRef, ...] = ()
    reason: str = ""
    problem: str = ""

    @property
    def is_away(self) -> bool:
        """Tell whether the server of a kind, which is away, hindered something."""
        return any(change.reason == SERVICE_UNAVAILABLE for change in self.changes)
