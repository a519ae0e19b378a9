"""Reads the ConfigMaps and Secrets that a delivery and its clusters take variables from; what is missing fails the build of whom it is for.

Owns no state. Values of Secrets are returned, never kept or shown here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hub.build.substitute import read_references
from hub.delivery.variables import SecretValues, Values
from hub.model.cluster import Cluster
from hub.model.kustomization import Kustomization, VariablesFrom, VariablesKind

_Name = tuple[str, str]


class Reader(Protocol):
    """Where the data is."""

    async def variables(self, kind: VariablesKind, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap or Secret, None when it does not exist."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryInputs:
    """A delivery's own layers, and the ConfigMaps among them by name."""

    layers: tuple[Values, ...]
    config_maps: Mapping[str, Values]


async def read_delivery(reader: Reader, delivery: Kustomization) -> DeliveryInputs:
    """Read what postBuild names. Raises BuildFailed for what is missing and not optional."""
    post_build = delivery.spec.post_build
    found = await _read(reader, delivery.metadata.namespace, post_build.substitute_from)
    layers = _layers(post_build.substitute_from, found)
    maps = {name: data for (kind, name), data in found.items() if kind == VariablesKind.CONFIG_MAP}
    return DeliveryInputs(layers=(*layers, post_build.substitute), config_maps=maps)


async def read_cluster(reader: Reader, cluster: Cluster) -> tuple[Values, ...]:
    """Read what the cluster's variablesFrom names, in order. Raises BuildFailed."""
    references = cluster.spec.variables_from
    return _layers(references, await _read(reader, cluster.metadata.namespace, references))


async def _read(
    reader: Reader, namespace: str, references: Iterable[VariablesFrom]
) -> dict[_Name, Mapping[str, str]]:
    found: dict[_Name, Mapping[str, str]] = {}
    for one in references:
        data = await reader.variables(one.kind, namespace, one.name)
        if data is not None:
            found[(str(one.kind), one.name)] = (
                SecretValues(data) if one.kind is VariablesKind.SECRET else data
            )
    return found


def _layers(
    references: Iterable[VariablesFrom], found: Mapping[_Name, Mapping[str, str]]
) -> tuple[Values, ...]:
    named = [{"kind": str(one.kind), "name": one.name, "optional": one.optional} for one in references]
    return tuple(read_references(named, lambda kind, name: found.get((kind, name))))
