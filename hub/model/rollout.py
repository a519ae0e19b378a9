"""Rollout: what the hub will write of a change on its way through a Fleet. Nobody else writes one, and this version makes none."""

from collections.abc import Mapping

from hub.model.conditions import Condition, Conditions
from hub.model.metadata import Metadata
from hub.model.value import Value, read


class RolloutStatus(Value, frozen=True, kw_only=True):
    """What is known of the Rollout."""

    conditions: tuple[Condition, ...] = ()


class Rollout(Value, frozen=True, kw_only=True):
    """One Rollout; `raw_spec` is its spec as it came."""

    metadata: Metadata
    status: RolloutStatus = RolloutStatus()
    raw_spec: Mapping[str, object] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "Rollout":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)

    @property
    def conditions(self) -> Conditions:
        return Conditions(generation=self.metadata.generation, items=self.status.conditions)
