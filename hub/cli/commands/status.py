"""`hub status`: the fleet in one screen, read from the statuses of clusters and deliveries."""

from datetime import datetime

import click
import msgspec

from agent.kube.api import Api
from hub.cli import output
from hub.cli.ages import age
from hub.cli.applying import listed
from hub.cli.client import Caller, asynchronous, common_options
from hub.cli.listing import output_option
from hub.cli.liveness import leader
from hub.cli.output import Format
from hub.cli.overview import BehindLine, ClusterLine, DeliveryLine, Report, report
from hub.cli.views import KUSTOMIZATIONS
from hub.resources import CLUSTERS


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
    namespace = caller.options.namespace or ""
    clusters = await listed(api, CLUSTERS, namespace)
    deliveries = await listed(api, KUSTOMIZATIONS.resource, namespace)
    screen = report(leading.text, clusters.items, deliveries.items)
    if not leading.is_alive:
        output.warning(leading.text)
    if form is Format.TABLE:
        _print(screen, now, is_current=leading.is_alive)
    else:
        output.data(msgspec.to_builtins(screen), form)


def _print(screen: Report, now: datetime, *, is_current: bool) -> None:
    header: tuple[str, ...]
    connected = sum(line.connected == "True" for line in screen.clusters)
    good = sum(line.ready == "True" for line in screen.deliveries)
    click.echo(f"Clusters: {connected} of {len(screen.clusters)} connected")
    if screen.clusters:
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
        output.table(header, [_cluster_cells(line, now, is_current=is_current) for line in screen.clusters])
    click.echo(f"\nDeliveries: {good} of {len(screen.deliveries)} ready")
    if screen.deliveries:
        header = ("namespace", "name", "fleet", "revision", "suspended", "ready", "message")
        output.table(header, [_delivery_cells(line) for line in screen.deliveries])
    for title, lines in (
        ("Not in step", screen.not_in_step),
        ("Leaving", screen.leaving),
        ("Released", screen.released),
    ):
        if lines:
            click.echo(f"\n{title}: {len(lines)}")
            header = ("cluster", "delivery", "state", "for", "reason", "message")
            output.table(header, [_behind_cells(line, now) for line in lines])


def _cluster_cells(line: ClusterLine, now: datetime, *, is_current: bool) -> tuple[str, ...]:
    # While it is connected nothing is written: the hub's own Lease proves that this is so.
    is_there = is_current and line.connected == "True"
    return (
        line.namespace,
        line.name,
        line.connected,
        f"{line.in_step}/{line.deliveries}",
        str(line.failed),
        str(line.held),
        str(line.suspended),
        "now" if is_there else age(line.last_seen, now),
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
