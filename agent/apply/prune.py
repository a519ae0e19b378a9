"""Whether an object that no Bundle lists any more may be deleted. Pure."""

from collections.abc import Container, Mapping
from enum import StrEnum
from typing import Any

from agent.apply.policy import KEPT, is_owned, says
from agent.model.names import HomeName, ObjectRef


class Fate(StrEnum):
    """What becomes of an object that leaves."""

    GONE = "gone"
    KEEP = "keep"
    SKIP = "skip"
    DELETE = "delete"


def decide(
    live: Mapping[str, Any] | None, ref: ObjectRef, owner: HomeName, kept_elsewhere: Container[ObjectRef]
) -> Fate:
    """Delete only what is there, still this delivery's own, not opted out, and named by no other assignment.

    Keep what another names and has not taken over yet: until then it is this delivery's to let go.
    """
    if live is None:
        return Fate.GONE
    if not is_owned(live, owner) or says(live, KEPT):
        return Fate.SKIP
    if ref in kept_elsewhere:
        return Fate.KEEP
    return Fate.DELETE
