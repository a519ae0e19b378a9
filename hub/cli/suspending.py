"""Suspends and resumes objects of one kind, by name or all of a namespace."""

import click

from agent.kube.api import Api
from hub.cli import output
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.groups import SOURCE_ALIASES, AliasGroup
from hub.cli.verbs import Target, change, wait_ready
from hub.cli.views import GIT_REPOSITORIES, KUSTOMIZATIONS, OCI_REPOSITORIES, View


def add_suspend(group: click.Group) -> None:
    """Add a command for every kind to `hub suspend`."""
    for parent, name, view in _places(group):

        @click.argument("names", nargs=-1)
        @click.option("--all", "everything", is_flag=True, help="All of the namespace.")
        @common_options
        @asynchronous
        async def run(caller: Caller, *, names: tuple[str, ...], everything: bool, view: View = view) -> None:
            await suspend(caller, view, names, everything=everything)

        parent.command(
            name, help=f"Suspend {view.kind} objects: nothing of them changes until they are resumed."
        )(run)


def add_resume(group: click.Group) -> None:
    """Add a command for every kind to `hub resume`."""
    for parent, name, view in _places(group):

        @click.argument("names", nargs=-1)
        @click.option("--all", "everything", is_flag=True, help="All of the namespace.")
        @click.option("--wait", "waits", is_flag=True, help="Wait for several as for one.")
        @common_options
        @asynchronous
        async def run(
            caller: Caller, *, names: tuple[str, ...], everything: bool, waits: bool, view: View = view
        ) -> None:
            await resume(caller, view, names, everything=everything, waits=waits)

        parent.command(name, help=f"Resume {view.kind} objects, and wait for the one that is named.")(run)


async def suspend(caller: Caller, view: View, names: tuple[str, ...], *, everything: bool) -> None:
    """Suspend each; a name that is not there is said and passed over, as Flux does."""
    async with caller.management() as api:
        for name in await _existing(caller, api, view, names, everything=everything):
            output.action(f"suspending {view.words} {name} in {caller.namespace} namespace")
            await change(
                api, Target(view=view, namespace=caller.namespace, name=name), {"spec": {"suspend": True}}
            )
            output.success(f"{view.words} suspended")


async def resume(
    caller: Caller, view: View, names: tuple[str, ...], *, everything: bool, waits: bool
) -> None:
    """Resume each, then wait where that was asked for."""
    async with caller.management() as api:
        found = await _existing(caller, api, view, names, everything=everything)
        for name in found:
            output.action(f"resuming {view.words} {name} in {caller.namespace} namespace")
            # Null takes the field away, so that what a Git repository says of it is said alone.
            await change(
                api, Target(view=view, namespace=caller.namespace, name=name), {"spec": {"suspend": None}}
            )
            output.success(f"{view.words} resumed")
        if waits or len(names) == 1:
            for name in found:
                await wait_ready(caller, api, Target(view=view, namespace=caller.namespace, name=name))
                output.success(f"{view.kind} {name} reconciliation completed")


async def _existing(
    caller: Caller, api: Api, view: View, names: tuple[str, ...], *, everything: bool
) -> list[str]:
    if everything == bool(names):
        raise Failed(f"name the {view.kind} objects, or give --all for those of namespace {caller.namespace}")
    there = [one["metadata"]["name"] for one in (await api.list(view.resource, caller.namespace)).items]
    if everything:
        return there
    for name in names:
        if name not in there:
            output.failure(f"{view.kind} {name} not found in {caller.namespace} namespace")
    return [name for name in names if name in there]


def _places(group: click.Group) -> list[tuple[click.Group, str, View]]:
    source = AliasGroup("source", aliases=SOURCE_ALIASES, help="Sources.")
    group.add_command(source)
    return [
        (source, "git", GIT_REPOSITORIES),
        (source, "oci", OCI_REPOSITORIES),
        (group, "kustomization", KUSTOMIZATIONS),
    ]
