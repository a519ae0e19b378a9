"""The record of every build input that is equal for all clusters of a delivery. Pure.

Its digest is computed from what the Kubernetes API says alone, so that a hub with an empty disk knows who is in step before it has fetched
anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.model.content import canonical, digest_of
from agent.model.names import Digest
from hub.model.fleet import DeliveryRef, Fleet
from hub.model.kustomization import Kustomization
from hub.model.source import Artifact
from hub.model.value import raw

FORMAT = 1
# What says when and how often, not what.
_NOT_BUILT = frozenset({"interval", "retryInterval", "suspend"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One state that a delivery can be in. `tree` is the digest of the source's files, `config_maps` digests of their data by name."""

    source: str
    revision: str
    tree: str
    spec: Mapping[str, object]
    config_maps: Mapping[str, Digest] = field(default_factory=dict)
    overrides: tuple[Mapping[str, object], ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """Return its identity. The revision is a label of the tree and counts too: a rollout moves from commit to commit."""
        record = {
            "format": FORMAT,
            "source": self.source,
            "revision": self.revision,
            "tree": self.tree,
            "spec": self.spec,
            "configMaps": self.config_maps,
            "overrides": self.overrides,
            "tools": self.tools,
        }
        return digest_of(canonical(record))


def candidate_of(
    delivery: Kustomization,
    artifact: Artifact,
    *,
    config_maps: Mapping[str, Mapping[str, str]],
    fleet: Fleet | None,
    tools: Mapping[str, str],
) -> Candidate:
    """Make the candidate of a delivery as it is now; `config_maps` are the data of those that exist, by name."""
    return Candidate(
        source=source_name(delivery),
        revision=artifact.revision,
        tree=artifact.tree_digest or artifact.digest,
        spec={name: value for name, value in delivery.raw_spec.items() if name not in _NOT_BUILT},
        config_maps={name: digest_of(canonical(dict(data))) for name, data in config_maps.items()},
        overrides=_overrides(delivery, fleet),
        tools=tools,
    )


def source_name(delivery: Kustomization) -> str:
    """Return `Kind/namespace/name` of the source, by which dependencies compare revisions."""
    reference = delivery.spec.source_ref
    return f"{reference.kind}/{delivery.source_namespace}/{reference.name}"


def delivery_ref(delivery: Kustomization) -> DeliveryRef:
    """Return how a Fleet names the delivery."""
    return DeliveryRef(kind="Kustomization", name=delivery.metadata.name)


def _overrides(delivery: Kustomization, fleet: Fleet | None) -> tuple[Mapping[str, object], ...]:
    """Return the overrides that may be for the delivery, without the names of other deliveries."""
    if fleet is None:
        return ()
    mine = delivery_ref(delivery)
    meant = [one for one in fleet.spec.overrides if not one.deliveries or mine in one.deliveries]
    return tuple({name: value for name, value in raw(one).items() if name != "deliveries"} for one in meant)
