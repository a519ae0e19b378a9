"""`hub status`: the fleet in one screen, read from the statuses of clusters and deliveries."""

from datetime import datetime

import click
import msgspec

from agent.kube.api import Api
from agent.model.assignment import DeletionPolicy
from hub.cli import output
from hub.cli.ages import age
from hub.cli.applying import CLUSTERS
from hub.cli.client import Caller, asynchronous, common_options
from hub.cli.listing import output_option
from hub.cli.liveness import leader
from hub.cli.output import Format
from hub.cli.views import KUSTOMIZATIONS, part, ready, shortened
from hub.model.annotations import FLEET
from hub.model.cluster import CONNECTED, Cluster


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


@click.command("status")
@click.option("-w", "--watch", is_flag=True, help="Show it again and again, in place.")
@output_option
@common_options
@asynchronous
async def status(caller: Caller, *, watch: bool, form: str) -> None:
    """Show the fleet: its clusters, its deliveries, what is behind and why, what is held or was released.

    All namespaces, unless -n names one.
    """
    async with caller.management() as api:
        await _show(caller, api, Format(form))
        while watch:
            await caller.clock.sleep(caller.poll_s)
            if form == Format.TABLE:
                click.clear()
            await _show(caller, api, Format(form))


COMMAND = status


async def _show(caller: Caller, api: Api, form: Format) -> None:
    now = caller.clock.now()
    leading = await leader(api, now)
    report = await _report(api, caller.options.namespace or "", leading.text)
    if not leading.is_alive:
        output.warning(leading.text)
    if form is Format.TABLE:
        _print(report, now)
    else:
        output.data(msgspec.to_builtins(report), form)


async def _report(api: Api, namespace: str, hub: str) -> Report:
    clusters = [Cluster.parse(one) for one in (await api.list(CLUSTERS, namespace)).items]
    deliveries = (await api.list(KUSTOMIZATIONS.resource, namespace)).items
    return Report(
        hub=hub,
        clusters=tuple(cluster_line(one) for one in clusters),
        deliveries=tuple(delivery_line(one) for one in deliveries),
        not_in_step=tuple(line for one in clusters for line in behind(one)),
        leaving=tuple(line for one in clusters for line in leaving(one)),
        released=tuple(line for one in clusters for line in released(one)),
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


def delivery_line(raw: dict[str, object]) -> DeliveryLine:
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
    """Return what is still to be removed from a cluster."""
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


def _print(report: Report, now: datetime) -> None:
    header: tuple[str, ...]
    connected = sum(line.connected == "True" for line in report.clusters)
    good = sum(line.ready == "True" for line in report.deliveries)
    click.echo(f"Clusters: {connected} of {len(report.clusters)} connected")
    if report.clusters:
        header = (
            "namespace",
            "name",
            "connected",
            "in step",
            "failed",
            "held",
            "suspended",
            "last seen",
            "message",
        )
        output.table(header, [_cluster_cells(line, now) for line in report.clusters])
    click.echo(f"\nDeliveries: {good} of {len(report.deliveries)} ready")
    if report.deliveries:
        header = ("namespace", "name", "fleet", "revision", "suspended", "ready", "message")
        output.table(header, [_delivery_cells(line) for line in report.deliveries])
    for title, lines in (
        ("Not in step", report.not_in_step),
        ("Leaving", report.leaving),
        ("Released", report.released),
    ):
        if lines:
            click.echo(f"\n{title}: {len(lines)}")
            header = ("cluster", "delivery", "state", "for", "reason", "message")
            output.table(header, [_behind_cells(line, now) for line in lines])


def _cluster_cells(line: ClusterLine, now: datetime) -> tuple[str, ...]:
    return (
        line.namespace,
        line.name,
        line.connected,
        f"{line.in_step}/{line.deliveries}",
        str(line.failed),
        str(line.held),
        str(line.suspended),
        age(line.last_seen, now),
        line.message,
    )


def _delivery_cells(line: DeliveryLine) -> tuple[str, ...]:
    return (
        line.namespace,
        f"{line.kind.lower()}/{line.name}",
        line.fleet,
        line.revision,
        str(line.suspended),
        line.ready,
        line.message,
    )


def _behind_cells(line: BehindLine, now: datetime) -> tuple[str, ...]:
    return (line.cluster, line.delivery, line.state, age(line.since, now), line.reason, line.message)
