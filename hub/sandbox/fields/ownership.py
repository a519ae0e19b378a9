"""Who owns what after a write, and what an apply takes away. Sets and values only; documents are `writes`' business."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.sandbox.fields.collect import fields_of, in_step, with_structs
from hub.sandbox.fields.compare import Comparison, compare
from hub.sandbox.fields.entries import Entry, Managed, Writer
from hub.sandbox.fields.errors import ApplyConflict, Cause
from hub.sandbox.fields.merge import merge, remove
from hub.sandbox.fields.paths import NOTHING, Fields, Path, ordered, path, shown, with_prefix_of
from hub.sandbox.schema import Type

# What an object is called and what the server alone writes is nobody's.
UNOWNED: Fields = frozenset(
    path(text)
    for text in (
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    )
)

TypeOfVersion = Callable[[str], Type | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The types of a kind's versions, the version of a request, and what this endpoint does not write."""

    api_version: str
    type_of: TypeOfVersion
    reset: Fields = NOTHING

    @property
    def type(self) -> Type:
        """Return the type of the request's version. Raises KeyError when it has none."""
        found = self.type_of(self.api_version)
        if found is None:
            raise KeyError(self.api_version)
        return found


def after_update(before: Any, after: Any, managed: Managed, kind: Kind) -> tuple[Managed, Fields]:
    """Return what others own after a write, and what the write added or changed."""
    managed = _in_step(managed, kind)
    kept, found = _given_up(before, after, managed, kind, keep=None, force=True)
    own = (found.modified | found.added) - UNOWNED
    return kept, own - with_prefix_of(own, kind.reset)


def after_apply(
    live: Any, applied: Any, managed: Managed, who: Writer, kind: Kind, *, force: bool
) -> tuple[Any, Managed]:
    """Return the live value after an apply, and who owns what then; without times. Raises ApplyConflict, TypedError."""
    managed = _in_step(managed, kind)
    merged = merge(live, applied, kind.type)
    last = managed.get(who)
    own = fields_of(applied, kind.type)
    own -= with_prefix_of(own, kind.reset)
    time = last.time if last else ""
    managed = {**managed, who: Entry(api_version=kind.api_version, fields=own, time=time)}
    pruned = _pruned(merged, managed, last, kind)
    managed, _ = _given_up(live, pruned, managed, kind, keep=who, force=force)
    if who in managed:
        managed[who] = replace(managed[who], fields=own - UNOWNED)
    return pruned, {one: entry for one, entry in managed.items() if entry.fields}


def _in_step(managed: Managed, kind: Kind) -> Managed:
    return {
        who: replace(e, fields=_cut(e, kind)) for who, e in managed.items() if kind.type_of(e.api_version)
    }


def _cut(entry: Entry, kind: Kind) -> Fields:
    of = kind.type_of(entry.api_version)
    return in_step(entry.fields, of) if of else entry.fields


def _given_up(
    before: Any, after: Any, managed: Managed, kind: Kind, *, keep: Writer | None, force: bool
) -> tuple[Managed, Comparison]:
    """Return entries without what a write took from them, and the write's differences. Raises ApplyConflict without force."""
    whole = compare(before, after, kind.type)
    differences = {kind.api_version: whole.without(kind.reset)}
    contested: dict[Writer, Fields] = {}
    result: Managed = {}
    for who, entry in managed.items():
        if who == keep:
            result[who] = entry
            continue
        found = differences.get(entry.api_version)
        if found is None:
            of = kind.type_of(entry.api_version)
            if of is None:
                continue
            found = differences[entry.api_version] = compare(before, after, of).without(kind.reset)
        if taken := entry.fields & (found.modified | found.added):
            contested[who] = taken
        result[who] = replace(entry, fields=entry.fields - taken - found.removed)
    if contested and not force:
        raise conflict(contested)
    return {who: entry for who, entry in result.items() if entry.fields}, whole


def _pruned(merged: Any, managed: Managed, last: Entry | None, kind: Kind) -> Any:
    """Return the merged value without what its applier named last time, names no more, and nobody else owns."""
    of = kind.type_of(last.api_version) if last else None
    if last is None or of is None or not last.fields:
        return merged
    owned: dict[str, set[Path]] = {last.api_version: set()}
    for entry in managed.values():
        owned.setdefault(entry.api_version, set()).update(entry.fields)
    if last.fields <= owned[last.api_version]:
        return merged
    before = with_structs(last.fields, of)
    pruned = remove(merged, before, of)
    for version, theirs in owned.items():
        of_theirs = kind.type_of(version)
        if of_theirs is not None:
            pruned = _with_owned_back(merged, pruned, frozenset(theirs), of_theirs)
    there = with_structs(fields_of(merged, of), of)
    left = with_structs(fields_of(pruned, of), of)
    return remove(merged, (there - left) & before, of)


def _with_owned_back(merged: Any, pruned: Any, owned: Fields, of: Type) -> Any:
    there = with_structs(fields_of(merged, of), of)
    left = with_structs(fields_of(pruned, of), of)
    return remove(merged, there - (left | with_structs(owned, of)), of)


def conflict(contested: Mapping[Writer, Fields]) -> ApplyConflict:
    """Return the error of an apply that would change what others own."""
    fields = {who: [shown(one) for one in ordered(contested[who])] for who in sorted(contested, key=str)}
    causes = tuple(
        Cause(message=f"conflict with {who}", field=field)
        for who, theirs in fields.items()
        for field in theirs
    )
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = [
            line
            for who, theirs in fields.items()
            for line in (f"conflicts with {who}:", *(f"- {f}" for f in theirs))
        ]
        text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return ApplyConflict(text, causes, contested=dict(contested))
