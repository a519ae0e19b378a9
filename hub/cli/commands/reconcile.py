"""`hub reconcile`: now, instead of at the next interval."""

import click

from agent.kube.api import Api
from hub.cli import views
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.groups import SOURCE_ALIASES, VERB_ALIASES, AliasGroup
from hub.cli.verbs import Target, fetch
from hub.cli.verbs import reconcile as reconcile_now
from hub.model.kustomization import Kustomization


@click.group("reconcile", cls=AliasGroup, aliases=VERB_ALIASES)
def reconcile() -> None:
    """Reconcile a resource now and wait until that is done."""


COMMAND = reconcile


@reconcile.group("source", cls=AliasGroup, aliases=SOURCE_ALIASES)
def source() -> None:
    """Fetch a source now."""


def _fetching(name: str, view: views.View, text: str) -> None:
    @click.argument("name")
    @common_options
    @asynchronous
    async def run(caller: Caller, *, name: str) -> None:
        async with caller.management() as api:
            await reconcile_now(caller, api, _target(caller, view, name))

    source.command(name, help=text)(run)


_fetching("git", views.GIT_REPOSITORIES, "Fetch a GitRepository now.")
_fetching("oci", views.OCI_REPOSITORIES, "Pull an OCIRepository now.")


@reconcile.command("kustomization")
@click.argument("name")
@click.option("--with-source", is_flag=True, help="Fetch its source first.")
@common_options
@asynchronous
async def kustomization(caller: Caller, *, name: str, with_source: bool) -> None:
    """Build a Kustomization and have it applied now, in every cluster where it is placed."""
    async with caller.management() as api:
        if with_source:
            await _source_of(caller, api, name)
        await reconcile_now(caller, api, _target(caller, views.KUSTOMIZATIONS, name))


async def _source_of(caller: Caller, api: Api, name: str) -> None:
    found = Kustomization.parse(await fetch(api, _target(caller, views.KUSTOMIZATIONS, name)))
    reference = found.spec.source_ref
    view = next((one for one in views.SOURCES if one.kind == reference.kind), None)
    if view is None:
        raise Failed(
            f"Kustomization {caller.namespace}/{name} takes its objects from a {reference.kind}, which this version does not serve;"
            f" use {' or '.join(f'a {one.kind}' for one in views.SOURCES)}"
        )
    target = Target(view=view, namespace=found.source_namespace, name=reference.name)
    await reconcile_now(caller, api, target)


def _target(caller: Caller, view: views.View, name: str) -> Target:
    return Target(view=view, namespace=caller.namespace, name=name)
