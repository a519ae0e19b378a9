"""`hub cluster`: the clusters of the fleet, from enrolment to removal."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import click

from agent.kube.api import Api, PatchType
from agent.kube.errors import NotFound
from hub.cli import output, views
from hub.cli.applying import find
from hub.cli.client import (
    Caller,
    Failed,
    GoDuration,
    asynchronous,
    common_options,
    options_without_context,
)
from hub.cli.departing import let_go, make_room, take_agent_away
from hub.cli.enrolment import (
    Enrolment,
    HubFacts,
    hub_facts,
    issue_token,
    place_agent,
    refuse_another_clusters_agent,
    register,
    wait_connected,
)
from hub.cli.listing import ListOptions, list_options, show
from hub.cli.manifests import Address
from hub.cli.running import Run, read_env
from hub.model import installation
from hub.model.cluster import Cluster, Removal
from hub.model.durations import Duration
from hub.resources import CLUSTERS


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
@click.option(
    "--skip-check", is_flag=True, help="Do not ask first, from a Pod there, whether the hub answers."
)
@click.option("--image", metavar="IMAGE", help="Image of the agent.")
@click.option(
    "--env",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting of the agent (CARTWHEEL_LOG_LEVEL=debug); repeatable.",
)
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
    env: tuple[str, ...],
    skip_check: bool,
    valid_for: timedelta,
) -> None:
    """Add a cluster: register it, bring an agent there, wait until it is connected.

    The management cluster is the one of your current context (or `hub --context MGMT cluster add ...`); --context names the cluster
    to add. The agent dials out to the hub; nothing dials into the cluster. Before anything of it is there, a Pod asks whether the hub
    answers from that cluster with the certificate of this fleet, and says which step fails if not. The same command again repairs and upgrades.

    \b
    hub cluster add eu-1 --context kind-eu-1 --label region=eu
    hub cluster add edge-7 --print > agent.yaml      # apply it there yourself; it holds a join token
    """
    if only_print == (remote_context is not None):
        raise Failed(
            f"say where cluster {name} is: --context CTX to bring the agent there, or --print to do it yourself"
        )
    chosen = dict(_label(one) for one in labels)
    wanted = Wanted(
        name=name,
        labels=chosen,
        asked=Run(image=image, env=read_env(env)),
        only_namespace=namespace_only,
        valid_for=valid_for,
        checks_reach=not skip_check,
    )
    async with caller.management() as management:
        facts = _elsewhere(await hub_facts(management), hub_address, hub_enrol_address)
        if only_print:
            await _print(caller, management, facts, wanted)
            return
        async with caller.connect(cluster_kubeconfig or caller.options.kubeconfig, remote_context) as remote:
            await _bring(caller, management, remote, facts, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A cluster as the options of `add` describe it."""

    name: str
    labels: dict[str, str]
    asked: Run
    only_namespace: str
    valid_for: timedelta
    checks_reach: bool

    def enrolment(self, found: Cluster, facts: HubFacts) -> Enrolment:
        return Enrolment(
            cluster=found,
            hub=facts,
            asked=self.asked,
            only_namespace=self.only_namespace,
            valid_for=self.valid_for,
            checks_reach=self.checks_reach,
        )


async def _print(caller: Caller, management: Api, facts: HubFacts, wanted: Wanted) -> None:
    await make_room(caller, management, wanted.name, deadline_s=caller.deadline_s())
    found = await register(management, caller.namespace, wanted.name, wanted.labels)
    token = await issue_token(management, found, now=caller.clock.now(), valid_for=wanted.valid_for)
    output.documents(wanted.enrolment(found, facts).objects(token, wanted.asked))
    output.action(
        f"apply this to cluster {wanted.name} within {Duration.of(wanted.valid_for)}; it holds a secret"
    )


async def _bring(caller: Caller, management: Api, remote: Api, facts: HubFacts, wanted: Wanted) -> None:
    deadline_s = caller.deadline_s()
    place = wanted.only_namespace or installation.NAMESPACE
    await refuse_another_clusters_agent(remote, place, f"{caller.namespace}/{wanted.name}")
    await make_room(caller, management, wanted.name, deadline_s=deadline_s)
    found = await register(management, caller.namespace, wanted.name, wanted.labels)
    enrolment = wanted.enrolment(found, facts)
    await place_agent(caller, management, remote, enrolment, deadline_s=deadline_s)
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


@cluster.command("list")
@list_options(named=False)
@common_options
@asynchronous
async def list_(caller: Caller, *, options: ListOptions) -> None:
    """List the clusters of the fleet."""
    async with caller.management() as api:
        await show(caller, api, views.CLUSTERS, options)


@cluster.command("get")
@list_options()
@common_options
@asynchronous
async def get(caller: Caller, *, options: ListOptions) -> None:
    """Show one cluster (NAME), or all."""
    async with caller.management() as api:
        await show(caller, api, views.CLUSTERS, options)


@cluster.command("suspend")
@click.argument("name")
@common_options
@asynchronous
async def suspend(caller: Caller, *, name: str) -> None:
    """Send nothing new to a cluster. What runs there stays and is guarded."""
    await _suspend(caller, name, True)
    output.success(f"Cluster {caller.namespace}/{name} suspended")


@cluster.command("resume")
@click.argument("name")
@common_options
@asynchronous
async def resume(caller: Caller, *, name: str) -> None:
    """Send to a suspended cluster again, first of all what it missed."""
    await _suspend(caller, name, None)
    output.success(f"Cluster {caller.namespace}/{name} resumed")


