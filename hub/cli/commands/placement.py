"""`hub placement`: what becomes of objects whose delivery is no longer placed in their cluster."""

from dataclasses import dataclass

import click

from agent.kube.api import Api
from hub.cli import output, views
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.progress import Progress, wait
from hub.cli.verbs import Target, change, fetch
from hub.model.annotations import FORGET_RELEASED, PRUNE_RELEASED
from hub.model.cluster import CONNECTED, Cluster, ReleasedPlacement


@click.group("placement")
def placement() -> None:
    """Settle released placements.

    A delivery that no longer matches a cluster is released there: its objects stay and nobody guards them. `hub status` lists them.
    """


COMMAND = placement


def _add(verb: str, annotation: str, done: str, text: str) -> None:
    @click.argument("delivery", metavar="[KIND/[NAMESPACE/]]NAME")
    @click.option("--cluster", required=True, metavar="CLUSTER", help="The cluster where it was released.")
    @click.option("--wait/--no-wait", "waits", default=True, help="Wait until it is settled (yes).")
    @common_options
    @asynchronous
    async def run(caller: Caller, *, delivery: str, cluster: str, waits: bool) -> None:
        await _settle(caller, Settling(annotation=annotation, done=done), delivery, cluster, waits=waits)

    placement.command(verb, help=text)(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """How a released placement is settled: the annotation that asks for it, and the word for it."""

    annotation: str
    done: str


def entry(row: ReleasedPlacement) -> str:
    """Return the annotation's word for one release."""
    return f"{row.kind}/{row.namespace}/{row.name}@{row.since}"


def matching(rows: tuple[ReleasedPlacement, ...], delivery: str) -> list[ReleasedPlacement]:
    """Return the rows that NAME, KIND/NAME or KIND/NAMESPACE/NAME means; the kind is compared without case."""
    *kind, name = delivery.split("/")
    match kind:
        case []:
            return [row for row in rows if row.name == name]
        case [wanted]:
            return [row for row in rows if (row.kind.lower(), row.name) == (wanted.lower(), name)]
        case [wanted, namespace]:
            return [
                row
                for row in rows
                if (row.kind.lower(), row.namespace, row.name) == (wanted.lower(), namespace, name)
            ]
        case _:
            return []


async def _settle(caller: Caller, settling: Settling, delivery: str, cluster: str, *, waits: bool) -> None:
    target = Target(view=views.CLUSTERS, namespace=caller.namespace, name=cluster)
    async with caller.management() as api:
        found = Cluster.parse(await fetch(api, target))
        rows = matching(found.status.released, delivery)
        if not rows:
            there = ", ".join(f"{row.kind}/{row.namespace}/{row.name}" for row in found.status.released)
            raise Failed(f"{delivery} is not released in {target}; released there: {there or 'nothing'}")
        if len(rows) > 1:
            raise Failed(
                f"{delivery} means several: {', '.join(f'{row.kind}/{row.namespace}/{row.name}' for row in rows)}; write one of these"
            )
        wanted = entry(rows[0])
        # Requests that are not settled yet stay, those of releases that are no more go.
        open_ = {entry(row) for row in found.status.released}
        asked = set(found.metadata.annotations.get(settling.annotation, "").split(",")) & open_
        value = ",".join(sorted({*asked, wanted}))
        metadata = {
            "resourceVersion": found.metadata.resource_version,
            "annotations": {settling.annotation: value},
        }
        await change(api, target, {"metadata": metadata})
        output.action(f"asked that {wanted.partition('@')[0]} in {target} be {settling.done}")
        if waits:
            await _wait_settled(caller, api, target, rows[0], settling)


async def _wait_settled(
    caller: Caller, api: Api, target: Target, row: ReleasedPlacement, settling: Settling
) -> None:
    """Wait until the agent has done it; when that is away, until it is certain that it will."""
    name, is_away = entry(row).partition("@")[0], False

    async def look() -> Progress:
        nonlocal is_away
        now = Cluster.parse(await fetch(api, target))
        is_asked = any(entry(one) == entry(row) for one in now.status.released)
        is_left = all(
            (one.kind, one.namespace, one.name, one.uid) != _key(row) for one in now.status.tombstones
        )
        is_away = not is_left and not now.conditions.is_true(CONNECTED)
        message = "" if is_asked else f"{target}: its agent has not done it yet"
        return Progress(done=not is_asked and (is_left or is_away), message=message)

    await wait(caller, look, deadline_s=caller.deadline_s(), subject=f"{name} to be {settling.done}")
    if is_away:
        output.warning(f"{target} is not connected; {name} is {settling.done} there when it comes back")
    else:
        output.success(f"{name} in {target} {settling.done}")


def _key(row: ReleasedPlacement) -> tuple[str, str, str, str]:
    return (row.kind, row.namespace, row.name, row.uid)


_add("prune", PRUNE_RELEASED, "pruned", "Delete the objects that a released delivery left in a cluster.")
_add(
    "forget",
    FORGET_RELEASED,
    "forgotten",
    "Leave the objects of a released delivery for good, and list it no longer.",
)
