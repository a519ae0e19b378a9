"""Which clusters a delivery goes to, and under which name. Pure.

Nothing here removes anything: who calls compares with where the delivery was before. A delivery that names no target any more is an
error, never a reason to go to the management cluster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.kit.errors import Stalled
from agent.kube.watch import Key
from agent.model.names import ClusterId, HomeName
from hub.model import annotations as names
from hub.model.cluster import Cluster, ClusterName, cluster_of_namespace
from hub.model.fields import UNSUPPORTED_FIELD, unsupported
from hub.model.fleet import Fleet
from hub.model.kinds import Kind
from hub.model.metadata import Metadata
from hub.model.value import MALFORMED
from hub.model.wish import PlacementKey

KIND = "Kustomization"


class Refusal(StrEnum):
    """Why a delivery cannot be placed."""

    LOST = "PlacementLost"
    CONFLICT = "PlacementConflict"
    FLEET_NOT_FOUND = "FleetNotFound"
    CLUSTER_NOT_FOUND = "ClusterNotFound"


class NotPlaced(Stalled):
    """The delivery has no place until somebody changes something; where it runs it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What placement depends on, as the management cluster says it now. `unread` says of Fleets that cannot be read why not, `contested` are
    ids that several Clusters claim."""

    clusters: Mapping[Key, Cluster]
    fleets: Mapping[Key, Fleet]
    namespaces: Mapping[str, Metadata]
    management: ClusterName
    unread: Mapping[Key, str] = field(default_factory=dict)
    contested: frozenset[ClusterId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One delivery in one cluster; `is_contested` when another Cluster has the same id, and it may be that one's agent that is there."""

    id: ClusterId
    cluster: Cluster
    home: HomeName
    is_contested: bool = False

    @property
    def key(self) -> PlacementKey:
        return (self.id, self.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a delivery goes. `by` is what is written to the annotation that remembers it; `fleet` is the Fleet that chose the clusters."""

    by: str
    placements: tuple[Placement, ...] = ()
    fleet: Fleet | None = field(default=None)


def place(delivery: Metadata, world: World) -> Placed:
    """Choose the clusters of a delivery, of which nothing but its metadata counts; none is an answer too. Raises NotPlaced."""
    namespace = delivery.namespace
    home = home_name(delivery, world.namespaces.get(namespace))
    fleet = delivery.label_or_annotation(names.FLEET)
    if fleet is not None:
        return _by_fleet(fleet, namespace, home, world)
    place_ = world.namespaces.get(namespace)
    label = place_.labels.get(names.CLUSTER, "") if place_ is not None else ""
    remembered = delivery.annotations.get(names.PLACED, "")
    if label:
        return _by_namespace(label, home, world)
    management = f"cluster/{world.management}"
    if remembered and remembered != management:
        raise NotPlaced(
            f"it was placed by {remembered} and now names no target; set label {names.FLEET} again, or remove annotation "
            f"{names.PLACED} to place it on the management cluster",
            reason=Refusal.LOST,
        )
    return Placed(by=management, placements=_here(world.management, home, world))


def remembered(delivery: Metadata, world: World) -> Placed:
    """Return where a delivery that lost its target was placed, as far as that can still be told."""
    by = delivery.annotations.get(names.PLACED, "")
    how, _, name = by.partition("/")
    namespace = delivery.namespace
    home = home_name(delivery, world.namespaces.get(namespace))
    cluster = cluster_of_namespace(name)
    fleet = world.fleets.get((namespace, name)) if how == "fleet" else None
    if fleet is not None:
        return Placed(by=by, placements=_placements(_chosen(fleet, world), home, world), fleet=fleet)
    if how == "cluster" and cluster is not None:
        return Placed(by=by, placements=_here(cluster, home, world))
    return Placed(by=by)


def home_name(metadata: Metadata, namespace: Metadata | None) -> HomeName:
    """Return the delivery's name in its clusters; the namespace may carry another one for there."""
    home = namespace.label_or_annotation(names.HOME_NAMESPACE) if namespace is not None else None
    return HomeName(kind=KIND, namespace=home or metadata.namespace, name=metadata.name)


def _by_fleet(name: str, namespace: str, home: HomeName, world: World) -> Placed:
    fleet = world.fleets.get((namespace, name))
    if (problem := world.unread.get((namespace, name))) is not None:
        raise NotPlaced(f"it is placed by a Fleet that cannot be read: {problem}", reason=MALFORMED)
    if fleet is None:
        raise NotPlaced(
            f"Fleet {namespace}/{name} not found; create it, or correct label {names.FLEET}",
            reason=Refusal.FLEET_NOT_FOUND,
        )
    if (refusal := unsupported(Kind.FLEET, fleet.raw_spec)) is not None:
        raise NotPlaced(f"Fleet {namespace}/{name}: {refusal.message}", reason=UNSUPPORTED_FIELD)
    return Placed(by=f"fleet/{name}", placements=_placements(_chosen(fleet, world), home, world), fleet=fleet)


def _chosen(fleet: Fleet, world: World) -> list[Cluster]:
    """Return the clusters of the Fleet's namespace that it selects."""
    return [
        cluster
        for cluster in world.clusters.values()
        if cluster.metadata.namespace == fleet.metadata.namespace
        and fleet.spec.cluster_selector.matches(cluster.metadata.labels)
    ]


def _by_namespace(label: str, home: HomeName, world: World) -> Placed:
    name = cluster_of_namespace(label)
    if name is None or (name.namespace, name.name) not in world.clusters:
        raise NotPlaced(
            f"the namespace's label {names.CLUSTER}={label} names no Cluster; it must be NAMESPACE.NAME of one",
            reason=Refusal.CLUSTER_NOT_FOUND,
        )
    return Placed(by=f"cluster/{name}", placements=_here(name, home, world))


def _here(name: ClusterName, home: HomeName, world: World) -> tuple[Placement, ...]:
    cluster = world.clusters.get((name.namespace, name.name))
    return _placements([cluster], home, world) if cluster is not None else ()


def _placements(clusters: Iterable[Cluster], home: HomeName, world: World) -> tuple[Placement, ...]:
    """Return placements in the order of the clusters' names; one without an id gets it soon and one that leaves gets nothing new."""
    found = [
        Placement(
            id=cluster.spec.id,
            cluster=cluster,
            home=home,
            is_contested=cluster.spec.id in world.contested,
        )
        for cluster in clusters
        if cluster.spec.id is not None and not cluster.metadata.is_being_deleted
    ]
    return tuple(sorted(found, key=lambda one: (one.cluster.metadata.namespace, one.cluster.metadata.name)))
