"""How each kind is listed: the columns of a table, those of Flux's commands where Flux has the kind. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.kube.api import Object, Resource
from hub.model.conditions import READY
from hub.model.kinds import Kind
from hub.resources import resource_of

_HEX = re.compile(r"\b[0-9a-f]{40,128}\b")
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A kind as a table. `words` is what messages call it, `cells` gives the columns after NAME."""

    kind: Kind
    words: str
    header: tuple[str, ...]
    cells: Callable[[Object], tuple[str, ...]]

    @property
    def resource(self) -> Resource:
        return resource_of(self.kind)


def shortened(text: str) -> str:
    """Return a text with its long hexadecimal numbers cut to what people tell apart."""
    return _HEX.sub(lambda found: found[0][:_SHOWN_DIGITS], text)


def condition(one: Object, type_: str) -> Mapping[str, Any] | None:
    """Return a condition of an object, None when it has none of that type; types are compared without case."""
    conditions: list[Mapping[str, Any]] = part(one, "status").get("conditions") or []
    return next((found for found in conditions if found["type"].lower() == type_.lower()), None)


def part(one: Object, name: str) -> Mapping[str, Any]:
    """Return a mapping of an object, empty when it has none."""
    found: Mapping[str, Any] = one.get(name) or {}
    return found


def suspended(one: Object) -> str:
    return str(bool(part(one, "spec").get("suspend")))


def ready(one: Object) -> tuple[str, str]:
    """Return status and message of Ready, as Flux's commands say them."""
    found = condition(one, READY)
    if found is None:
        return "False", "waiting to be reconciled"
    return str(found["status"]), shortened(str(found.get("message", "")))


def _source(one: Object) -> tuple[str, ...]:
    artifact: Mapping[str, Any] = part(one, "status").get("artifact") or {}
    return (shortened(str(artifact.get("revision", ""))), suspended(one), *ready(one))


def _kustomization(one: Object) -> tuple[str, ...]:
    revision = str(part(one, "status").get("lastAppliedRevision", ""))
    return (shortened(revision), suspended(one), *ready(one))


def _cluster(one: Object) -> tuple[str, ...]:
    connected = condition(one, "Connected")
    status = part(one, "status")
    versions: Mapping[str, Any] = status.get("versions") or {}
    return (
        str(connected["status"]) if connected else "False",
        str(versions.get("agent", "")),
        str(versions.get("kubernetes", "")),
        suspended(one),
        *ready(one),
    )


def _fleet(one: Object) -> tuple[str, ...]:
    clusters: Mapping[str, Any] = part(one, "status").get("clusters") or {}
    return (str(clusters.get("matched", 0)), *ready(one))


GIT_REPOSITORIES = View(
    kind=Kind.GIT_REPOSITORY,
    words="source git",
    header=("revision", "suspended", "ready", "message"),
    cells=_source,
)
OCI_REPOSITORIES = View(
    kind=Kind.OCI_REPOSITORY,
    words="source oci",
    header=("revision", "suspended", "ready", "message"),
    cells=_source,
)
SOURCES = (GIT_REPOSITORIES, OCI_REPOSITORIES)
KUSTOMIZATIONS = View(
    kind=Kind.KUSTOMIZATION,
    words="kustomization",
    header=("revision", "suspended", "ready", "message"),
    cells=_kustomization,
)
CLUSTERS = View(
    kind=Kind.CLUSTER,
    words="cluster",
    header=("connected", "agent", "kubernetes", "suspended", "ready", "message"),
    cells=_cluster,
)
FLEETS = View(
    kind=Kind.FLEET,
    words="fleet",
    header=("clusters", "ready", "message"),
    cells=_fleet,
)
ALL = (*SOURCES, KUSTOMIZATIONS, FLEETS, CLUSTERS)
