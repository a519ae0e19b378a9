"""A Cluster's status from what its agent says and how its deliveries stand. Pure, level-triggered.

Enrolled is written where keys are registered, IdentityConflict where ids are given; both are left as they are, but that an agent which let
its certificate end is enrolled no more.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from agent.model.assignment import RECONCILE_CLUSTER
from agent.model.names import HomeName, timestamp
from hub.model.cluster import (
    CONNECTED,
    ENROLLED,
    IDENTITY_CONFLICT,
    MAX_ROWS,
    REMOVED_UNREACHABLE,
    REMOVING,
    Cluster,
    ClusterStatus,
    Counts,
    DeliveryRow,
    Versions,
)
from hub.model.conditions import READY, STALLED, Condition, Conditions, ConditionStatus
from hub.model.durations import instant
from hub.model.fields import unsupported
from hub.model.kinds import Kind
from hub.model.kustomization import PRUNE_HELD
from hub.model.wish import Presence
from hub.model.wording import first_of
from hub.status.verdict import DISCONNECTED, Patience, State, Verdict, held_message

_RANKS = {State.FAILED: 0, State.DISCONNECTED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOutlook:
    """Everything that the status of one Cluster follows from.

    `resting` are the deliveries to which nothing is said now, because they are suspended or something hinders them everywhere.
    """

    cluster: Cluster
    presence: Presence | None
    verdicts: tuple[Verdict, ...]
    resting: frozenset[HomeName] = frozenset()
    patience: Patience
    now: datetime
    present: int = 0
    """How many deliveries are in a cluster that is being removed."""

    @property
    def has_lapsed(self) -> bool:
        return self.patience.has_lapsed(self.presence, self.now)


def cluster_status_of(outlook: ClusterOutlook) -> ClusterStatus:
    """Return the status to write."""
    before, presence = outlook.cluster.status, outlook.presence
    status = msgspec.structs.replace(
        before,
        conditions=_conditions(outlook).items,
        observed_generation=outlook.cluster.metadata.generation,
        last_handled_reconcile_at=_handled(outlook),
    )
    if presence is not None:
        status = msgspec.structs.replace(
            status,
            versions=Versions(
                agent=presence.agent_version,
                kubernetes=presence.kubernetes_version,
                protocol=presence.protocol,
            ),
        )
    # What was known before the hub began stays until it is known anew.
    if all(one.state is not State.UNTOLD for one in outlook.verdicts):
        status = msgspec.structs.replace(status, counts=_counts(outlook), not_in_step=_rows(outlook))
    return msgspec.structs.replace(status, last_seen=_last_seen(outlook, is_news=status != before))


def _conditions(outlook: ClusterOutlook) -> Conditions:
    found, now = outlook.cluster.conditions, outlook.now
    if found.get(ENROLLED) is None:
        found = found.mark_false(
            ENROLLED, "NoAgent", "no agent has registered a key yet; hub cluster add brings one", now=now
        )
    ended = outlook.cluster.status.certificate.not_after
    if ended and instant(ended) <= now and outlook.has_lapsed:
        message = (
            f"the agent's certificate ended at {ended}; it recovers by itself when it comes back with its key"
        )
        found = found.mark_false(ENROLLED, "CertificateExpired", message, now=now)
    connected = _connected(outlook)
    if connected is not None:
        found = found.set(connected, now=now)
    refusal = unsupported(Kind.CLUSTER, outlook.cluster.raw_spec)
    if refusal is not None:
        found = found.mark_false(READY, refusal.reason, refusal.message, now=now)
        return found.mark_stalled(refusal.reason, refusal.message, now=now)
    return found.delete(STALLED).set(_ready(outlook, found), now=now)


def _connected(outlook: ClusterOutlook) -> Condition | None:
    """Return Connected, None while the agent may yet return."""
    presence = outlook.presence
    if outlook.has_lapsed:
        message = _silence(outlook)
        return _condition(CONNECTED, ConditionStatus.FALSE, DISCONNECTED, message) if message else None
    if presence is None or not presence.connected:
        return None
    message = f"agent {presence.agent_version} is connected since {timestamp(presence.since)}"
    return _condition(CONNECTED, ConditionStatus.TRUE, "SessionOpen", message)


def _silence(outlook: ClusterOutlook) -> str:
    """Say since when nothing was heard of the agent; nothing when it was said before this hub began."""
    presence, cluster = outlook.presence, outlook.cluster
    if presence is not None:
        problem = f": {presence.problem}" if presence.problem else ""
        return f"the agent was not heard of since {timestamp(presence.last_seen)}{problem}"
    if cluster.conditions.is_false(CONNECTED):
        return ""
    if not cluster.status.last_seen:
        return "the agent was not heard of yet"
    return f"the agent was not heard of since this hub began at {timestamp(outlook.patience.began)}"


def _ready(outlook: ClusterOutlook, conditions: Conditions) -> Condition | None:
    """Return Ready: connected, without a conflict, and every delivery in step; None when it stays as it is."""
    cluster = outlook.cluster
    conflict = conditions.get(IDENTITY_CONFLICT)
    if conflict is not None and conflict.status is ConditionStatus.TRUE:
        return _condition(READY, ConditionStatus.FALSE, conflict.reason, conflict.message)
    if cluster.metadata.is_being_deleted:
        return _removing(outlook, conditions)
    if outlook.has_lapsed:
        return _condition(READY, ConditionStatus.UNKNOWN, DISCONNECTED, "the agent is not connected")
    if not conditions.is_true(CONNECTED):
        return None
    counts = _counts(outlook)
    bad = [str(one.target.home) for one in outlook.verdicts if one.state is State.FAILED]
    text = f"{counts.in_step}/{counts.assigned} deliveries in step"
    if bad:
        return _condition(
            READY, ConditionStatus.FALSE, "DeliveriesFailed", f"{text}, {len(bad)} failed: {first_of(bad)}"
        )
    if held := [str(one.target.home) for one in outlook.verdicts if one.state is State.HELD]:
        return _condition(
            READY, ConditionStatus.FALSE, PRUNE_HELD, f"{text}, {len(held)} held: {first_of(held)}"
        )
    if untold := sum(one.state is State.UNTOLD for one in outlook.verdicts):
        if outlook.patience.is_new(outlook.now):
            return None
        return _condition(
            READY, ConditionStatus.UNKNOWN, "DeliveriesUnknown", f"{text}, {untold} not known to the hub yet"
        )
    return _condition(READY, ConditionStatus.TRUE, "Succeeded", text)


def _removing(outlook: ClusterOutlook, conditions: Conditions) -> Condition:
    """Return Ready of a cluster that is being removed: what is still there, or that nobody is there to let go of it."""
    is_there = outlook.presence is not None and outlook.presence.connected
    away = conditions.get(REMOVED_UNREACHABLE)
    if away is not None and not is_there:
        return _condition(READY, ConditionStatus.FALSE, away.reason, away.message)
    text = f"being removed; deliveries still to leave the cluster: {outlook.present}"
    if not is_there:
        text += "; its agent is not connected"
    return _condition(READY, ConditionStatus.FALSE, REMOVING, text)


def _counts(outlook: ClusterOutlook) -> Counts:
    verdicts = outlook.verdicts
    return Counts(
        assigned=len(verdicts),
        in_step=sum(one.state is State.READY for one in verdicts),
        failed=sum(one.state is State.FAILED for one in verdicts),
        held=sum(one.target.bundle is None or _is_prune_held(one) for one in verdicts),
        released=len(outlook.cluster.status.released),
    )


def _rows(outlook: ClusterOutlook) -> tuple[DeliveryRow, ...]:
    """Return the deliveries that are not in step, the worst first, each since when its state is what it is."""
    before = {(one.kind, one.namespace, one.name): one for one in outlook.cluster.status.not_in_step}
    behind = [one for one in outlook.verdicts if one.state is not State.READY or _is_prune_held(one)]
    rows = []
    for one in sorted(behind, key=lambda one: (_RANKS.get(one.state, 1), one.target.home))[:MAX_ROWS]:
        row = _row(one, timestamp(outlook.now))
        known = before.get((row.kind, row.namespace, row.name))
        if known is not None and (known.state, known.reason) == (row.state, row.reason):
            row = msgspec.structs.replace(row, since=known.since)
        rows.append(row)
    return tuple(rows)


def written_state(status: ClusterStatus, home: HomeName) -> str:
    """Return the state in a delivery's row; empty for one that has none, since it was in step or is not known there.

    Of a list that was cut nobody knows: it is on its way, unless the list was long enough for all that are worse than disconnected.
    """
    rows = status.not_in_step
    for row in rows:
        if (row.kind, row.namespace, row.name) == (home.kind, home.namespace, home.name):
            return row.state
    is_cut = len(rows) >= MAX_ROWS and all(row.state != State.DISCONNECTED for row in rows)
    return State.PROGRESSING if is_cut else ""


def _row(one: Verdict, now: str) -> DeliveryRow:
    home, reason, message = one.target.home, one.reason, one.message
    state = str(one.state)
    if _is_prune_held(one) and one.report is not None:
        state, reason = str(State.HELD), PRUNE_HELD
        message = held_message(one.target, one.report, build=one.report.bundle)
    return DeliveryRow(
        kind=home.kind,
        namespace=home.namespace,
        name=home.name,
        state=state,
        since=now,
        reason=reason,
        message=message[:1024],
        revision=one.target.revision,
    )


def _is_prune_held(one: Verdict) -> bool:
    return one.report is not None and bool(one.report.prune_held)


def _handled(outlook: ClusterOutlook) -> str:
    """Return the request that was answered last: by every delivery of the cluster that can be asked, while its agent is there."""
    before, asked = outlook.cluster.status.last_handled_reconcile_at, outlook.cluster.metadata.requested_at
    is_there = outlook.presence is not None and outlook.presence.connected and not outlook.has_lapsed
    if not asked or asked == before or not is_there:
        return before
    answers = (
        one.target.problem is not None
        or one.target.home in outlook.resting
        or one.has_handled(RECONCILE_CLUSTER, asked)
        for one in outlook.verdicts
    )
    return asked if all(answers) else before


def _last_seen(outlook: ClusterOutlook, *, is_news: bool) -> str:
    """Return when the agent was last heard of: moved when there is something else to write, and when it left; not while it is there."""
    before, presence = outlook.cluster.status.last_seen, outlook.presence
    if presence is None:
        return before
    is_over = not presence.connected and (not before or presence.last_seen > instant(before))
    return timestamp(presence.last_seen) if is_news or is_over or not before else before


def _condition(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message)
