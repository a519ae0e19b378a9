"""A Fleet's status from its clusters and how its deliveries stand in them. Pure, level-triggered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from agent.model.names import ClusterId
from hub.model.cluster import Cluster
from hub.model.conditions import READY, STALLED, Condition, Conditions, ConditionStatus
from hub.model.fields import unsupported
from hub.model.fleet import Fleet, FleetClusters, FleetStatus
from hub.model.kinds import Kind
from hub.model.kustomization import PRUNE_HELD
from hub.status.verdict import State, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOutlook:
    """Everything that the status of one Fleet follows from; `verdicts` are those of its deliveries, by cluster."""

    fleet: Fleet
    clusters: tuple[Cluster, ...]
    verdicts: Mapping[ClusterId, Sequence[Verdict]]
    now: datetime


def selected(fleet: Fleet, clusters: Sequence[Cluster]) -> tuple[Cluster, ...]:
    """Return the clusters of its namespace that a Fleet selects."""
    return tuple(
        one
        for one in clusters
        if one.metadata.namespace == fleet.metadata.namespace
        and not one.metadata.is_being_deleted
        and fleet.spec.cluster_selector.matches(one.metadata.labels)
    )


def fleet_status_of(outlook: FleetOutlook) -> FleetStatus:
    """Return the status to write."""
    fleet = outlook.fleet
    requested = fleet.metadata.requested_at
    status = msgspec.structs.replace(
        fleet.status,
        observed_generation=fleet.metadata.generation,
        last_handled_reconcile_at=requested or fleet.status.last_handled_reconcile_at,
    )
    counts = _counts(outlook)
    held = sum(any(verdict.state is State.HELD for verdict in one) for one in outlook.verdicts.values())
    conditions = _conditions(fleet, counts, held, outlook.now).items
    if counts is None:
        return msgspec.structs.replace(status, conditions=conditions)
    return msgspec.structs.replace(status, conditions=conditions, clusters=counts)


def _counts(outlook: FleetOutlook) -> FleetClusters | None:
    """Return how many clusters are in which state, None while agents may yet return after the hub's start."""
    found = [outlook.verdicts.get(one.spec.id, ()) if one.spec.id else () for one in outlook.clusters]
    states = [{verdict.state for verdict in verdicts} for verdicts in found]
    if any(State.UNTOLD in one for one in states):
        return None
    return FleetClusters(
        matched=len(found),
        ready=sum(one <= {State.READY} for one in states),
        failed=sum(State.FAILED in one for one in states),
        unknown=sum(State.DISCONNECTED in one and State.FAILED not in one for one in states),
    )


def _conditions(fleet: Fleet, counts: FleetClusters | None, held: int, now: datetime) -> Conditions:
    found = fleet.conditions
    refusal = unsupported(Kind.FLEET, fleet.raw_spec)
    if refusal is not None:
        stalled = found.mark_false(READY, refusal.reason, refusal.message, now=now)
        return stalled.mark_stalled(refusal.reason, refusal.message, now=now)
    found = found.delete(STALLED)
    return found if counts is None else found.set(_ready(counts, held), now=now)


def _ready(counts: FleetClusters, held: int) -> Condition:
    text = f"{counts.ready}/{counts.matched} clusters ready"
    if not counts.matched:
        return _condition(
            ConditionStatus.FALSE, "NoClusters", "no cluster of this namespace has the labels selected"
        )
    if counts.failed:
        return _condition(ConditionStatus.FALSE, "ClustersFailed", f"{text}, {counts.failed} failed")
    if held:
        text += f", {held} hold a prune that waits for approval; `hub status` shows what to type"
        return _condition(ConditionStatus.FALSE, PRUNE_HELD, text)
    if counts.unknown == counts.matched:
        return _condition(ConditionStatus.UNKNOWN, "Disconnected", f"{text}, {counts.unknown} disconnected")
    if counts.ready + counts.unknown == counts.matched:
        away = f", {counts.unknown} disconnected" if counts.unknown else ""
        return _condition(ConditionStatus.TRUE, "Succeeded", text + away)
    return _condition(ConditionStatus.UNKNOWN, "Progressing", text)


def _condition(status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=READY, status=status, reason=reason, message=message)
