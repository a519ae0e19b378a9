"""`hub cluster`: the clusters of the fleet, from enrolment to removal."""

from datetime import timedelta

import click

from hub.cli import output
from hub.cli.client import Caller, Failed, GoDuration, asynchronous, options_without_context
from hub.cli.enrolment import (
    Enrolment,
    HubFacts,
    hub_facts,
    issue_token,
    place_agent,
    register,
    wait_connected,
)
from hub.cli.manifests import Address, default_image
from hub.model import installation


@click.group("cluster")
def cluster() -> None:
    """Add clusters to the fleet, look at them, suspend and remove them."""


COMMAND = cluster


@cluster.command("add")
@click.argument("name")
@click.option("--context", "remote_context", metavar="CTX", help="Kubeconfig context of the cluster to add.")
@click.option(
    "--cluster-kubeconfig", metavar="FILE", help="Kubeconfig that has CTX, when it is another file."
)
@click.option("--print", "only_print", is_flag=True, help="Print the agent's manifests, join token included.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the Cluster; repeatable."
)
@click.option(
    "--namespace-only", default="", metavar="NS", help="An agent with rights in this namespace alone."
)
@click.option(
    "--hub-address",
    metavar="HOST:PORT",
    help="Where this cluster reaches the hub, if not at its usual address.",
)
@click.option(
    "--hub-enrol-address", metavar="HOST:PORT", help="Where it enrols (the hub address with the next port)."
)
@click.option("--image", metavar="IMAGE", help="Image of the agent.")
@click.option("--valid-for", type=GoDuration(), default="24h", help="How long the join token may be used.")
@options_without_context
@asynchronous
async def add(
    caller: Caller,
    *,
    name: str,
    remote_context: str | None,
    cluster_kubeconfig: str | None,
    only_print: bool,
    labels: tuple[str, ...],
    namespace_only: str,
    hub_address: str | None,
    hub_enrol_address: str | None,
    image: str | None,
    valid_for: timedelta,
) -> None:
    """Add a cluster: register it, bring an agent there, wait until it is connected.

    The management cluster is the one of your current context (or `hub --context MGMT cluster add ...`); --context names the cluster
    to add. The agent dials out to the hub; nothing dials into the cluster. The same command again repairs and upgrades.

    \b
    hub cluster add eu-1 --context kind-eu-1 --label region=eu
    hub cluster add edge-7 --print > agent.yaml      # apply it there yourself; it holds a join token
    """
    if only_print == (remote_context is not None):
        raise Failed(
            f"say where cluster {name} is: --context CTX to bring the agent there, or --print to do it yourself"
        )
    chosen = dict(_label(one) for one in labels)
    async with caller.management() as management:
        facts = _elsewhere(await hub_facts(management), hub_address, hub_enrol_address)
        found = await register(management, caller.namespace, name, chosen)
        enrolment = Enrolment(
            cluster=found,
            hub=facts,
            image=image or default_image(installation.AGENT),
            only_namespace=namespace_only,
            valid_for=valid_for,
        )
        now = caller.clock.now()
        if only_print:
            token = await issue_token(management, found, now=now, valid_for=valid_for)
            output.documents(enrolment.objects(token))
            output.action(f"apply this to cluster {name} within {valid_for}; it holds a secret")
            return
        deadline_s = caller.deadline_s()
        async with caller.connect(cluster_kubeconfig or caller.options.kubeconfig, remote_context) as remote:
            await place_agent(management, remote, enrolment, now=now)
            await wait_connected(caller, management, remote, enrolment, deadline_s=deadline_s)


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise Failed(f"{text!r} is no label; write --label KEY=VALUE")
    return key, value


def _elsewhere(facts: HubFacts, address: str | None, enrol_address: str | None) -> HubFacts:
    """Return where this cluster finds the hub, when it is not where the others do."""
    session = Address.parse(address) if address else facts.address
    enrol = Address.parse(enrol_address) if enrol_address else None
    if enrol is None:
        enrol = session.next_port() if address else facts.enrol_address
    return HubFacts(address=session, enrol_address=enrol, ca_certificate=facts.ca_certificate)
