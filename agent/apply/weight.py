"""What the deletion of an object takes along beyond itself: which objects weigh, and what of a cluster counts for them. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.apply.stages import DEFINITION, NAMESPACE, GroupKind
from agent.kube.api import Resource
from agent.model.inventory import format_id
from agent.model.names import ObjectRef

KUSTOMIZATION: GroupKind = ("kustomize.toolkit.fluxcd.io", "Kustomization")
CLUSTER: GroupKind = ("fleet.cartwheel.dev", "Cluster")
FLEET: GroupKind = ("fleet.cartwheel.dev", "Fleet")
WEIGHTY = frozenset({NAMESPACE, DEFINITION, KUSTOMIZATION, CLUSTER, FLEET})
PLACED = "fleet.cartwheel.dev/placed"
"""The annotation of a Kustomization that names where it is placed: `fleet/NAME` or `cluster/NAME`."""

_BY_CONTROLLERS = frozenset(
    {
        ("", "Event"),
        ("events.k8s.io", "Event"),
        ("", "Endpoints"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("coordination.k8s.io", "Lease"),
    }
)
_IN_EVERY_NAMESPACE = frozenset({("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")})

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """How much goes with an object, and the words for it; not known when it could not be read."""

    count: int = 0
    words: str = ""
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights of what leaves, by inventory id, and of all that stays of the same kinds together."""

    leaving: Mapping[str, Weight]
    staying: int = 0

    @property
    def count(self) -> int:
        """Return how much goes with all that leaves."""
        return sum(one.count for one in self.leaving.values())

    @property
    def are_known(self) -> bool:
        return all(one.is_known for one in self.leaving.values())

    @property
    def words(self) -> tuple[str, ...]:
        """Return what is to be said of what leaves, in the order of the ids."""
        return tuple(one.words for _, one in sorted(self.leaving.items()) if one.words)


NO_WEIGHTS = Weights(leaving={})


def is_weighty(ref: ObjectRef) -> bool:
    """Tell whether more than the object itself may go with it."""
    return (ref.group, ref.kind) in WEIGHTY


def counted(resource: Resource, listed: Iterable[Object], on_desk: Collection[str]) -> frozenset[str]:
    """Return the UIDs of those objects of a kind that are nobody's on the desk, and that no controller makes anew."""
    if (resource.group, resource.kind) in _BY_CONTROLLERS:
        return frozenset()
    return frozenset(
        str(metadata.get("uid"))
        for metadata in (one["metadata"] for one in listed)
        if not _is_controlled(metadata)
        and (resource.kind, metadata["name"]) not in _IN_EVERY_NAMESPACE
        and _id_of(resource, metadata) not in on_desk
    )


def deletes_objects(kustomization: Object) -> bool:
    """Tell whether a Kustomization deletes its objects when it is deleted, by Flux's rules."""
    spec = kustomization.get("spec") or {}
    if spec.get("suspend"):
        return False
    match spec.get("deletionPolicy") or "MirrorPrune":
        case "MirrorPrune":
            return bool(spec.get("prune"))
        case "Orphan":
            return False
        case _:
            return True


def entries(kustomization: Object) -> int:
    """Return how many objects a Kustomization holds in each cluster."""
    inventory = (kustomization.get("status") or {}).get("inventory") or {}
    return len(inventory.get("entries") or ())


def fleet_of(kustomization: Object) -> str:
    """Return the name of the Fleet by which a Kustomization is placed, empty when it is placed by none."""
    annotations = (kustomization.get("metadata") or {}).get("annotations") or {}
    how, _, name = str(annotations.get(PLACED, "")).partition("/")
    return name if how == "fleet" else ""


def clusters_of(fleet: Object) -> int:
    """Return of how many clusters a Fleet tells."""
    return int(((fleet.get("status") or {}).get("clusters") or {}).get("matched") or 0)


def deliveries_of(cluster: Object) -> int:
    """Return how many deliveries a Cluster tells to have."""
    return int(((cluster.get("status") or {}).get("counts") or {}).get("assigned") or 0)


def _is_controlled(metadata: Object) -> bool:
    return any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())


def _id_of(resource: Resource, metadata: Object) -> str:
    return format_id(
        ObjectRef(resource.group, resource.kind, str(metadata.get("namespace") or ""), str(metadata["name"]))
    )
