"""The rules of the built-in kinds; a kind without any of its own has those that all share."""

from collections.abc import Mapping

from hub.sandbox.kinds import (
    access,
    batch,
    core,
    extensions,
    networking,
    policies,
    services,
    sets,
    volumes,
    workloads,
)
from hub.sandbox.kinds.rule import Rules

__all__ = ["CUSTOM", "Rules", "rules_of"]

_PLAIN = Rules()
# What custom kinds share; their definitions say the rest.
CUSTOM = Rules(rechecks_metadata=False, has_own_finalizers=False, needs_version=True)
_GROUPS: Mapping[str, Mapping[str, Rules]] = {
    "": {**core.KINDS, **services.KINDS, **workloads.PODS, **volumes.CORE},
    "apps": {**workloads.KINDS, **sets.KINDS},
    "batch": batch.KINDS,
    "networking.k8s.io": networking.KINDS,
    "discovery.k8s.io": networking.DISCOVERY,
    "rbac.authorization.k8s.io": access.KINDS,
    "certificates.k8s.io": access.CERTIFICATES,
    "storage.k8s.io": volumes.KINDS,
    **policies.GROUPS,
    **extensions.GROUPS,
}


def rules_of(group: str, kind: str) -> Rules:
    """Return the rules of a kind."""
    return _GROUPS.get(group, {}).get(kind, _PLAIN)
