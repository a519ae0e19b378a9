"""Definitions of custom resources in one server: how they behave as objects, and the kinds that they have it serve.

State: the definitions of the kinds that are served now, and how those behave that somebody asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from hub.sandbox.behaviour import STATUS, Behaviour, BuiltIn, Custom, Decoded, custom_behaviour, refuse
from hub.sandbox.crds import definition as written
from hub.sandbox.crds.checks import faults_of
from hub.sandbox.crds.kind import custom_kind
from hub.sandbox.crds.names import FINALIZER, begin_deletion, objects_gone, settle
from hub.sandbox.kinds.served import KindId, Kinds
from hub.sandbox.storage import KindKey, Place, Storage

KIND: KindKey = ("apiextensions.k8s.io", "customresourcedefinitions")


@dataclass(frozen=True, kw_only=True)
class DefinitionKind(BuiltIn):
    """How a definition behaves as an object: as a built-in kind, but that it is completed and judged by rules of its own."""

    clock: Clock

    @property
    def needs_version(self) -> bool:
        return True

    def decoded(self, raw: Any, *, is_merged: bool = False) -> Decoded:
        found = super().decoded(raw, is_merged=is_merged)
        return Decoded(value=written.complete(found.value), unknown=found.unknown)

    def new(self, value: Object, suffix: str) -> Object:
        return written.prepare_new(value)

    def check_new(self, value: Object) -> None:
        refuse(self.resource, value, [one.cause for one in faults_of(value)])

    def changed(self, before: Object, after: Object, subresource: str) -> Object:
        kept = super().changed(before, after, "")
        if subresource == STATUS:
            return written.prepare_status({**after, "metadata": kept["metadata"]}, before)
        return written.prepare_update({**kept, "status": before["status"]}, before)

    def check_change(self, before: Object, after: Object, subresource: str) -> None:
        if subresource != STATUS:
            refuse(self.resource, before, [one.cause for one in faults_of(after, before)])

    def leaving(self, value: Object, time: str, grace_s: int) -> Object:
        return begin_deletion(super().leaving(value, time, grace_s), self.clock.now())


class Definitions:
    """Keeps the served kinds as the stored definitions say. `delete` deletes an object as a client would."""

    def __init__(
        self, storage: Storage, kinds: Kinds, clock: Clock, delete: Callable[[KindKey, Place, str], None]
    ) -> None:
        self._storage = storage
        self._kinds = kinds
        self._clock = clock
        self._delete = delete
        self._defined: dict[KindId, Object] = {}
        self._behaviours: dict[KindId, Custom] = {}

    def behaviour(self, resource: Resource) -> Behaviour | None:
        """Return how a served custom kind behaves; what it costs to make is spent on kinds that somebody uses."""
        key = (resource.group, resource.version, resource.plural)
        found = self._behaviours.get(key)
        if found is None and (definition := self._defined.get(key)) is not None:
            found = self._behaviours[key] = custom_behaviour(custom_kind(definition, resource.version))
        return found

    def stored(self, place: Place) -> None:
        """Take in a definition that was written: settle names, serve what it says, and go on with its deletion."""
        value = self._storage.get(KIND, place)
        if value is None:
            return
        others = [one for there, one in self._storage.all(KIND) if there != place]
        settled = settle(value, others, self._clock.now())
        if settled is not value:
            value = self._storage.put(KIND, place, settled)
        self._serve(value)
        if value["metadata"].get("deletionTimestamp"):
            self._clear(place, value)

    def removed(self, value: Object) -> None:
        """Take in that a definition is gone: others may have its names now."""
        spec = value["spec"]
        self._kinds.remove(spec["group"], spec["names"]["plural"])
        self._forget(spec["group"], spec["names"]["plural"])
        self._storage.drop((spec["group"], spec["names"]["plural"]))
        for place, other in self._storage.all(KIND):
            if other["spec"]["group"] == spec["group"]:
                self.stored(place)

    def _serve(self, value: Object) -> None:
        spec = value["spec"]
        self._kinds.remove(spec["group"], spec["names"]["plural"])
        self._forget(spec["group"], spec["names"]["plural"])
        served = written.served(value)
        self._kinds.add(served)
        for one in served:
            resource = one.resource
            self._defined[resource.group, resource.version, resource.plural] = value

    def _forget(self, group: str, plural: str) -> None:
        for key in [one for one in self._defined if (one[0], one[2]) == (group, plural)]:
            del self._defined[key]
            self._behaviours.pop(key, None)

    def _clear(self, place: Place, value: Object) -> None:
        """Delete all objects of a kind whose definition leaves; the definition follows when none is left."""
        kind = (value["spec"]["group"], value["spec"]["names"]["plural"])
        for there, one in self._storage.all(kind):
            if not one["metadata"].get("deletionTimestamp"):
                self._delete(kind, there, "Background")
        if self._storage.all(kind) or FINALIZER not in (value["metadata"].get("finalizers") or ()):
            return
        gone = objects_gone(value, self._clock.now())
        if gone["metadata"].get("finalizers"):
            self._storage.put(KIND, place, gone)
        else:
            self._storage.remove(KIND, place)
            self.removed(value)
