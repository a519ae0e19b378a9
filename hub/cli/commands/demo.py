"""`hub demo`: a fleet in memory, and a tour of it."""

import functools
import os
import shutil
import sys
from pathlib import Path

import click

from agent.kit.errors import Stalled
from hub.cli.manifests import running_rights

_RENDER = "cartwheel-render"


@click.command("demo")
@click.option(
    "--unattended", is_flag=True, help="Do not wait for anybody: play all steps, check each, and end."
)
@click.option(
    "--render",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="CARTWHEEL_RENDER",
    help="The renderer to build manifests with; `make demo` brings one.",
)
def demo(*, unattended: bool, render: Path | None) -> None:
    """Show what this is, on a fleet in memory.

    One management and three workload clusters, a Git repository, a hub and its agents run on this machine alone, and are gone when the
    tour ends. It deploys, changes, breaks and mends, step by step; at its end everything stays until you end it, with a kubeconfig to
    try things on.
    """
    # No other command is to wait for what only this one needs.
    from hub.sandbox.tour.boxed import boxed_stage
    from hub.sandbox.tour.tour import tour

    found = render or _renderer()
    hub_rights, agent_rights = running_rights()
    set_up = functools.partial(boxed_stage, render=found, hub_rights=hub_rights, agent_rights=agent_rights)
    sys.exit(tour(set_up, waits=not unattended))


def _renderer() -> Path:
    """Return the renderer on the search path. Raises Stalled."""
    found = shutil.which(_RENDER, path=os.environ.get("PATH"))
    if found is None:
        raise Stalled(
            "the demo builds manifests with the renderer, which is not here; run it by `make demo`, or name one with --render",
            reason="NoRenderer",
        )
    return Path(found)


COMMAND = demo
