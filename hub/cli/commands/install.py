"""`hub install`: the hub, its schemas, and the agent of the management cluster."""

from dataclasses import dataclass
from typing import Any

import click

from agent.kube.api import Api, Object
from agent.kube.errors import AlreadyExists
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, SECRETS
from hub.cli import output
from hub.cli.address import Asked, choose, without_cluster
from hub.cli.applying import apply, find
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.enrolment import (
    Enrolment,
    hub_facts,
    place_agent,
    refuse_another_clusters_agent,
    register,
    wait_connected,
)
from hub.cli.manifests import (
    Address,
    Expose,
    HubChoices,
    decoded,
    default_image,
    hub_namespace,
    hub_objects,
    secret_object,
)
from hub.cli.preconditions import is_beside_flux, is_established, plan_crds, refuse_beside_flux
from hub.cli.progress import Progress, deployment_progress, wait
from hub.cli.running import Run, read_env, settle
from hub.crds import packaged
from hub.gateway.ca import make_authority
from hub.model import installation


class ExposeType(click.ParamType[Expose]):
    """The name of a way to expose a Service, in any case."""

    name = "way"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Expose:
        found = next((one for one in Expose if one.lower() == str(value).lower()), None)
        if found is None:
            self.fail(f"{value!r} is none of {', '.join(Expose)}", param, ctx)
        return found


@click.command("install")
@click.option(
    "--export",
    is_flag=True,
    help="Print the manifests instead of applying them; Secrets and the agent are left out.",
)
@click.option("--address", metavar="HOST:PORT", help="Where agents reach the hub's session listener.")
@click.option(
    "--enrol-address", metavar="HOST:PORT", help="Where agents enrol (the address with the next port)."
)
@click.option(
    "--expose",
    type=ExposeType(),
    metavar="|".join(Expose),
    help="How the hub's Service is exposed (NodePort).",
)
@click.option("--image", metavar="IMAGE", help="Image of the hub.")
@click.option("--agent-image", metavar="IMAGE", help="Image of the management cluster's agent.")
@click.option(
    "--env",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting of hub and agent (CARTWHEEL_LOG_LEVEL=debug); repeatable.",
)
@click.option(
    "--beside-flux/--no-beside-flux",
    default=None,
    help="Allow Flux controllers that serve no kind of the hub's (as it was; not at first).",
)
@common_options
@asynchronous
async def install(
    caller: Caller,
    *,
    export: bool,
    address: str | None,
    enrol_address: str | None,
    expose: Expose | None,
    image: str | None,
    agent_image: str | None,
    env: tuple[str, ...],
    beside_flux: bool | None,
) -> None:
    """Install the hub in the management cluster.

    Applies the CRDs, the hub and, as Cluster "management", an agent for this cluster itself, and waits until all of them work. The
    same command again upgrades or repairs; options that are left out keep what they were. The certificate authority
    (Secret cartwheel-ca) is made once and never replaced.

    Refuses where Flux's controllers run, since two would act on one resource; with --beside-flux, from then on, only where those of the
    same kinds do.

    Example: hub install --expose NodePort --address 203.0.113.7:30743
    """
    asked = Asked(
        address=Address.parse(address) if address else None,
        enrol_address=Address.parse(enrol_address) if enrol_address else None,
        expose=expose,
    )
    hub, agent = (Run(image=one, env=read_env(env)) for one in (image, agent_image))
    if export:
        choices = HubChoices(
            image=hub.image or default_image(installation.HUB),
            place=without_cluster(asked),
            env=hub.env,
            beside_flux=bool(beside_flux),
        )
        output.documents([*(dict(one) for one in packaged()), *hub_objects(choices)])
        return
    async with caller.management() as api:
        beside = await is_beside_flux(api) if beside_flux is None else beside_flux
        await refuse_beside_flux(api, beside_flux=beside)
        await refuse_another_clusters_agent(
            api, installation.NAMESPACE, f"{caller.namespace}/{installation.MANAGEMENT_CLUSTER}"
        )
        await _install(caller, api, Order(asked=asked, hub=hub, agent=agent, beside_flux=beside))


