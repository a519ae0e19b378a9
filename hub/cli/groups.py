"""Groups of commands whose members answer to several names, as Flux's do."""

from collections.abc import Mapping
from typing import Any

import click


class AliasGroup(click.Group):
    """A group that knows its commands by further names; help shows the first."""

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **given: Any) -> None:
        super().__init__(*args, **given)
        self._aliases = dict(aliases or {})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))


SOURCE_ALIASES = {
    "gitrepository": "git",
    "gitrepositories": "git",
    "ocirepository": "oci",
    "ocirepositories": "oci",
}
KIND_ALIASES = {
    "source": "sources",
    "kustomization": "kustomizations",
    "ks": "kustomizations",
    "cluster": "clusters",
    "fleet": "fleets",
}
"""What the members of `hub get` are also called."""

VERB_ALIASES = {"sources": "source", "kustomizations": "kustomization", "ks": "kustomization"}
"""What the members of verbs on one object, such as `hub reconcile`, are also called."""
