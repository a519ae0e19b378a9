"""Makes a report of what is known of a delivery: the verdict on exactly one Bundle. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agent.apply.convergence import Change
from agent.apply.fights import Fight
from agent.model.head import Head
from agent.model.health import Health
from agent.model.inventory import format_id
from agent.model.names import ObjectRef, timestamp
from agent.model.report import MAX_EXCEPTIONS, Report, Stage, Verdict
from agent.reconciler.state import DeliveryState

MAX_WORDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is to be said of a delivery: its stage, a Flux reason and sentence, and the objects that it is about."""

    stage: Stage
    reason: str
    message: str
    changes: tuple[Change, ...] = ()
    blamed: tuple[tuple[ObjectRef, Health], ...] = ()
    healthy: bool | None = None
    health_message: str = ""


def report_of(
    head: Head, word: Word, state: DeliveryState, *, fights: Iterable[Fight], now: datetime
) -> Report:
    """Return the report that says a word of the Bundle of a head."""
    assignment = head.assignment
    wanted = head.wanted
    failed = [
        Verdict(id=format_id(change.ref), reason=change.reason, message=change.message)
        for change in word.changes
        if change.action.is_failure
    ]
    failed += [
        Verdict(id=format_id(ref), reason=str(health.status), message=health.message)
        for ref, health in word.blamed
    ]
    return Report(
        cluster=assignment.cluster,
        home=assignment.home,
        uid=assignment.uid,
        order=assignment.order,
        candidate=assignment.candidate,
        bundle=assignment.bundle.digest,
        stage=word.stage,
        as_of=timestamp(now),
        generation=assignment.generation,
        reason=word.reason,
        message=word.message,
        healthy=word.healthy,
        health_message=word.health_message,
        applied_once=bool(head.applied),
        inventory_extra={id_: v for id_, v in head.inventory.items() if id_ not in wanted},
        inventory_missing=tuple(sorted(wanted.keys() - head.inventory.keys())),
        exceptions=tuple(failed[:MAX_EXCEPTIONS]),
        exception_count=len(failed),
        prune_held=state.prune_held,
        prune_words=state.prune_words[:MAX_WORDS],
        fights=tuple(
            Verdict(id=format_id(fight.ref), reason=fight.manager, message=str(fight)) for fight in fights
        ),
        handled=dict(head.handled),
        traceparent=state.traceparent,
    )
