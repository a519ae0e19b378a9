"""A cluster as its controllers see it and write to it: through the verbs, under the names that a real cluster's controllers have.

State: the targets of kinds and the last address given to a Pod. Nothing here waits; a write is refused by raising Refused.
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Object
from agent.model.names import timestamp
from hub.sandbox.drafts import Options, Target
from hub.sandbox.kinds.values import at
from hub.sandbox.kinds.workloads import selects
from hub.sandbox.life.kinds import EVENTS, PODS
from hub.sandbox.life.reading import controller_of, is_leaving, place_of, version_of
from hub.sandbox.server import Server
from hub.sandbox.storage import KindKey, Place
from hub.sandbox.verbs import Deletion

CONTROLLERS = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KUBELET = "kubelet"
_PODS_NETWORK = ipaddress.ip_network("10.244.0.0/16")
_OPTIONS = {name: Options(manager=name, strictness="Ignore") for name in (CONTROLLERS, SCHEDULER, KUBELET)}


class World:
    """What the controllers of one cluster share. `authority` is the certificate by which clients know the server (PEM)."""

    def __init__(self, server: Server, clock: Clock, *, authority: str = "") -> None:
        self.authority = authority
        self._storage = server.storage
        self._verbs = server.verbs
        self._target_of = server.target
        self._clock = clock
        self._targets: dict[tuple[KindKey, str], Target] = {}
        self._given = 0

    def now(self) -> datetime:
        return self._clock.now()

    def stamp(self) -> str:
        """Return the time as objects carry it."""
        return timestamp(self._clock.now())

    def left_s(self, since: str | None, seconds: float) -> float:
        """Return how long it is until so many seconds have passed since a time that an object carries."""
        begin = datetime.fromisoformat(since) if since else self.now()
        return (begin + timedelta(seconds=seconds) - self.now()).total_seconds()

    def get(self, kind: KindKey, place: Place) -> Object | None:
        return self._storage.get(kind, place)

    def all(self, kind: KindKey, namespace: str = "") -> list[Object]:
        return [value for _, value in self._storage.all(kind, namespace)]

    def children(self, owner: Object, kind: KindKey) -> list[Object]:
        """Return the objects of a kind that an object controls, the oldest first."""
        uid = owner["metadata"]["uid"]
        found = self._verbs.collector.dependents_of(uid)
        mine = [one for (known, _), one in found if known == kind and controller_of(one).get("uid") == uid]
        return sorted(mine, key=lambda one: (one["metadata"]["creationTimestamp"], version_of(one)))

    def claimed(self, owner_kind: KindKey, owner: Object, kind: KindKey) -> list[Object]:
        """Return the objects of a kind that an object controls, after it took to itself those it selects and nobody controls."""
        selector = at(owner, "spec", "selector") or {}
        for one in [] if is_leaving(owner) else self.all(kind, owner["metadata"]["namespace"]):
            labels = one["metadata"].get("labels") or {}
            if not controller_of(one) and not is_leaving(one) and selects(selector, labels):
                references = [
                    *(one["metadata"].get("ownerReferences") or ()),
                    *self.owned_by(owner_kind, owner),
                ]
                self.update(kind, {**one, "metadata": {**one["metadata"], "ownerReferences": references}})
        return self.children(owner, kind)

    def create(self, kind: KindKey, value: Object, manager: str = CONTROLLERS) -> Object:
        target = self._target(kind, value["metadata"].get("namespace", ""), "")
        return self._verbs.create(target, value, _OPTIONS[manager]).value

    def update(self, kind: KindKey, value: Object, manager: str = CONTROLLERS) -> Object:
        """Write all of an object but its status."""
        return self._verbs.replace(self._named(kind, value), value, _OPTIONS[manager]).value

    def set_status(
        self,
        kind: KindKey,
        value: Object,
        status: Mapping[str, Any],
        *,
        manager: str = CONTROLLERS,
        annotations: Mapping[str, str] | None = None,
    ) -> Object:
        """Write the status of an object, and annotations with it, when they differ from what is there."""
        known = at(value, "metadata", "annotations") or {}
        wanted = {**known, **(annotations or {})}
        if value.get("status") == status and known == wanted:
            return value
        metadata = {**value["metadata"], **({"annotations": wanted} if wanted else {})}
        made = {**value, "metadata": metadata, "status": dict(status)}
        return self._verbs.replace(self._named(kind, value, "status"), made, _OPTIONS[manager]).value

    def delete(
        self, kind: KindKey, value: Object, *, grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        """Delete an object, if it is still the same one."""
        if self.get(kind, place_of(value)) is not None:
            deletion = Deletion(uid=value["metadata"]["uid"], grace_s=grace_s, propagation=propagation)
            self._verbs.delete(self._named(kind, value), deletion)

    def let_go(self, kind: KindKey, value: Object, finalizer: str) -> None:
        """Take a finalizer from an object; one that leaves is gone when it was the last."""
        finalizers = value["metadata"].get("finalizers") or []
        if finalizer in finalizers:
            left = [one for one in finalizers if one != finalizer]
            metadata = {key: one for key, one in value["metadata"].items() if key != "finalizers"}
            self.update(kind, {**value, "metadata": metadata | ({"finalizers": left} if left else {})})

    def bind(self, pod: Object, node: str) -> Object:
        """Give a Pod to a node. A server does so itself at the scheduler's word; nobody owns what it writes."""
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self.stamp(),
        }
        others = [one for one in at(pod, "status", "conditions") or () if one["type"] != "PodScheduled"]
        status = {**pod["status"], "conditions": [*others, scheduled]}
        bound = {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status}
        return self._storage.put(PODS, place_of(pod), bound)

    def pod_address(self) -> str:
        """Return an address that no Pod has."""
        taken = {at(one, "status", "podIP") for one in self.all(PODS)}
        while True:
            self._given = self._given % (_PODS_NETWORK.num_addresses - 2) + 1
            if (address := str(_PODS_NETWORK[self._given])) not in taken:
                return address

    def owned_by(self, kind: KindKey, owner: Object) -> list[Object]:
        """Return the reference by which an object's dependents name it as who controls them."""
        resource = self._target(kind, "", "").behaviour.resource
        reference = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        return [reference]

    def tell(
        self, kind: KindKey, value: Object, reason: str, message: str, *, source: str, warns: bool = False
    ) -> None:
        """Write an event about an object; one that was told already is not told again."""
        metadata, now = value["metadata"], self.stamp()
        resource = self._target(kind, "", "").behaviour.resource
        told = f"{metadata['uid']}{reason}{message}"
        name = f"{metadata['name']}.{hashlib.blake2b(told.encode(), digest_size=8).hexdigest()}"
        namespace = metadata.get("namespace") or "default"
        if self.get(EVENTS, (namespace, name)) is not None:
            return
        subject = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "name": metadata["name"],
            "namespace": metadata.get("namespace"),
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: one for key, one in subject.items() if one},
            "reason": reason,
            "message": message,
            "source": {"component": source},
            "reportingComponent": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Warning" if warns else "Normal",
        }
        self.create(EVENTS, event, KUBELET if source == KUBELET else CONTROLLERS)

    def _named(self, kind: KindKey, value: Object, subresource: str = "") -> Target:
        target = self._target(kind, value["metadata"].get("namespace", ""), subresource)
        return replace(target, name=value["metadata"]["name"])

    def _target(self, kind: KindKey, namespace: str, subresource: str) -> Target:
        found = self._targets.get((kind, subresource))
        if found is None:
            found = self._targets[kind, subresource] = self._target_of(kind, ("", ""), subresource)
        return replace(found, namespace=namespace)
