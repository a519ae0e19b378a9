"""Which objects a change concerns besides the one that changed. Pure but for what the storage is asked."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, items_at
from hub.sandbox.life import kinds as of
from hub.sandbox.life.reading import controller_of
from hub.sandbox.storage import Change, KindKey, Place, Storage

Key = tuple[KindKey, Place]


def related(kind: KindKey, change: Change, storage: Storage) -> Iterator[Key]:
    """Yield what is to be looked at after a change."""
    namespace = change.place[0]
    if kind in of.KEPT:
        yield kind, change.place
    for value in (change.before, change.after):
        if value is not None and (owner := of.OWNERS.get(controller_of(value).get("kind", ""))):
            yield owner, (namespace, controller_of(value)["name"])
    match kind:
        case of.PODS:
            yield from _of_pod(change, storage)
        case of.SERVICES:
            yield of.ENDPOINTS, change.place
        case of.SLICES:
            for one in (change.before, change.after):
                if service := at(one, "metadata", "labels", "kubernetes.io/service-name"):
                    yield of.ENDPOINTS, (namespace, service)
        case of.CLAIMS:
            yield from _of_claim(change, storage)
        case of.VOLUMES:
            if claim := at(change.after or change.before, "spec", "claimRef"):
                yield of.CLAIMS, (claim.get("namespace") or "", claim.get("name") or "")
        case of.CLASSES:
            yield from ((of.CLAIMS, place) for place, _ in storage.all(of.CLAIMS))
        case of.ACCOUNTS | of.CONFIG_MAPS if change.after is None:
            yield of.NAMESPACES, ("", namespace)
        case of.NODES if _schedulable(change.before) != _schedulable(change.after):
            yield from ((of.DAEMON_SETS, place) for place, _ in storage.all(of.DAEMON_SETS))
            yield from _waiting_pods(storage, "")
        case _:
            return


def _of_pod(change: Change, storage: Storage) -> Iterator[Key]:
    before, after = change.before, change.after
    namespace = change.place[0]
    if _reached(before) != _reached(after):
        for place, service in storage.all(of.SERVICES, namespace):
            selector = at(service, "spec", "selector")
            if selector and (_selects(selector, before) or _selects(selector, after)):
                yield of.ENDPOINTS, place
    if before is None or after is None or at(before, "status", "phase") != at(after, "status", "phase"):
        for name in claims_of(after or before or {}):
            yield of.CLAIMS, (namespace, name)


def _of_claim(change: Change, storage: Storage) -> Iterator[Key]:
    if volume := at(change.after or change.before, "spec", "volumeName"):
        yield of.VOLUMES, ("", volume)
    if change.after is not None:
        yield from _waiting_pods(storage, change.place[0])


def _waiting_pods(storage: Storage, namespace: str) -> Iterator[Key]:
    for place, pod in storage.all(of.PODS, namespace):
        if not at(pod, "spec", "nodeName"):
            yield of.PODS, place


def claims_of(pod: Object) -> Iterator[str]:
    """Yield the names of the claims that a Pod mounts."""
    for volume in items_at(pod, "spec", "volumes"):
        if name := at(volume, "persistentVolumeClaim", "claimName"):
            yield name


def _reached(pod: Object | None) -> object:
    """Return what of a Pod those see who reach it by a Service."""
    conditions = at(pod, "status", "conditions") or ()
    ready = next((one["status"] for one in conditions if one["type"] == "Ready"), "")
    leaves = at(pod, "metadata", "deletionTimestamp") is not None
    return (
        at(pod, "metadata", "labels"),
        at(pod, "status", "podIP"),
        at(pod, "status", "phase"),
        ready,
        leaves,
    )


def _selects(selector: Mapping[str, str], pod: Object | None) -> bool:
    labels = at(pod, "metadata", "labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _schedulable(node: Object | None) -> object:
    return node is not None, at(node, "spec", "unschedulable"), at(node, "metadata", "labels")
