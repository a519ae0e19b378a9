"""`hub uninstall`: the hub and the management cluster's agent go, everything that they brought about stays."""

import contextlib

import click

from agent.kube.api import Api, Object, PatchType, Resource
from agent.kube.errors import NotFound
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, LEASES, PODS
from hub.cli import output
from hub.cli.applying import find, remove
from hub.cli.client import Caller, asynchronous, common_options
from hub.cli.manifests import running_objects
from hub.cli.preconditions import refuse_beside_flux
from hub.cli.progress import Progress, wait
from hub.crds import Keep, decide_removal, packaged
from hub.model import installation
from hub.model.annotations import FINALIZER
from hub.model.kinds import TYPES
from hub.resources import resource_of


@click.command("uninstall")
@click.option("--crds", is_flag=True, help="Delete the CRDs too, those that hold no object; asks first.")
@click.option("-s", "--silent", is_flag=True, help="Do not ask.")
@common_options
@asynchronous
async def uninstall(caller: Caller, *, crds: bool, silent: bool) -> None:
    """Uninstall the hub from the management cluster.

    The hub, the management cluster's own agent and their rights go. Workloads stay and go on running, and so do CRDs, resources,
    the namespace cartwheel-system with the certificate authority and the address, and the agents of other clusters, which guard what they hold:
    `hub install` takes all of it up again. To be rid of a cluster's agent run `hub cluster remove` first.
    """
    async with caller.management() as api:
        # Flux would go on with the resources, and without the finalizers it has a claim to.
        await refuse_beside_flux(api, beside_flux=True)
        if crds and not silent:
            click.confirm("Delete the CRDs of the hub that hold no object?", abort=True, err=True)
        # 1. Nobody is to act any more while the rest goes; who ends needs rights to give up what it holds.
        output.action("deleting the agent of the management cluster and the hub")
        everything = running_objects()
        await remove(api, [one for one in everything if one["kind"] == "Deployment"])
        await _wait_gone(caller, api)
        await remove(api, [one for one in everything if one["kind"] != "Deployment"])
        await _remove_leases(api)
        # 2. Without a hub nobody would ever take its finalizer away, and what is deleted later would hang.
        await _release_resources(api)
        if crds:
            await _remove_crds(api)
        output.success(
            f"uninstalled; namespace {installation.NAMESPACE} stays with its Secrets and ConfigMap, so that `hub install` finds its fleet again"
        )


COMMAND = uninstall


async def _wait_gone(caller: Caller, api: Api) -> None:
    selector = f"app.kubernetes.io/part-of={installation.PART_OF_VALUE}"

    async def look() -> Progress:
        pods = (await api.list(PODS, installation.NAMESPACE, label_selector=selector)).items
        names = ", ".join(pod["metadata"]["name"] for pod in pods)
        return Progress(done=not pods, message=f"still ending: {names}")

    await wait(caller, look, deadline_s=caller.deadline_s(), subject="the Pods of the hub to end")


async def _remove_leases(api: Api) -> None:
    """Delete what would tell of a leading hub and an acting agent for a while yet."""
    for name in (installation.HUB, installation.AGENT):
        with contextlib.suppress(NotFound):
            await api.delete(LEASES, installation.NAMESPACE, name)


async def _release_resources(api: Api) -> None:
    for kind in TYPES:
        resource = resource_of(kind)
        try:
            items = (await api.list(resource)).items
        except NotFound:
            continue
        for one in items:
            held: list[str] = one["metadata"].get("finalizers") or []
            if FINALIZER not in held:
                continue
            patch = {
                "metadata": {
                    "finalizers": [name for name in held if name != FINALIZER],
                    "resourceVersion": one["metadata"]["resourceVersion"],
                }
            }
            namespace, name = one["metadata"]["namespace"], one["metadata"]["name"]
            await api.patch(
                resource,
                namespace,
                name,
                patch,
                kind=PatchType.MERGE,
                field_manager=installation.FIELD_MANAGER,
            )
            output.success(f"{kind}/{namespace}/{name} is held by no finalizer of the hub any more")


async def _remove_crds(api: Api) -> None:
    for ours in packaged():
        name = ours["metadata"]["name"]
        existing = await find(api, CUSTOM_RESOURCE_DEFINITIONS, "", name)
        if existing is None:
            continue
        decision = decide_removal(existing, len((await api.list(_served(existing))).items))
        if isinstance(decision, Keep):
            output.warning(decision.message)
            continue
        uid = existing["metadata"]["uid"]
        await api.delete(CUSTOM_RESOURCE_DEFINITIONS, "", name, uid=uid)
        output.success(f"CustomResourceDefinition/{name} deleted")


def _served(crd: Object) -> Resource:
    """Return a version of the kind that the API server serves; any of them lists every object."""
    spec = crd["spec"]
    version = next(one["name"] for one in spec["versions"] if one["served"])
    return Resource(
        group=spec["group"],
        version=version,
        plural=spec["names"]["plural"],
        kind=spec["names"]["kind"],
        namespaced=spec["scope"] == "Namespaced",
    )
