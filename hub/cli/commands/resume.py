"""`hub resume`, for every kind that can be suspended."""

import click

from hub.cli.groups import VERB_ALIASES, AliasGroup
from hub.cli.suspending import add_resume


@click.group("resume", cls=AliasGroup, aliases=VERB_ALIASES)
def resume() -> None:
    """Go on reconciling suspended resources."""


COMMAND = resume
add_resume(resume)
