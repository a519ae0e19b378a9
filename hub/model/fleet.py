"""Fleet: which clusters, what differs between them, and how much one change may delete."""

import re
from collections.abc import Mapping
from enum import StrEnum

from hub.model.conditions import Condition, Conditions
from hub.model.metadata import Metadata
from hub.model.selector import LabelSelector
from hub.model.value import MalformedResource, Value, read

LEAST_PRUNE = 10
"""A share of less than this many objects never holds anything back: in a small delivery half is soon reached."""

SHARE = re.compile(r"([0-9]{1,9})(%?)")


class OnLeave(StrEnum):
    """What happens in a cluster that leaves the Fleet."""

    KEEP = "Keep"
    PRUNE = "Prune"


class DeliveryRef(Value, frozen=True, kw_only=True):
    """A delivery of the Fleet."""

    kind: str
    name: str


class Override(Value, frozen=True, kw_only=True):
    """What differs in some clusters. No selector means all clusters, no deliveries all deliveries."""

    cluster_selector: LabelSelector | None = None
    deliveries: tuple[DeliveryRef, ...] = ()
    substitute: Mapping[str, str] = {}

    def applies_to(self, delivery: DeliveryRef, cluster_labels: Mapping[str, str]) -> bool:
        """Tell whether it changes this delivery in a cluster of the Fleet with these labels."""
        chosen = self.cluster_selector is None or self.cluster_selector.matches(cluster_labels)
        return chosen and (not self.deliveries or delivery in self.deliveries)


class PruneLimit(Value, frozen=True, kw_only=True):
    """How much of what a delivery has in a cluster one change may delete without approval."""

    percent: int | None = 50
    objects: int | None = None

    @classmethod
    def parse(cls, given: int | str) -> "PruneLimit":
        """Read `50%` (a share) or `20` (a number of objects). Raises ValueError."""
        found = SHARE.fullmatch(str(given))
        if found is None or (found[2] and int(found[1]) > 100):
            raise ValueError(f"{given!r} is neither a number of objects nor a share such as 50%")
        number = int(found[1])
        return cls(percent=number) if found[2] else cls(percent=None, objects=number)

    def holds_back(self, pruned: int, held: int) -> bool:
        """Tell whether deleting `pruned` of the `held` objects needs approval."""
        if self.objects is not None:
            return pruned > self.objects
        return pruned >= LEAST_PRUNE and self.percent is not None and pruned * 100 > held * self.percent


class FleetSpec(Value, frozen=True, kw_only=True):
    """What the author wants. What is refused is only in `Fleet.raw_spec`."""

    cluster_selector: LabelSelector
    on_leave: OnLeave = OnLeave.KEEP
    overrides: tuple[Override, ...] = ()
    prune_limit: int | str = "50%"


class FleetClusters(Value, frozen=True, kw_only=True):
    """How many clusters of the Fleet are in which state."""

    matched: int = 0
    ready: int = 0
    failed: int = 0
    unknown: int = 0


class FleetStatus(Value, frozen=True, kw_only=True):
    """What is known of the Fleet."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    clusters: FleetClusters = FleetClusters()
    last_handled_reconcile_at: str = ""


class Fleet(Value, frozen=True, kw_only=True):
    """One Fleet; `raw_spec` is its spec as it came."""

    metadata: Metadata
    spec: FleetSpec
    status: FleetStatus = FleetStatus()
    raw_spec: Mapping[str, object] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "Fleet":
        """Read what the API server returned. Raises MalformedResource."""
        fleet = read(cls, raw)
        try:
            PruneLimit.parse(fleet.spec.prune_limit)
        except ValueError as problem:
            raise MalformedResource(
                kind="Fleet",
                namespace=fleet.metadata.namespace,
                name=fleet.metadata.name,
                detail=f"spec.pruneLimit: {problem}",
            ) from problem
        return fleet

    @property
    def conditions(self) -> Conditions:
        return Conditions(generation=self.metadata.generation, items=self.status.conditions)

    @property
    def prune_limit(self) -> PruneLimit:
        return PruneLimit.parse(self.spec.prune_limit)

    def substitutes_for(self, delivery: DeliveryRef, cluster_labels: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that matching overrides set, later ones over earlier ones."""
        values: dict[str, str] = {}
        for override in self.spec.overrides:
            if override.applies_to(delivery, cluster_labels):
                values.update(override.substitute)
        return values
