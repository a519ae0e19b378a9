"""What a head on the desk asks of the apply: the convergence, and whether its deletions need a person's word. Pure."""

from collections.abc import Callable, Container, Mapping

from agent.apply.convergence import Convergence, Known
from agent.apply.prune import Refs
from agent.model.assignment import APPROVE_PRUNE, PruneLimit
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.names import Digest, ObjectRef


def wish_of(
    head: Head,
    blobs: Mapping[Digest, bytes],
    known: Mapping[ObjectRef, Known],
    resting: Container[ObjectRef],
    *,
    kept_elsewhere: Refs,
    must_wait: Callable[[], bool],
) -> Convergence:
    """Return the convergence to the Bundle of a head, whose manifests `blobs` holds."""
    assignment = head.assignment
    manifests = tuple(
        Manifest(ref=e.ref, version=e.version, digest=e.digest, body=blobs[e.digest]) for e in head.entries
    )
    return Convergence(
        owner=assignment.home,
        manifests=manifests,
        is_applied=head.applied == assignment.bundle.digest,
        inventory=head.inventory,
        ahead=head.ahead,
        ended=head.ended,
        prune=assignment.spec.prune,
        prune_held=bool(held_ids(head)),
        force=assignment.spec.force,
        kept_elsewhere=kept_elsewhere,
        must_wait=must_wait,
        known=known,
        confidential=frozenset(assignment.confidential),
        resting=resting,
    )


def doubtful_ids(head: Head) -> Mapping[str, str]:
    """Return the ids, with versions, that are to be deleted if they exist, of which that is not known."""
    if not head.assignment.spec.prune:
        return {}
    wanted = head.wanted
    return {id_: v for id_, v in head.ahead.items() if id_ not in wanted and id_ not in head.inventory}


def held_ids(head: Head) -> tuple[str, ...]:
    """Return the ids whose deletion waits for approval, none when they may go or are not to be deleted at all."""
    assignment = head.assignment
    if not assignment.spec.prune:
        return ()
    if assignment.bundle.digest in assignment.tokens.get(APPROVE_PRUNE, "").split(","):
        return ()
    wanted = head.wanted
    leaving = tuple(sorted(id_ for id_ in head.inventory if id_ not in wanted))
    is_held = is_prune_held(assignment.prune_limit, len(head.inventory), len(wanted), len(leaving))
    return leaving if is_held else ()


def is_prune_held(limit: PruneLimit, held: int, wanted: int, leaving: int) -> bool:
    """Tell whether deleting so many of the objects held needs a person's word: all of them, or more than the limit."""
    if not leaving:
        return False
    return wanted == 0 or (leaving >= limit.at_least and leaving * 100 > held * limit.percent)
