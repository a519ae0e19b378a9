"""The roles and bindings that every cluster begins with (`python -m e2e.controlplane.policies` writes the file)."""

from functools import cache
from pathlib import Path

import msgspec

from agent.kube.api import Object
from hub.sandbox.access.aggregation import aggregated

_FILE = Path(__file__).with_name("defaults.json")


@cache
def default_policies() -> tuple[Object, ...]:
    """Return the default roles and bindings, without what a server fills in. Shared by all clusters: never change one."""
    stored = msgspec.json.decode(_FILE.read_bytes(), type=list[dict[str, object]])
    roles: list[Object] = [one for one in stored if one["kind"] == "ClusterRole"]
    gathered = {role["metadata"]["name"]: role for role in aggregated(roles)}
    return tuple(_or_gathered(one, gathered) for one in stored)


def _or_gathered(policy: Object, gathered: dict[str, Object]) -> Object:
    return gathered.get(policy["metadata"]["name"], policy) if policy["kind"] == "ClusterRole" else policy
