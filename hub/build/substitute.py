"""Post-build substitution: variables into the text of each rendered resource.

Pure. Values that come from Secrets pass through here: no message holds a value. Works on the YAML text, as Flux does, so
that a value gets the type that the text then says: `port: "${PORT}"` is rendered without its quotes and becomes a number.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hub.build import envsubst, kubeyaml
from hub.build.envsubst import Budget
from hub.build.errors import BuildFailed
from hub.build.render import Rendered

OPT_OUT: Final = "kustomize.toolkit.fluxcd.io/substitute"
NAME: Final = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """The variables of one build and how they are used; `always` runs it without any, as the strategy Always does."""

    variables: Mapping[str, str] = field(repr=False)
    strict: bool = True
    always: bool = False
    budget: Budget = field(default_factory=Budget)

    @property
    def runs(self) -> bool:
        return bool(self.variables) or self.always


def merge_variables(layers: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Merge variables, later layers win; line breaks in values are deleted, as in Flux."""
    return {name: value.replace("\n", "") for layer in layers for name, value in layer.items()}


def read_references(
    references: Iterable[Mapping[str, Any]], data_of: Callable[[str, str], Mapping[str, str] | None]
) -> list[Mapping[str, str]]:
    """Look up what substituteFrom names, in order; `data_of(kind, name)` is None for what does not exist."""
    layers: list[Mapping[str, str]] = []
    for reference in references:
        kind, name = reference["kind"], reference["name"]
        data = data_of(kind, name)
        if data is not None:
            layers.append(data)
        elif not reference.get("optional"):
            raise BuildFailed(f"substitute from '{kind}/{name}' error: {kind.lower()}s \"{name}\" not found")
    return layers


def substitute(rendered: Rendered, substitution: Substitution) -> dict[str, Any]:
    """Give the object of a resource with its variables replaced."""
    if not substitution.runs or opted_out(rendered.object):
        return rendered.object
    try:
        check_names(substitution.variables)
        if "$" not in rendered.text:
            return rendered.object
        return _expand(rendered.text, substitution)
    except BuildFailed as e:
        raise _failed(rendered, str(e)) from e


def referenced(rendered: Rendered) -> frozenset[str]:
    """Name the variables that the resource's text reads; none when it opted out. Raises BuildFailed as `substitute`."""
    if "$" not in rendered.text or opted_out(rendered.object):
        return frozenset()
    try:
        return frozenset(envsubst.names(envsubst.parse(rendered.text)))
    except envsubst.ExpressionError as e:
        raise _failed(rendered, f"variable substitution failed: {e}") from e


def _failed(rendered: Rendered, problem: str) -> BuildFailed:
    """Say what is wrong with a resource, but nothing that stands in one that was encrypted."""
    told = "it does not expand, and what is in it is confidential" if rendered.is_confidential else problem
    return BuildFailed(f"post build failed for '{_subject(rendered.object)}': envsubst error: {told}")


def check_names(variables: Iterable[str]) -> None:
    """Refuse variables whose names no expression could name."""
    for name in sorted(variables):
        if not _NAME.fullmatch(name):
            raise BuildFailed(f"'{name}' var name is invalid, must match '{NAME}'")


def opted_out(value: Mapping[str, Any]) -> bool:
    """Tell whether a label or annotation keeps substitution away from a resource."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return False
    places = (metadata.get("labels"), metadata.get("annotations"))
    return any(isinstance(place, dict) and place.get(OPT_OUT) == "disabled" for place in places)


def _expand(text: str, substitution: Substitution) -> dict[str, Any]:
    try:
        expanded = envsubst.expand(
            text, substitution.variables, strict=substitution.strict, budget=substitution.budget
        )
        value = kubeyaml.load(expanded)
    except envsubst.ExpressionError as e:
        raise BuildFailed(f"variable substitution failed: {e}") from e
    except kubeyaml.YAMLInvalid as e:
        raise BuildFailed(f"YAMLToJSON: {e}") from e
    if not isinstance(value, dict):
        raise BuildFailed("YAMLToJSON: the text is no object after substitution")
    return value


def _subject(value: Mapping[str, Any]) -> str:
    group, _, version = str(value.get("apiVersion", "")).rpartition("/")
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{value.get('kind')}.{version}.{group or '[noGrp]'}/{name}"
