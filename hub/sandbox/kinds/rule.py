"""What is particular to one kind: the shape all rules share, and the steps that are the same for every kind. Pure.

The order of a server. Create: `with_defaults`, admission, `for_create`, `faults_of`. Update: `with_defaults`, `for_update`,
`faults_of_update`; a subresource: `with_defaults`, `for_subresource`, `faults_of_update`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.empties import without_empties
from hub.sandbox.kinds.metadata import faults_of_metadata, faults_of_metadata_update, faults_of_own_finalizers
from hub.sandbox.kinds.names import NameRule
from hub.sandbox.kinds.values import at, child, copied, mapping_at, put
from hub.sandbox.refusals import Cause

Step = Callable[[Object], None]
Change = Callable[[Object, Object], None]
Check = Callable[[Object], Iterator[Cause]]
ChangeCheck = Callable[[Object, Object], Iterator[Cause]]
_KEPT = ("creationTimestamp", "deletionTimestamp")
_ENDED = ("Failed", "Succeeded")
STATUS = "status"


def no_step(_: Object) -> None:
    """Change nothing."""


def no_change(_: Object, __: Object) -> None:
    """Change nothing."""


def no_faults(_: Object) -> Iterator[Cause]:
    """Find nothing wrong."""
    return iter(())


def no_faults_of_change(_: Object, __: Object) -> Iterator[Cause]:
    """Find nothing wrong."""
    return iter(())


def alike(one: Any, other: Any) -> bool:
    """Tell whether values mean the same: what is empty is as good as missing."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(alike(one.get(key), other.get(key)) for key in {*one, *other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other) or (_is_empty(one) and _is_empty(other))


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, dict | list) and not value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of a kind. The functions named as verbs change a copy in place; the methods never change what they are given.

    `status`: the status a new object has, None for a kind without one. `counted`: whose changes the generation counts,
    empty when it counts nothing. `checks_update`: where it is not `checks`. `rechecks_metadata`, `checks_metadata_itself`,
    `status_checks_metadata`:
    an update is checked as if it were new, and by the kind after all kinds; each says the same again. `held_by`: where the names of those
    are who have to let an object go. `has_own_finalizers`: finalizers without a domain are refused.
    """

    named: NameRule = names.subdomain
    defaults: Step = no_step
    prepares: Step = no_step
    keeps: Change = no_change
    checks: Check = no_faults
    checks_update: Check | None = None
    checks_change: ChangeCheck = no_faults_of_change
    checks_change_first: bool = False
    checks_subresource: ChangeCheck = no_faults_of_change
    status: Mapping[str, Any] | None = None
    status_keeps: tuple[str, ...] = ()
    counted: tuple[tuple[str, ...], ...] = ()
    rechecks_metadata: bool = True
    checks_metadata_itself: bool = True
    status_checks_metadata: bool = True
    creates_on_update: bool = False
    needs_version: bool = False
    is_graceful: bool = False
    leaves: Step = no_step
    held_by: tuple[tuple[str, ...], ...] = (("metadata", "finalizers"),)
    has_own_finalizers: bool = True
    subresources: Mapping[str, Change] = field(default_factory=dict)

    def with_defaults(self, value: Object) -> Object:
        """Return an object with everything filled in that was not said."""
        made: Object = without_empties(value)
        child(made, "metadata")
        self.defaults(made)
        if self.status is not None and self.status:
            found = child(made, STATUS)
            for key, initial in self.status.items():
                found.setdefault(key, copied(initial))
        return made

    def for_create(self, value: Object) -> Object:
        """Return what a new object is stored as; name, uid and time of creation are in it already."""
        made: Object = copied(value)
        metadata = child(made, "metadata")
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            metadata.pop(key, None)
        if self.status is not None:
            made[STATUS] = copied(dict(self.status))
        if self.counted:
            metadata["generation"] = 1
        self.prepares(made)
        self.defaults(made)
        return made

    def for_update(self, before: Object, after: Object) -> Object:
        """Return what an object becomes by an update of all of it."""
        made = _with_kept_metadata(before, after)
        if self.status is not None:
            put(made, STATUS, before.get(STATUS))
        self.keeps(before, made)
        self._count(before, made)
        return made

    def for_subresource(self, name: str, before: Object, after: Object) -> Object:
        """Return what an object becomes by an update at one of its subresources."""
        made = _with_kept_metadata(before, after)
        if name == STATUS:
            put(made, "spec", before.get("spec"))
            for key in self.status_keeps:
                put(child(made, "metadata"), key, at(before, "metadata", key))
        self.subresources.get(name, no_change)(before, made)
        if name != STATUS:
            self._count(before, made)
        return made

    def grace_s_of(self, value: Object, asked_s: int | None) -> int:
        """Return how long an object has to end by itself: none but a Pod that runs somewhere has any time."""
        if (
            not self.is_graceful
            or not at(value, "spec", "nodeName")
            or at(value, "status", "phase") in _ENDED
        ):
            return 0
        period_s = at(value, "spec", "terminationGracePeriodSeconds") if asked_s is None else asked_s
        return 1 if (period_s or 0) < 0 else period_s or 0

    def is_held(self, value: Object) -> bool:
        """Tell whether something keeps an object that is being deleted from going."""
        return any(at(value, *path) for path in self.held_by) or bool(
            self.is_graceful and at(value, "metadata", "deletionGracePeriodSeconds")
        )

    def for_deletion(self, value: Object, time: str, grace_s: int) -> Object:
        """Return an object that is being deleted but stays for now; `time` is when its grace is over."""
        made: Object = copied(value)
        metadata = child(made, "metadata")
        metadata.update(deletionTimestamp=time, deletionGracePeriodSeconds=grace_s)
        if metadata.get("generation"):
            metadata["generation"] += 1
        self.leaves(made)
        return made

    def faults_of(self, value: Object) -> tuple[Cause, ...]:
        """Return what is wrong with a new object."""
        metadata = faults_of_metadata(value, self.named, has_own_names=self.has_own_finalizers)
        return (*metadata, *self.checks(value))

    def faults_of_update(self, before: Object, after: Object, subresource: str = "") -> tuple[Cause, ...]:
        """Return what is wrong with a change. The real server names a fault of metadata once per check that finds it."""
        return tuple(self._faults_of_update(before, after, subresource))

    def _faults_of_update(self, before: Object, after: Object, subresource: str) -> Iterator[Cause]:
        yield from faults_of_metadata(after, names.path_segment, has_own_names=False)
        yield from faults_of_metadata_update(before, after)
        if self.status_checks_metadata if subresource else self.checks_metadata_itself:
            yield from faults_of_metadata_update(before, after)
            if self.has_own_finalizers:
                yield from faults_of_own_finalizers(after)
        if subresource:
            yield from self.checks_subresource(before, after)
            return
        if self.checks_change_first:
            yield from self.checks_change(before, after)
        if self.rechecks_metadata:
            yield from faults_of_metadata(after, self.named, has_own_names=self.has_own_finalizers)
        yield from (self.checks_update or self.checks)(after)
        if not self.checks_change_first:
            yield from self.checks_change(before, after)

    def _count(self, before: Object, made: Object) -> None:
        """Count the generation up when something changed that it counts."""
        if any(not alike(at(before, *path), at(made, *path)) for path in self.counted):
            metadata = child(made, "metadata")
            metadata["generation"] = (metadata.get("generation") or 0) + 1


def _with_kept_metadata(before: Object, after: Object) -> Object:
    """Return a copy of an update in which is put back what no update changes."""
    made: Object = copied(after)
    metadata, old = child(made, "metadata"), mapping_at(before, "metadata")
    put(metadata, "generation", old.get("generation"))
    if not metadata.get("uid"):
        put(metadata, "uid", old.get("uid"))
    for key in _KEPT:
        if old.get(key):
            metadata[key] = old[key]
    if metadata.get("deletionGracePeriodSeconds") is None:
        put(metadata, "deletionGracePeriodSeconds", old.get("deletionGracePeriodSeconds"))
    return made


def keeping(*paths: tuple[str, ...]) -> Change:
    """Return a change that puts fields back to what they were."""

    def keep(before: Object, made: Object) -> None:
        for path in paths:
            owner = made
            for key in path[:-1]:
                owner = child(owner, key)
            put(owner, path[-1], at(before, *path))

    return keep
