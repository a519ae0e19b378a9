"""Which ids a delivery holds after a convergence, and which of them are not wished any more. Pure."""

from collections.abc import Iterable, Mapping

from agent.apply.convergence import Action, Change, Convergence
from agent.apply.order import order_key
from agent.model.inventory import format_id, parse_id
from agent.model.names import Digest

_THERE = frozenset({Action.CREATED, Action.CONFIGURED, Action.UNCHANGED, Action.SKIPPED})


def stale_ids(task: Convergence) -> Mapping[str, str]:
    """Return what is held, or may be, and not wished any more."""
    wanted = {format_id(one.ref) for one in task.manifests}
    return {id_: version for id_, version in {**task.ahead, **task.inventory}.items() if id_ not in wanted}


def present_ids(task: Convergence, changes: Iterable[Change]) -> Mapping[str, str]:
    """Return what is wished and exists: by this convergence, left as it was, or held before."""
    there = {format_id(change.ref) for change in changes if change.action in _THERE}
    wanted = {format_id(one.ref): one.version for one in task.manifests}
    return {id_: version for id_, version in wanted.items() if id_ in there or id_ in task.inventory}


def still_ended(task: Convergence) -> dict[str, Digest]:
    """Return the Jobs that ended before and are wished as they ran."""
    wanted = {format_id(one.ref): one.digest for one in task.manifests} if task.ended else {}
    return {id_: digest for id_, digest in task.ended.items() if wanted.get(id_) == digest}


def in_order(inventory: Mapping[str, str]) -> Mapping[str, str]:
    """Return an inventory in the order in which its objects are applied."""
    return dict(sorted(inventory.items(), key=lambda item: order_key(parse_id(item[0]))))
