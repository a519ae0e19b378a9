"""`hub version`: of this command, of the hub, of the agents."""

import click

from agent.kube.resources import DEPLOYMENTS
from agent.version import VERSION
from hub.cli import output
from hub.cli.applying import find, listed
from hub.cli.client import Caller, asynchronous, common_options
from hub.cli.listing import output_option
from hub.cli.manifests import container_of
from hub.cli.output import Format
from hub.cli.views import part
from hub.model import installation
from hub.resources import CLUSTERS


@click.command("version")
@click.option("--client", is_flag=True, help="Of this command alone; reaches no cluster.")
@output_option
@common_options
@asynchronous
async def version(caller: Caller, *, client: bool, form: str) -> None:
    """Show the versions of this command, of the hub's image, and of the agents with their clusters."""
    found: dict[str, object] = {"hub-cli": VERSION}
    if not client:
        async with caller.management() as api:
            deployment = await find(api, DEPLOYMENTS, installation.NAMESPACE, installation.HUB)
            found["hub"] = container_of(deployment)["image"] if deployment else "not installed"
            clusters = (await listed(api, CLUSTERS)).items if deployment else []
            agents = {}
            for one in clusters:
                versions = part(one, "status").get("versions") or {}
                name = f"{one['metadata']['namespace']}/{one['metadata']['name']}"
                agents[name] = versions.get("agent") or "unknown"
            found["agents"] = agents
    # A table of one column would say no more than YAML does.
    output.data(found, Format(form))


COMMAND = version
