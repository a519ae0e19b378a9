"""The variables of one delivery in one cluster, from low to high. Pure; holds values of Secrets, so nothing here is ever shown.

Low to high: built-ins, substituteFrom, substitute, the cluster's variablesFrom, its variables, the Fleet's overrides.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.build.substitute import merge_variables
from hub.delivery.candidate import delivery_ref
from hub.model.cluster import Cluster
from hub.model.fleet import Fleet
from hub.model.kustomization import Kustomization, SubstituteStrategy

_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")

Values = Mapping[str, str]


class SecretValues(dict[str, str]):
    """Values of a Secret: nothing shows them by accident."""

    def __repr__(self) -> str:
        return f"<{len(self)} values of a Secret>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """Names with values. `of_cluster` are the names whose value comes from the cluster, `confidential` those whose value comes from a Secret;
    `runs` tells whether substitution runs at all."""

    values: Values = field(default_factory=dict, repr=False)
    of_cluster: frozenset[str] = frozenset()
    confidential: frozenset[str] = frozenset()
    runs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """What the parts say: the delivery's own (substituteFrom in order, then substitute), and the cluster's variablesFrom in order."""

    delivery: tuple[Values, ...] = ()
    cluster_from: tuple[Values, ...] = ()


def variables_of(delivery: Kustomization, cluster: Cluster, fleet: Fleet | None, layers: Layers) -> Variables:
    """Merge all layers, and tell where each value came from."""
    own = merge_variables(layers.delivery)
    overrides = (
        fleet.substitutes_for(delivery_ref(delivery), cluster.metadata.labels) if fleet is not None else {}
    )
    runs = bool(
        own
        or overrides
        or delivery.substitutes_cluster_variables
        or delivery.spec.post_build.substitute_strategy is SubstituteStrategy.ALWAYS
    )
    if not runs:
        return Variables()
    of_place = (*layers.cluster_from, cluster.spec.variables, overrides)
    high = merge_variables(of_place)
    low, _ = built_ins(cluster)
    values = {**low, **own, **high}
    of_cluster = frozenset(name for name in values if name in high or name not in own)
    confidential = _confidential((*layers.delivery, *of_place))
    return Variables(values=values, of_cluster=of_cluster, confidential=confidential, runs=True)


def _confidential(layers: Iterable[Values]) -> frozenset[str]:
    """Return the names whose value, the last one, comes from a Secret."""
    found: set[str] = set()
    for layer in layers:
        found = found | layer.keys() if isinstance(layer, SecretValues) else found - layer.keys()
    return frozenset(found)


def built_ins(cluster: Cluster) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables that every cluster has, and the label keys that are left out because they collide."""
    by_name: dict[str, list[str]] = {}
    for key in cluster.metadata.labels:
        by_name.setdefault(_label_variable(key), []).append(key)
    values = {
        name: cluster.metadata.labels[keys[0]] for name, keys in sorted(by_name.items()) if len(keys) == 1
    }
    values["CLUSTER_NAME"] = cluster.metadata.name
    values["CLUSTER_NAMESPACE"] = cluster.metadata.namespace
    dropped = sorted(key for keys in by_name.values() if len(keys) > 1 for key in keys)
    return values, tuple(dropped)


def _label_variable(key: str) -> str:
    return "CLUSTER_LABEL_" + _NOT_IN_NAMES.sub("_", key.upper())
