"""What people ask of a source, apart from what the hub writes into it. Pure."""

from dataclasses import dataclass

from hub.model.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What of an object is reason to reconcile it: the spec, a deletion, a request; never its status."""

    uid: str
    generation: int
    is_being_deleted: bool
    requested_at: str | None


def intent_of(source: Source) -> Intent:
    """Return what a person asks of an object; when it is as before, a change was none to act on."""
    metadata = source.metadata
    return Intent(
        uid=metadata.uid,
        generation=metadata.generation,
        is_being_deleted=metadata.is_being_deleted,
        requested_at=metadata.requested_at,
    )


def is_requested(source: Source) -> bool:
    """Tell whether a request to reconcile is not answered yet."""
    token = source.metadata.requested_at
    return token is not None and token != source.status.last_handled_reconcile_at
