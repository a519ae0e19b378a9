"""`hub serve`: what the hub's container runs."""

import sys

import click

from agent.kit.program import until_stopped


@click.command("serve")
def serve() -> None:
    """Run the hub.

    This is what the container of Deployment cartwheel-hub runs; settings come from the environment (CARTWHEEL_*).
    """
    # Loaded here alone: the hub's libraries would slow down every other command.
    from hub.main import serve as run
    from hub.settings import Settings

    settings = Settings.from_environment()
    sys.exit(until_stopped(lambda: run(settings)))


COMMAND = serve
