"""Deliveries, clusters and fleets to place and build."""

from typing import Any

from hub.delivery.placement import World
from hub.model.cluster import Cluster, ClusterName
from hub.model.fleet import Fleet
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization
from hub.model.metadata import Metadata
from tests.hub.model.samples import fleet, kustomization, resource


def delivery(name: str = "webapp", *, spec: dict[str, Any] | None = None, **metadata: Any) -> Kustomization:
    given = {"name": name, "uid": f"uid-{name}"} | metadata
    return Kustomization.parse(resource(Kind.KUSTOMIZATION, kustomization(**(spec or {})), **given))


def in_fleet(name: str = "webapp", **more: Any) -> Kustomization:
    return delivery(name, labels={"fleet.cartwheel.dev/fleet": "prod"}, **more)


def cluster(
    name: str, *, spec: dict[str, Any] | None = None, namespace: str = "apps", **labels: str
) -> Cluster:
    given = {"id": f"id-of-{name}"} | (spec or {})
    return Cluster.parse(resource(Kind.CLUSTER, given, name=name, namespace=namespace, labels=labels))


def prod(**spec: Any) -> Fleet:
    return Fleet.parse(resource(Kind.FLEET, fleet(**spec), name="prod"))


def world(*clusters: Cluster, fleets: tuple[Fleet, ...] = (), **namespaces: dict[str, str]) -> World:
    return World(
        clusters={(one.metadata.namespace, one.metadata.name): one for one in clusters},
        fleets={(one.metadata.namespace, one.metadata.name): one for one in fleets},
        namespaces={name: Metadata(name=name, labels=labels) for name, labels in namespaces.items()},
        management=ClusterName(namespace="flux-system", name="management"),
    )


MANAGEMENT = cluster("management", namespace="flux-system")
EU = cluster("eu-1", tier="prod", region="eu")
US = cluster("us-1", tier="prod", region="us")
DEV = cluster("dev-1", tier="dev")
