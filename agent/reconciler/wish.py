"""What a head on the desk asks of the apply: the convergence, and whether its deletions need a person's word. Pure."""

from collections.abc import Callable, Container, Iterable, Mapping

from agent.apply.convergence import Convergence, Known
from agent.apply.prune import Refs
from agent.apply.weight import NO_WEIGHTS, Weights, is_weighty
from agent.model.assignment import APPROVE_PRUNE, PruneLimit
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.inventory import parse_id
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
    """Return the convergence to the Bundle of a head, whose manifests `blobs` holds; whether its deletions are held is said apart."""
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


def leaving_ids(head: Head) -> Mapping[str, str]:
    """Return the ids, with versions, that are held and wished no more, none when they may go or are not to be deleted at all."""
    assignment = head.assignment
    if not assignment.spec.prune:
        return {}
    if assignment.bundle.digest in assignment.tokens.get(APPROVE_PRUNE, "").split(","):
        return {}
    wanted = head.wanted
    return {id_: head.inventory[id_] for id_ in sorted(head.inventory) if id_ not in wanted}


def weighty(ids: Mapping[str, str]) -> Mapping[str, str]:
    """Return those of some ids with which more than the object itself may go."""
    return {id_: version for id_, version in ids.items() if is_weighty(parse_id(id_))}


def staying_like(head: Head, leaving: Iterable[str]) -> Mapping[str, str]:
    """Return the held ids that stay, of the kinds of those that leave."""
    kinds = {(ref.group, ref.kind) for ref in map(parse_id, leaving)}
    staying = {id_: version for id_, version in head.inventory.items() if id_ in head.wanted}
    refs = {id_: parse_id(id_) for id_ in staying}
    return {id_: staying[id_] for id_, ref in refs.items() if (ref.group, ref.kind) in kinds}


def held_ids(head: Head, weights: Weights = NO_WEIGHTS) -> tuple[str, ...]:
    """Return the ids whose deletion waits for approval, with which goes what is weighed: of what is not known nobody says that it may go."""
    leaving = tuple(leaving_ids(head))
    held = len(head.inventory) + weights.count + weights.staying
    going = len(leaving) + weights.count
    is_held = is_prune_held(head.assignment.prune_limit, held, len(head.wanted), going)
    return leaving if is_held or not weights.are_known else ()


def is_prune_held(limit: PruneLimit, held: int, wanted: int, leaving: int) -> bool:
    """Tell whether deleting so many of the objects held needs a person's word: all of them, or more than the limit."""
    if not leaving:
        return False
    return wanted == 0 or (leaving >= limit.at_least and leaving * 100 > held * limit.percent)
