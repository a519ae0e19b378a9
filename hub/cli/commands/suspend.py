"""`hub suspend`, for every kind that can be suspended."""

import click

from hub.cli.groups import VERB_ALIASES, AliasGroup
from hub.cli.suspending import add_suspend


@click.group("suspend", cls=AliasGroup, aliases=VERB_ALIASES)
def suspend() -> None:
    """Stop reconciling resources; what runs stays and is guarded."""


COMMAND = suspend
add_suspend(suspend)
