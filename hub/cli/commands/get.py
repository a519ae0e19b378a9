"""`hub get`: what there is and whether it is ready, in the columns of Flux's command."""

import click

from hub.cli import views
from hub.cli.client import Caller, asynchronous, common_options
from hub.cli.groups import KIND_ALIASES, SOURCE_ALIASES, AliasGroup
from hub.cli.listing import ListOptions, list_options, show, show_all
from hub.cli.views import View


@click.group("get", cls=AliasGroup, aliases=KIND_ALIASES)
def get() -> None:
    """List resources and whether they are ready."""


COMMAND = get


@get.group("sources", cls=AliasGroup, aliases=SOURCE_ALIASES)
def sources() -> None:
    """List sources."""


def _listing(group: click.Group, name: str, view: View, text: str) -> None:
    @list_options()
    @common_options
    @asynchronous
    async def run(caller: Caller, *, options: ListOptions) -> None:
        async with caller.management() as api:
            await show(caller, api, view, options)

    group.command(name, help=text)(run)


def _several(group: click.Group, name: str, which: tuple[View, ...], text: str) -> None:
    @list_options(named=False)
    @common_options
    @asynchronous
    async def run(caller: Caller, *, options: ListOptions) -> None:
        async with caller.management() as api:
            await show_all(caller, api, which, options)

    group.command(name, help=text)(run)


_listing(sources, "git", views.GIT_REPOSITORIES, "List GitRepositories, or the one of that NAME.")
_listing(sources, "oci", views.OCI_REPOSITORIES, "List OCIRepositories, or the one of that NAME.")
_several(sources, "all", views.SOURCES, "List sources of every kind.")
_listing(get, "kustomizations", views.KUSTOMIZATIONS, "List Kustomizations, or the one of that NAME.")
_listing(get, "clusters", views.CLUSTERS, "List the clusters of the fleet, or the one of that NAME.")
_listing(get, "fleets", views.FLEETS, "List Fleets, or the one of that NAME.")
_several(get, "all", views.ALL, "List everything the hub serves; rows are named kind/name.")
