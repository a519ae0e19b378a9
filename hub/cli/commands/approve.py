"""`hub approve`: a person's word for what the hub would not do by itself."""

import re

import click

from agent.kube.api import Api, Object
from hub.cli import output, views
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.verbs import Target, change, fetch
from hub.cli.views import condition
from hub.model.annotations import APPROVE_PRUNE
from hub.model.cluster import Cluster
from hub.model.kinds import Kind
from hub.model.kustomization import PRUNE_HELD

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@click.group("approve")
def approve() -> None:
    """Approve what waits for a person."""


COMMAND = approve


@approve.command("prune")
@click.argument("name", metavar="KUSTOMIZATION")
@click.option(
    "--cluster", default="", metavar="CLUSTER", help="In this cluster alone (everywhere it is held)."
)
@common_options
@asynchronous
async def prune(caller: Caller, *, name: str, cluster: str) -> None:
    """Let a held prune of a Kustomization go on.

    A change that would delete everything, or more than the prune limit, is held: what is new is applied, nothing is deleted, and
    condition PruneHeld lists what would go. The approval is for the build that is held now; another commit is weighed anew.
    """
    target = Target(view=views.KUSTOMIZATIONS, namespace=caller.namespace, name=name.rpartition("/")[2])
    async with caller.management() as api:
        found = await fetch(api, target)
        wanted = await _held_in(api, target, cluster) if cluster else held_digests(found)
        if not wanted:
            place = f" in cluster {cluster}" if cluster else ""
            raise Failed(f"{target} has no held prune{place}; `hub status` shows what is held")
        given = found["metadata"].get("annotations", {}).get(APPROVE_PRUNE, "")
        # In one cluster after the other: what was approved for another one stays.
        kept = {one for one in given.split(",") if one} if cluster else set()
        version = found["metadata"]["resourceVersion"]
        approval = {APPROVE_PRUNE: ",".join(sorted(kept | wanted))}
        await change(api, target, {"metadata": {"resourceVersion": version, "annotations": approval}})
    for one in sorted(wanted):
        digest, _, where = one.partition("@")
        output.success(
            f"prune of {target} approved for build {digest}" + (f" in Cluster {where}" if where else "")
        )


def held_digests(one: Object) -> set[str]:
    """Return the digests of the Bundles that condition PruneHeld names, none when nothing is held."""
    found = condition(one, PRUNE_HELD)
    if found is None or found["status"] != "True":
        return set()
    return set(_DIGEST.findall(str(found.get("message", ""))))


async def _held_in(api: Api, target: Target, cluster: str) -> set[str]:
    """Return approvals for one cluster by its rows, by the delivery's name: its namespace there may be another."""
    raw = await fetch(api, Target(view=views.CLUSTERS, namespace=target.namespace, name=cluster))
    return {
        f"{digest}@{target.namespace}/{cluster}"
        for row in Cluster.parse(raw).status.not_in_step
        if row.kind == Kind.KUSTOMIZATION and row.name == target.name and row.reason == PRUNE_HELD
        for digest in _DIGEST.findall(row.message)
    }
