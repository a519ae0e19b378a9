"""Removes a Cluster from the fleet, and its agent from its cluster: the agent, its rights and its desk; workloads are not touched."""

from contextlib import suppress

from agent.kube.api import Api, PatchType
from agent.kube.errors import NotFound
from agent.kube.resources import LEASES, PODS, SECRETS
from hub.cli import output
from hub.cli.applying import find, remove
from hub.cli.client import Caller
from hub.cli.manifests import agent_frame
from hub.cli.progress import Progress, wait
from hub.model import annotations, installation
from hub.model.cluster import REMOVED_UNREACHABLE, REMOVING, Cluster, Removal
from hub.model.conditions import READY
from hub.resources import CLUSTERS

_ASKED = {
    Removal.KEEP: "; its workloads stay",
    Removal.PRUNE: " and what its deliveries brought there",
    Removal.FORGET: " without waiting for its agent",
}


async def let_go(
    caller: Caller, api: Api, found: Cluster, removal: Removal, *, deadline_s: float, must_go: bool = False
) -> bool:
    """Delete the Cluster and wait until the hub is done with it; tell whether it is gone, or its agent is away and `must_go` is not said."""
    metadata = found.metadata
    name = f"Cluster {metadata.namespace}/{metadata.name}"
    # The choice before the deletion: the hub acts as soon as it sees the latter.
    patch = {"metadata": {"uid": metadata.uid, "annotations": {annotations.REMOVE: str(removal)}}}
    with suppress(NotFound):
        await api.patch(
            CLUSTERS,
            metadata.namespace,
            metadata.name,
            patch,
            kind=PatchType.MERGE,
            field_manager=installation.FIELD_MANAGER,
        )
        await api.delete(CLUSTERS, metadata.namespace, metadata.name, uid=metadata.uid)
    output.action(f"removing {name}{_ASKED[removal]}")
    last: Cluster | None = found

    async def look() -> Progress:
        nonlocal last
        raw = await find(api, CLUSTERS, metadata.namespace, metadata.name)
        last = Cluster.parse(raw) if raw is not None else None
        if last is None or last.metadata.uid != metadata.uid:
            last = None
            return Progress(done=True, message="")
        if is_unreachable(last) and not must_go:
            return Progress(done=True, message="")
        ready = last.conditions.get(READY)
        is_told = ready is not None and ready.reason in {REMOVING, REMOVED_UNREACHABLE}
        return Progress(done=False, message=f"{name}: {ready.message}" if ready and is_told else "")

    await wait(caller, look, deadline_s=deadline_s, subject=f"{name} to go")
    if last is None:
        output.success(f"{name} removed")
    return last is None


def is_unreachable(cluster: Cluster) -> bool:
    """Tell whether a Cluster was removed and is waited for until its agent comes back."""
    return cluster.metadata.is_being_deleted and cluster.conditions.is_true(REMOVED_UNREACHABLE)


async def make_room(caller: Caller, api: Api, name: str, *, deadline_s: float) -> None:
    """Forget a removed Cluster of a name that is to be used again, when its agent is away."""
    raw = await find(api, CLUSTERS, caller.namespace, name)
    found = Cluster.parse(raw) if raw is not None else None
    if found is not None and is_unreachable(found):
        await let_go(caller, api, found, Removal.FORGET, deadline_s=deadline_s, must_go=True)


async def take_agent_away(caller: Caller, remote: Api, only_namespace: str, *, deadline_s: float) -> None:
    """Delete everything of an agent, the agent first: one that still runs would write its desk anew."""
    namespace = only_namespace or installation.NAMESPACE
    objects = [one for one in agent_frame(only_namespace) if one["kind"] != "Namespace"]
    deployments = [one for one in objects if one["kind"] == "Deployment"]
    output.action(f"deleting the agent in namespace {namespace}")
    await remove(remote, deployments)
    selector = f"app.kubernetes.io/name={installation.AGENT}"

    async def look() -> Progress:
        pods = (await remote.list(PODS, namespace, label_selector=selector)).items
        return Progress(done=not pods, message=f"{len(pods)} Pods of the agent are still ending")

    await wait(caller, look, deadline_s=deadline_s, subject=f"the agent's Pods in {namespace} to end")
    parts = (await remote.list(SECRETS, namespace, label_selector=installation.DESK_LABEL)).items
    names = [one["metadata"]["name"] for one in parts]
    for name in (*names, installation.IDENTITY_SECRET, installation.BOOTSTRAP_SECRET):
        with suppress(NotFound):
            await remote.delete(SECRETS, namespace, name)
    output.success(f"desk and identity of the agent in namespace {namespace} deleted")
    with suppress(NotFound):
        await remote.delete(LEASES, namespace, installation.AGENT)
    await remove(remote, [one for one in objects if one not in deployments])
