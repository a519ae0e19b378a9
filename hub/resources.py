"""Where the API server has the hub's kinds."""

from agent.kube.api import Resource
from hub.model.kinds import TYPES, Kind


def resource_of(kind: Kind) -> Resource:
    """Return a kind as the API server's paths name it."""
    type_ = TYPES[kind]
    return Resource(
        group=type_.group, version=type_.version, plural=type_.plural, kind=kind.value, namespaced=True
    )


CLUSTERS = resource_of(Kind.CLUSTER)
