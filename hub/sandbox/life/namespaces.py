"""Namespaces: each has a ServiceAccount and the certificate of the authority, which come back when somebody deletes them."""

from hub.sandbox.life.kinds import ACCOUNTS, CONFIG_MAPS, NAMESPACES
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_CERTIFICATE = "kube-root-ca.crt"
_TOLD = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service "
_DESCRIPTION = f"{_TOLD}IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."


def keep(world: World, place: Place) -> float | None:
    """Put into a namespace what every one has."""
    namespace, name = world.get(NAMESPACES, place), place[1]
    if namespace is None or is_leaving(namespace):
        return None
    if world.get(ACCOUNTS, (name, "default")) is None:
        world.create(ACCOUNTS, {"metadata": {"name": "default", "namespace": name}})
    if world.get(CONFIG_MAPS, (name, _CERTIFICATE)) is None:
        annotations = {"kubernetes.io/description": _DESCRIPTION}
        metadata = {"name": _CERTIFICATE, "namespace": name, "annotations": annotations}
        world.create(CONFIG_MAPS, {"metadata": metadata, "data": {"ca.crt": world.authority}})
    return None
