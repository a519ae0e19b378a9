"""Whether an object that no Bundle lists any more may be deleted. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Protocol

from agent.apply.policy import KEPT, is_owned, says
from agent.apply.stages import DEFINITION, NAMESPACE
from agent.model.names import HomeName, ObjectRef


class Refs(Protocol):
    """Objects that assignments name, as they are at the time of asking."""

    def __contains__(self, ref: object, /) -> bool: ...

    def __iter__(self) -> Iterator[ObjectRef]: ...


class Fate(StrEnum):
    """What becomes of an object that leaves."""

    GONE = "gone"
    KEEP = "keep"
    SKIP = "skip"
    DELETE = "delete"
    DEFER = "defer"
    """It would be deleted now, but has to wait."""


def decide(
    live: Mapping[str, Any] | None,
    ref: ObjectRef,
    owner: HomeName,
    *,
    mine: Collection[ObjectRef],
    elsewhere: Refs,
    is_namespaced: bool,
) -> Fate:
    """Delete only what is there, still this delivery's own, not opted out, and neither named nor needed by what is wished.

    Keep what another names and has not taken over yet, and what would take along something that is wished: until then it is this
    delivery's to let go.
    """
    if live is None:
        return Fate.GONE
    if not is_owned(live, owner) or says(live, KEPT):
        return Fate.SKIP
    if not is_namespaced and _has_namesake(ref, mine):
        return Fate.SKIP
    if ref in elsewhere or (not is_namespaced and _has_namesake(ref, elsewhere)):
        return Fate.KEEP
    if _takes_along(live, ref, mine) or _takes_along(live, ref, elsewhere):
        return Fate.KEEP
    return Fate.DELETE


def _has_namesake(ref: ObjectRef, wished: Iterable[ObjectRef]) -> bool:
    """Tell whether the same object of a kind without namespaces is wished; manifests may give it any namespace."""
    return any((one.group, one.kind, one.name) == (ref.group, ref.kind, ref.name) for one in wished)


def _takes_along(live: Mapping[str, Any], ref: ObjectRef, wished: Iterable[ObjectRef]) -> bool:
    """Tell whether something wished would be deleted with an object: what is in a namespace, or of the kind that it defines."""
    match (ref.group, ref.kind):
        case kind if kind == NAMESPACE:
            return any(one.namespace == ref.name for one in wished)
        case kind if kind == DEFINITION:
            spec = live.get("spec") or {}
            defined = (spec.get("group"), (spec.get("names") or {}).get("kind"))
            return any((one.group, one.kind) == defined for one in wished)
        case _:
            return False
