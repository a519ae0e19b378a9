"""`hub check`: whether the hub can be installed, or is installed and works."""

import json
import re
from collections.abc import Awaitable, Callable

import click

from agent.kit.errors import CartwheelError
from agent.kube.api import Api
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS
from hub.cli import output
from hub.cli.applying import find, listed
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.enrolment import hub_facts
from hub.cli.liveness import leader
from hub.cli.manifests import container_of
from hub.cli.preconditions import is_established, plan_crds, refuse_beside_flux
from hub.cli.progress import deployment_progress
from hub.cli.views import condition
from hub.crds import packaged
from hub.model import installation
from hub.model.cluster import CONNECTED
from hub.resources import CLUSTERS

OLDEST = (1, 33, 0)

Check = Callable[[Caller, Api], Awaitable[str]]
"""Looks at one thing: returns what is good, raises a CartwheelError that says what is not and what to do."""


@click.command("check")
@click.option("--pre", is_flag=True, help="Only whether the hub could be installed.")
@common_options
@asynchronous
async def check(caller: Caller, *, pre: bool) -> None:
    """Check that the hub can be installed (--pre), or that it is installed and works.

    Ends with status 1 when something is not as it should be; each line says what and what to do.
    """
    async with caller.management() as api:
        output.action("checking prerequisites")
        good = await _run(caller, api, (_kubernetes, _no_flux, _crd_plan))
        if good and pre:
            output.success("prerequisites checks passed")
        if not pre:
            output.action("checking the hub")
            good = await _run(caller, api, (_crds, _hub, _leader, _facts, _clusters)) and good
            if good:
                output.success("all checks passed")
    if not good:
        raise Failed("check failed")


COMMAND = check


async def _run(caller: Caller, api: Api, checks: tuple[Check, ...]) -> bool:
    good = True
    for one in checks:
        try:
            output.success(await one(caller, api))
        except CartwheelError as problem:
            output.failure(problem.message)
            good = False
    return good


async def _kubernetes(caller: Caller, api: Api) -> str:
    told = str(json.loads(await api.read("/version"))["gitVersion"])
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", told)
    least = ".".join(str(part) for part in OLDEST)
    if found is None or tuple(int(part) for part in found.groups()) < OLDEST:
        raise Failed(f"Kubernetes version {told} does not match >={least}-0; upgrade the management cluster")
    return f"Kubernetes {told.removeprefix('v')} >={least}-0"


async def _no_flux(caller: Caller, api: Api) -> str:
    await refuse_beside_flux(api, beside_flux=True)
    return "no Flux controller serves the hub's kinds"


async def _crd_plan(caller: Caller, api: Api) -> str:
    plan = await plan_crds(api)
    for text in plan.warnings:
        output.warning(text)
    return "CRDs of this version can be installed"


async def _crds(caller: Caller, api: Api) -> str:
    for ours in packaged():
        name = ours["metadata"]["name"]
        existing = await find(api, CUSTOM_RESOURCE_DEFINITIONS, "", name)
        if existing is None or not is_established(existing):
            raise Failed(f"CRD {name} is not installed; run `hub install`")
    return f"{len(packaged())} CRDs are installed"


async def _hub(caller: Caller, api: Api) -> str:
    deployment = await find(api, DEPLOYMENTS, installation.NAMESPACE, installation.HUB)
    if deployment is None:
        raise Failed("the hub is not installed; run `hub install`")
    progress = await deployment_progress(api, installation.NAMESPACE, installation.HUB)
    if not progress.done:
        raise Failed(progress.message)
    return f"Deployment {installation.NAMESPACE}/{installation.HUB} is available ({container_of(deployment)['image']})"


async def _leader(caller: Caller, api: Api) -> str:
    leading = await leader(api, caller.clock.now())
    if not leading.is_alive:
        raise Failed(leading.text)
    return leading.text


async def _facts(caller: Caller, api: Api) -> str:
    facts = await hub_facts(api)
    return f"agents reach the hub at {facts.address} and enrol at {facts.enrol_address}"


async def _clusters(caller: Caller, api: Api) -> str:
    clusters = (await listed(api, CLUSTERS)).items
    away = [
        f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in clusters
        if (condition(one, CONNECTED) or {}).get("status") != "True"
    ]
    if away:
        raise Failed(f"clusters not connected: {', '.join(away)}; `hub status` says why")
    return f"clusters connected: {len(clusters)}"
