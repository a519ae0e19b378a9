"""Takes an agent out of a cluster that is no longer of the fleet: the agent, its rights and its desk; workloads are not touched."""

from contextlib import suppress

from agent.kube.api import Api
from agent.kube.errors import NotFound
from agent.kube.resources import LEASES, PODS, SECRETS
from hub.cli import output
from hub.cli.applying import remove
from hub.cli.client import Caller
from hub.cli.manifests import agent_frame
from hub.cli.progress import Progress, wait
from hub.model import installation


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
