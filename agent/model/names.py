"""Names of things: objects in a cluster, deliveries, clusters and digests. Pure values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NewType

OWNER_NAME = "kustomize.toolkit.fluxcd.io/name"
OWNER_NAMESPACE = "kustomize.toolkit.fluxcd.io/namespace"
"""The labels by which an object names its delivery, by its home name."""

CLUSTER_URI = "spiffe://cartwheel/cluster/"
"""What stands before a cluster's id in the URI of its certificate."""

Digest = NewType("Digest", str)
"""`sha256:<64 hex digits>`: an identity of content."""

ClusterId = NewType("ClusterId", str)
"""The random, immutable identity of a cluster: in certificates, desks, tombstones and reports."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One object of a cluster, without its version. An empty group is the core group, an empty namespace cluster scope."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Kind/namespace/name` or `Kind/name`: the subject form of messages and events."""
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True, order=True)
class HomeName:
    """A delivery as Flux in that cluster would see it; unique within one cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def group_of(api_version: str) -> str:
    """Return the group of an apiVersion: `apps` of `apps/v1`, empty of `v1`."""
    group, slash, _ = api_version.rpartition("/")
    return group if slash else ""


def version_of(api_version: str) -> str:
    """Return the version of an apiVersion: `v1` of `apps/v1`."""
    return api_version.rpartition("/")[2]


def timestamp(instant: datetime) -> str:
    """Return an aware instant as Kubernetes writes it, `2026-01-31T09:00:00Z`, cut to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
