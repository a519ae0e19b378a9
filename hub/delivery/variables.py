"""The variables of one delivery in one cluster, from low to high. Pure; holds values of Secrets, so nothing here is ever shown.

Low to high: built-ins, substituteFrom, substitute, the cluster's variablesFrom, its variables, the Fleet's overrides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.build.substitute import merge_variables
from hub.delivery.candidate import delivery_ref
from hub.model.cluster import Cluster
from hub.model.fleet import Fleet
from hub.model.kustomization import Kustomization, SubstituteStrategy

_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """Names with values. `of_cluster` are the names whose value comes from the cluster; `runs` tells whether substitution runs at all."""

    values: Values = field(default_factory=dict)
    of_cluster: frozenset[str] = frozenset()
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
    high = merge_variables((*layers.cluster_from, cluster.spec.variables, overrides))
    low, _ = built_ins(cluster)
    values = {**low, **own, **high}
    of_cluster = frozenset(name for name in values if name in high or name not in own)
    return Variables(values=values, of_cluster=of_cluster, runs=True)


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
