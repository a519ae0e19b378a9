"""Endpoints and EndpointSlices: which Pods are behind a Service."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, items_at
from hub.sandbox.life.kinds import ENDPOINTS, PODS, SERVICES, SLICES
from hub.sandbox.life.pods import ENDED, is_ready
from hub.sandbox.life.reading import is_leaving, place_of
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_NAME = "kubernetes.io/service-name"
_MANAGED = "endpointslice.kubernetes.io/managed-by"
_SLICER = "endpointslice-controller.k8s.io"
_HEADLESS = "service.kubernetes.io/headless"
_MADE = "endpoints.kubernetes.io/managed-by"


def keep(world: World, place: Place) -> float | None:
    """Write down the Pods of a Service, twice, as clients of two ages read it."""
    service = world.get(SERVICES, place)
    if service is None:
        _clear(world, place)
        return None
    selector = at(service, "spec", "selector")
    if not selector or is_leaving(service) or at(service, "spec", "type") == "ExternalName":
        return None
    pods = [one for one in world.all(PODS, place[0]) if _is_reached(one, selector)]
    pods.sort(key=lambda one: str(one["status"]["podIP"]))
    _keep_endpoints(world, service, pods)
    _keep_slice(world, service, pods)
    return None


def _clear(world: World, place: Place) -> None:
    """Delete what was written for a Service that is gone; others write Endpoints, too."""
    found = world.get(ENDPOINTS, place)
    if found is not None and (at(found, "metadata", "labels") or {}).get(_MADE):
        world.delete(ENDPOINTS, found)


def _is_reached(pod: Object, selector: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    is_chosen = all(labels.get(key) == one for key, one in selector.items())
    has_ended = at(pod, "status", "phase") in ENDED or is_leaving(pod)
    return is_chosen and not has_ended and bool(at(pod, "status", "podIP"))


def _keep_endpoints(world: World, service: Object, pods: list[Object]) -> None:
    ready, waiting = ([_address(one) for one in pods if is_ready(one) is wanted] for wanted in (True, False))
    named = {"addresses": ready, "notReadyAddresses": waiting}
    ports = [
        {
            **({"name": one["name"]} if one.get("name") else {}),
            "port": _port(one, pods),
            "protocol": one.get("protocol", "TCP"),
        }
        for one in items_at(service, "spec", "ports")
    ]
    subset = {key: one for key, one in named.items() if one} | ({"ports": ports} if ports else {})
    subsets = [subset] if pods else []
    labels = {**(service["metadata"].get("labels") or {}), _MADE: "endpoint-controller"}
    if at(service, "spec", "clusterIP") == "None":
        labels[_HEADLESS] = ""
    found = world.get(ENDPOINTS, place_of(service))
    value: Object = {
        "metadata": {
            "name": service["metadata"]["name"],
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
        }
    }
    if found is None:
        world.create(ENDPOINTS, value | ({"subsets": subsets} if subsets else {}))
    elif (found.get("subsets") or []) != subsets or found["metadata"].get("labels") != labels:
        kept = {key: one for key, one in found.items() if key != "subsets"}
        kept["metadata"] = {**found["metadata"], "labels": labels}
        world.update(ENDPOINTS, kept | ({"subsets": subsets} if subsets else {}))


def _keep_slice(world: World, service: Object, pods: list[Object]) -> None:
    name = service["metadata"]["name"]
    labels = {**(service["metadata"].get("labels") or {}), _MANAGED: _SLICER, _NAME: name}
    if at(service, "spec", "clusterIP") == "None":
        labels[_HEADLESS] = ""
    endpoints = [_endpoint(one) for one in pods]
    ports = [
        {"name": one.get("name") or "", "port": _port(one, pods), "protocol": one.get("protocol", "TCP")}
        for one in items_at(service, "spec", "ports")
    ]
    found = next(iter(world.children(service, SLICES)), None)
    content: Object = {"endpoints": endpoints, "ports": ports} if pods else {}
    if found is None:
        metadata = {
            "generateName": f"{name}-",
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": world.owned_by(SERVICES, service),
        }
        world.create(SLICES, {"metadata": metadata, "addressType": "IPv4", **content})
        return
    is_same = all((found.get(key) or []) == content.get(key, []) for key in ("endpoints", "ports"))
    if not is_same or found["metadata"].get("labels") != labels:
        kept = {key: one for key, one in found.items() if key not in ("endpoints", "ports")}
        world.update(SLICES, {**kept, **content, "metadata": {**found["metadata"], "labels": labels}})


def _endpoint(pod: Object) -> Object:
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": is_ready(pod), "serving": is_ready(pod), "terminating": False},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }


def _address(pod: Object) -> Object:
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": _reference(pod)}


def _reference(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _port(port: Object, pods: list[Object]) -> int:
    """Return the port of the Pods that a Service's port leads to; a name is one of a container's."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in items_at(pod, "spec", "containers"):
            for one in items_at(container, "ports"):
                if one.get("name") == target:
                    return int(one["containerPort"])
    return int(port["port"])
