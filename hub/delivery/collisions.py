"""Tells of labels of a Cluster that give no variable, because their names would become the same.

State: per cluster what was told last, so that it is told once.
"""

from agent.kube.watch import Key
from hub.delivery.variables import built_ins
from hub.model.cluster import Cluster
from hub.model.events import Severity, event
from hub.model.kinds import TYPES, Kind
from hub.store import Store


class Collisions:
    """The colliding labels of all clusters."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[Key, tuple[str, ...]] = {}

    async def tell(self, cluster: Cluster) -> None:
        """Record an event on the Cluster when other labels than before collide."""
        key = (cluster.metadata.namespace, cluster.metadata.name)
        _, dropped = built_ins(cluster)
        if self._told.get(key, ()) == dropped:
            return
        self._told[key] = dropped
        if dropped:
            await self._store.record_event(
                event(
                    TYPES[Kind.CLUSTER].api_version,
                    str(Kind.CLUSTER),
                    cluster.metadata,
                    severity=Severity.ERROR,
                    reason="VariablesCollide",
                    message=f"labels {', '.join(dropped)} would become the same variables and give none; rename all but one",
                )
            )
