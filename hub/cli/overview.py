"""The fleet in one screen: what `hub status` says of clusters and deliveries, and of those that are behind, and why. Pure."""

from collections.abc import Iterable

import msgspec

from agent.kube.api import Object
from agent.model.assignment import DeletionPolicy
from hub.cli.views import condition, part, ready, shortened
from hub.model.annotations import FLEET
from hub.model.cluster import CONNECTED, Cluster
from hub.model.value import MalformedResource


class ClusterLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One cluster."""

    namespace: str
    name: str
    connected: str
    deliveries: int
    in_step: int
    failed: int
    held: int
    suspended: bool
    last_seen: str
    message: str


class DeliveryLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One delivery, over all clusters where it is placed."""

    kind: str
    namespace: str
    name: str
    fleet: str
    revision: str
    suspended: bool
    ready: str
    message: str


class BehindLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A delivery that is not in step in one cluster, and why."""

    cluster: str
    delivery: str
    state: str
    since: str
    reason: str
    message: str


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole screen."""

    hub: str
    clusters: tuple[ClusterLine, ...]
    deliveries: tuple[DeliveryLine, ...]
    not_in_step: tuple[BehindLine, ...]
    leaving: tuple[BehindLine, ...]
    released: tuple[BehindLine, ...]


def report(hub: str, clusters: Iterable[Object], deliveries: Iterable[Object]) -> Report:
    """Return the screen for what there is; a Cluster that cannot be read has its line and nothing else."""
    lines: list[ClusterLine] = []
    readable: list[Cluster] = []
    for raw in clusters:
        try:
            readable.append(Cluster.parse(raw))
        except MalformedResource as problem:
            lines.append(_unread(raw, problem))
        else:
            lines.append(cluster_line(readable[-1]))
    return Report(
        hub=hub,
        clusters=tuple(lines),
        deliveries=tuple(delivery_line(one) for one in deliveries),
        not_in_step=tuple(line for one in readable for line in behind(one)),
        leaving=tuple(line for one in readable for line in leaving(one)),
        released=tuple(line for one in readable for line in released(one)),
    )


def cluster_line(one: Cluster) -> ClusterLine:
    """Return the line of a cluster; one that is not connected says why."""
    connected = one.conditions.get(CONNECTED)
    ready_ = one.conditions.get("Ready")
    is_connected = one.conditions.is_true(CONNECTED)
    told = ready_ if is_connected or one.metadata.is_being_deleted else connected or ready_
    counts = one.status.counts
    return ClusterLine(
        namespace=one.metadata.namespace,
        name=one.metadata.name,
        connected=connected.status.value if connected else "False",
        deliveries=counts.assigned,
        in_step=counts.in_step,
        failed=counts.failed,
        held=counts.held,
        suspended=one.spec.suspend,
        last_seen=one.status.last_seen,
        message=told.message if told else "" if is_connected else "waiting to be enrolled",
    )


def _unread(raw: Object, problem: MalformedResource) -> ClusterLine:
    found = condition(raw, CONNECTED)
    return ClusterLine(
        namespace=raw["metadata"]["namespace"],
        name=raw["metadata"]["name"],
        connected=str(found["status"]) if found else "Unknown",
        deliveries=0,
        in_step=0,
        failed=0,
        held=0,
        suspended=False,
        last_seen="",
        message=f"cannot be read: {problem.detail}",
    )


def delivery_line(raw: Object) -> DeliveryLine:
    """Return the line of a delivery."""
    status_, message = ready(raw)
    metadata = part(raw, "metadata")
    labels = metadata.get("labels") or {}
    marks = metadata.get("annotations") or {}
    return DeliveryLine(
        kind=str(raw["kind"]),
        namespace=metadata["namespace"],
        name=metadata["name"],
        fleet=labels.get(FLEET) or marks.get(FLEET) or "",
        revision=shortened(str(part(raw, "status").get("lastAppliedRevision", ""))),
        suspended=bool(part(raw, "spec").get("suspend")),
        ready=status_,
        message=message,
    )


def behind(one: Cluster) -> list[BehindLine]:
    """Return what is not in step in a cluster."""
    return [
        BehindLine(
            cluster=_cluster_name(one),
            delivery=f"{row.kind}/{row.namespace}/{row.name}",
            state=row.state,
            since=row.since,
            reason=row.reason,
            message=shortened(row.message),
        )
        for row in one.status.not_in_step
    ]


def leaving(one: Cluster) -> list[BehindLine]:
    """Return what is still to be removed from a cluster; one that is removed itself lets go of everything."""
    if one.metadata.is_being_deleted:
        return []
    when = "" if one.conditions.is_true(CONNECTED) else "when the cluster is connected again"
    return [
        BehindLine(
            cluster=_cluster_name(one),
            delivery=f"{row.kind}/{row.namespace}/{row.name}",
            state="Orphan" if row.deletion_policy is DeletionPolicy.ORPHAN else "Delete",
            since=row.time,
            reason=row.reason,
            message=when,
        )
        for row in one.status.tombstones
    ]


def released(one: Cluster) -> list[BehindLine]:
    """Return what was left in a cluster when its delivery stopped being placed there."""
    if one.metadata.is_being_deleted:
        return []
    return [
        BehindLine(
            cluster=_cluster_name(one),
            delivery=f"{row.kind}/{row.namespace}/{row.name}",
            state="Released",
            since=row.since,
            reason=row.reason,
            message=f"hub placement prune|forget {row.kind}/{row.namespace}/{row.name} --cluster {one.metadata.name}",
        )
        for row in one.status.released
    ]


def _cluster_name(one: Cluster) -> str:
    return f"{one.metadata.namespace}/{one.metadata.name}"
