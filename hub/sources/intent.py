"""What people ask of a GitRepository, apart from what the hub writes into it. Pure."""

from dataclasses import dataclass

from hub.model.gitrepository import GitRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What of an object is reason to reconcile it: the spec, a deletion, a request; never its status."""

    uid: str
    generation: int
    is_being_deleted: bool
    requested_at: str | None


def intent_of(repository: GitRepository) -> Intent:
    """Return what a person asks of an object; when it is as before, a change was none to act on."""
    metadata = repository.metadata
    return Intent(
        uid=metadata.uid,
        generation=metadata.generation,
        is_being_deleted=metadata.is_being_deleted,
        requested_at=metadata.requested_at,
    )


def is_requested(repository: GitRepository) -> bool:
    """Tell whether a request to reconcile is not answered yet."""
    token = repository.metadata.requested_at
    return token is not None and token != repository.status.last_handled_reconcile_at