COMMAND = install


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be installed, as the options say it."""

    asked: Asked
    hub: Run
    agent: Run
    beside_flux: bool


async def _install(caller: Caller, api: Api, order: Order) -> None:
    deadline_s = caller.deadline_s()
    # 1. Everything that could forbid the installation is read before anything is written.
    plan = await plan_crds(api)
    for text in plan.warnings:
        output.warning(text)
    # 2. Schemas first: the hub lists its kinds when it starts.
    output.action("installing the CRDs")
    await apply(api, plan.write)
    await _wait_established(caller, api, deadline_s)
    # 3. The CA before the hub that signs with it.
    output.action(f"installing the hub in namespace {installation.NAMESPACE}")
    await apply(api, hub_namespace())
    certificate = await _authority(caller, api)
    place = await choose(caller, api, order.asked, deadline_s=deadline_s)
    run = await settle(api, installation.NAMESPACE, installation.HUB, order.hub)
    choices = HubChoices(
        image=str(run.image),
        place=place,
        ca_certificate=certificate,
        env=run.env,
        beside_flux=order.beside_flux,
    )
    await apply(api, hub_objects(choices)[1:])
    output.success(f"agents reach the hub at {place.address} and enrol at {place.enrol_address}")
    await wait(
        caller,
        lambda: deployment_progress(api, installation.NAMESPACE, installation.HUB),
        deadline_s=deadline_s,
        subject=f"Deployment {installation.NAMESPACE}/{installation.HUB}",
    )
    output.success("the hub is ready")
    # 4. The management cluster is a cluster like the others, but the agent is here.
    output.action("installing the agent of the management cluster")
    if await find(api, NAMESPACES, "", caller.namespace) is None:
        await apply(api, [_namespace(caller.namespace)])
    cluster = await register(api, caller.namespace, installation.MANAGEMENT_CLUSTER, {})
    enrolment = Enrolment(cluster=cluster, hub=await hub_facts(api), asked=order.agent)
    await place_agent(caller, api, api, enrolment, deadline_s=deadline_s)
    await wait_connected(caller, api, api, enrolment, deadline_s=deadline_s)


async def _wait_established(caller: Caller, api: Api, deadline_s: float) -> None:
    async def look() -> Progress:
        for ours in packaged():
            name = ours["metadata"]["name"]
            if not is_established(await api.get(CUSTOM_RESOURCE_DEFINITIONS, "", name)):
                return Progress(done=False, message=f"CRD {name} is not established yet")
        return Progress(done=True, message="")

    await wait(caller, look, deadline_s=deadline_s, subject="the CRDs")


async def _authority(caller: Caller, api: Api) -> str:
    """Return the CA's certificate, making the CA when there is none. One that is there stays, whatever it is."""
    existing = await find(api, SECRETS, installation.NAMESPACE, installation.CA_SECRET)
    if existing is None:
        certificate, key = make_authority(now=caller.clock.now())
        data = {
            installation.CA_CERTIFICATE_KEY: certificate.decode(),
            installation.CA_KEY_KEY: key.decode(),
        }
        body = secret_object(installation.CA_SECRET, data)
        try:
            existing = await api.create(
                SECRETS, installation.NAMESPACE, body, field_manager=installation.FIELD_MANAGER
            )
            output.generated("certificate authority of the fleet")
        except AlreadyExists:
            existing = await api.get(SECRETS, installation.NAMESPACE, installation.CA_SECRET)
    held = decoded(existing)
    missing = [key for key in (installation.CA_CERTIFICATE_KEY, installation.CA_KEY_KEY) if not held.get(key)]
    if missing:
        raise Failed(
            f"Secret {installation.NAMESPACE}/{installation.CA_SECRET} has no {' and no '.join(missing)}; restore it from a backup,"
            " or delete it, which makes every agent enrol anew"
        )
    return held[installation.CA_CERTIFICATE_KEY]


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