@cluster.command("token")
@click.argument("name")
@click.option("--valid-for", type=GoDuration(), default="24h", help="How long it may be used.")
@common_options
@asynchronous
async def token(caller: Caller, *, name: str, valid_for: timedelta) -> None:
    """Print a new join token for a cluster.

    It opens the door once, to one agent. It belongs in Secret cartwheel-agent-bootstrap of that cluster, under the key "token";
    `hub cluster add` puts it there by itself. The agent renews its certificate by itself afterwards, and recovers one that ended while it
    was away; a token is needed again only for another key, which revokes the one before.
    """
    async with caller.management() as api:
        found = await _cluster(api, caller.namespace, name)
        text = await issue_token(api, found, now=caller.clock.now(), valid_for=valid_for)
    output.generated(f"join token for Cluster {caller.namespace}/{name}, good for {Duration.of(valid_for)}")
    click.echo(text)


@cluster.command("remove")
@click.argument("name")
@click.option("--prune", is_flag=True, help="Delete from the cluster what its deliveries brought there.")
@click.option("--forget", is_flag=True, help="Wait no more for the agent of a removed cluster that is away.")
@click.option(
    "--context",
    "remote_context",
    metavar="CTX",
    help="Kubeconfig context of the cluster: its agent goes too.",
)
@click.option(
    "--cluster-kubeconfig", metavar="FILE", help="Kubeconfig that has CTX, when it is another file."
)
@click.option(
    "--namespace-only", default="", metavar="NS", help="The namespace of an agent that was added so."
)
@options_without_context
@asynchronous
async def remove(
    caller: Caller,
    *,
    name: str,
    prune: bool,
    forget: bool,
    remote_context: str | None,
    cluster_kubeconfig: str | None,
    namespace_only: str,
) -> None:
    """Remove a cluster from the fleet.

    Workloads stay and go on running, unless --prune. The agent lets go of everything, and its certificate opens nothing any more; with
    --context it is deleted too, with its rights and its desk. An agent that is not connected is revoked at once; the Cluster is listed as
    RemovedUnreachable until it comes back and stops guarding (with --prune it deletes first), for as long as its certificate lasts.
    --forget ends that; an agent that comes back later hears that its cluster was removed and stops guarding, too, and deletes nothing.
    The same command again finishes what was interrupted.
    """
    if prune and forget:
        raise Failed("--prune waits for the agent and --forget does not; choose one")
    removal = Removal.PRUNE if prune else Removal.FORGET if forget else Removal.KEEP
    deadline_s = caller.deadline_s()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(caller.management())
        remote: Api | None = None
        if remote_context is not None:
            kubeconfig = cluster_kubeconfig or caller.options.kubeconfig
            remote = await stack.enter_async_context(caller.connect(kubeconfig, remote_context))
            place = namespace_only or installation.NAMESPACE
            await refuse_another_clusters_agent(remote, place, f"{caller.namespace}/{name}")
        raw = await find(api, CLUSTERS, caller.namespace, name)
        if raw is None and remote is None:
            raise _no_cluster(caller.namespace, name)
        found = Cluster.parse(raw) if raw is not None else None
        # An agent that is to be deleted has to prune before that.
        must_go = forget or (prune and remote is not None)
        is_gone = found is None or await let_go(
            caller, api, found, removal, deadline_s=deadline_s, must_go=must_go
        )
        if (caller.namespace, name) == (installation.CLUSTERS_NAMESPACE, installation.MANAGEMENT_CLUSTER):
            output.warning(
                "deliveries that name no Fleet have no cluster now; `hub install` enrols the management cluster again"
            )
        if remote is None:
            _say_what_stays(name, removal, is_gone=is_gone)
            return
        await take_agent_away(caller, remote, namespace_only, deadline_s=deadline_s)
        if found is not None and not is_gone:
            await let_go(caller, api, found, Removal.FORGET, deadline_s=deadline_s, must_go=True)


def _say_what_stays(name: str, removal: Removal, *, is_gone: bool) -> None:
    if not is_gone:
        does = "deletes what its deliveries brought there" if removal is Removal.PRUNE else "stops guarding"
        output.warning(
            f"the agent of cluster {name} is away: it is revoked, and {does} when it comes back; until then `hub status` lists the"
            f" cluster as removed. If it never will, `hub cluster remove {name} --forget`"
        )
    elif removal is Removal.FORGET:
        output.warning(
            f"if the agent of cluster {name} comes back it is refused, leaves what runs there and guards it no more; `hub cluster remove"
            f" {name} --context CTX` deletes it"
        )
    else:
        output.warning(
            f"the agent stays in cluster {name}, without a fleet; `hub cluster remove {name} --context CTX` deletes it"
        )


async def _suspend(caller: Caller, name: str, value: bool | None) -> None:
    async with caller.management() as api:
        await _patch(api, caller.namespace, name, {"spec": {"suspend": value}})


async def _patch(api: Api, namespace: str, name: str, patch: object) -> None:
    try:
        await api.patch(
            CLUSTERS, namespace, name, patch, kind=PatchType.MERGE, field_manager=installation.FIELD_MANAGER
        )
    except NotFound as problem:
        raise _no_cluster(namespace, name) from problem


async def _cluster(api: Api, namespace: str, name: str) -> Cluster:
    try:
        return Cluster.parse(await api.get(CLUSTERS, namespace, name))
    except NotFound as problem:
        raise _no_cluster(namespace, name) from problem


def _no_cluster(namespace: str, name: str) -> Failed:
    return Failed(
        f"Cluster {namespace}/{name} not found; `hub cluster list -A` shows which there are, -n NS chooses the namespace"
    )
