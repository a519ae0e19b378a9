"""What requests that write make of stored objects: create, replace, patch, apply, delete. Each takes effect at one instant.

State: none of its own, objects are in the Storage. Everything is decided on copies; what was read before stays as it was.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Object
from agent.model.names import timestamp
from hub.sandbox import fields
from hub.sandbox.behaviour import Behaviour
from hub.sandbox.collector import FOREGROUND, ORPHAN, Collector
from hub.sandbox.drafts import (
    APPLY,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Draft,
    Drafts,
    Options,
    Target,
    as_kind,
    place_of,
)
from hub.sandbox.refusals import (
    Cause,
    Refused,
    already_exists,
    changed_meanwhile,
    conflict,
    forbidden,
    invalid,
    not_found,
    unsupported_media_type,
)
from hub.sandbox.storage import KindKey, Place, Storage

_ORPHANING: frozenset[KindKey] = frozenset({("", "replicationcontrollers"), ("batch", "jobs")})
"""Kinds from before propagation could be asked for: whoever says nothing keeps what belongs to them."""
_CONTROLLERS = "kube-controller-manager"
_NO_VERSION = Cause(
    reason="FieldValueInvalid",
    message="Invalid value: 0: must be specified for an update",
    field="metadata.resourceVersion",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """How an object is to be deleted."""

    uid: str = ""
    version: str = ""
    grace_s: int | None = None
    propagation: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write left, and whether the object is new; `warnings` are for the client to show."""

    value: Object
    created: bool = False
    warnings: Sequence[str] = field(default_factory=tuple)


class Verbs:
    """The writes of one server. `new_id` makes uids and the ends of generated names, `guard` refuses what a namespace forbids, `find` tells how
    objects of a kind behave that go with others, `changed` hears of every write, with the object that is gone."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        guard: Callable[[Target], None],
        find: Callable[[KindKey], Behaviour | None],
        changed: Callable[[KindKey, Place, Object | None], None],
    ) -> None:
        self._storage = storage
        self._changed = changed
        self._find = find
        self.collector = Collector(storage, self.take_along, self.free)
        self._clock = clock
        self.drafts = Drafts(clock)
        self._new_id = new_id
        self._guard = guard

    def get(self, target: Target) -> Object:
        """Return an object. Raises Refused."""
        found = self._storage.get(target.kind, target.place)
        if found is None:
            raise not_found(target.behaviour.resource, target.name)
        return found

    def create(self, target: Target, raw: Any, options: Options) -> Written:
        """Create an object. Raises Refused."""
        draft = self.drafts.decoded(target, raw, options)
        if draft.value["metadata"].get("resourceVersion", "0") not in ("", "0"):
            raise Refused(500, "", "resourceVersion should not be set on objects to be created")
        target = self._with_name(target, draft.value)
        self._guard(target)
        return self._create(target, draft, options)

    def replace(self, target: Target, raw: Any, options: Options) -> Written:
        """Put an object in the place of another. Raises Refused."""
        draft = self.drafts.named(target, raw, options)
        before = self._storage.get(target.kind, target.place)
        if before is None:
            if not target.behaviour.creates_on_update or target.subresource:
                raise not_found(target.behaviour.resource, target.name)
            self._guard(target)
            return self._create(target, draft, options)
        self.check_uid(target, before, draft.value)
        return self._change(target, before, draft, options)

    def patch(self, target: Target, patch: Any, media_type: str, options: Options) -> Written:
        """Patch an object by a JSON, merge or strategic merge patch. Raises Refused."""
        behaviour = target.behaviour
        if media_type == STRATEGIC_PATCH and behaviour.is_custom:
            raise unsupported_media_type(media_type, (JSON_PATCH, MERGE_PATCH, APPLY))
        before = self.get(target)
        draft = self.drafts.patched(target, as_kind(before, behaviour), patch, media_type, options)
        return self._change(target, before, draft, options)

    def apply(self, target: Target, applied: Object, options: Options) -> Written:
        """Server-side apply a configuration. Raises Refused."""
        behaviour, resource = target.behaviour, target.behaviour.resource
        metadata = applied.get("metadata") or {}
        before = self._storage.get(target.kind, target.place)
        if before is None and (metadata.get("uid") or target.subresource):
            if target.subresource:
                raise not_found(resource, target.name)
            raise conflict(
                resource,
                target.name,
                f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found",
            )
        live = as_kind(before, behaviour) if before is not None else None
        draft = self.drafts.applied(target, live, applied, options)
        if before is None:
            self._guard(target)
            return self._create(target, draft, options)
        return self._change(target, before, draft, options)

    def rewrite(self, target: Target, draft: Draft, options: Options) -> Written:
        """Store what was made of an object that is there, if its kind agrees. Raises Refused."""
        whole = replace(draft, value=as_kind(draft.value, target.behaviour))
        return self._change(target, self.get(target), whole, options)

    def delete(self, target: Target, deletion: Deletion) -> tuple[Object, bool]:
        """Delete an object, or have it leave when its finalizers allow. Return it, and whether it is gone. Raises Refused."""
        behaviour, before = target.behaviour, self.get(target)
        metadata = before["metadata"]
        self._check_preconditions(target, metadata, deletion)
        propagation = deletion.propagation or ("Orphan" if target.kind in _ORPHANING else "")
        finalizers = _with_propagation(metadata.get("finalizers") or [], propagation)
        grace_s = behaviour.grace_s(before, deletion.grace_s)
        if metadata.get("deletionTimestamp"):
            left = _hurried(before, deletion.grace_s)
        else:
            left = behaviour.leaving(
                before, timestamp(self._clock.now() + timedelta(seconds=grace_s)), grace_s
            )
        metadata = {name: part for name, part in left["metadata"].items() if name != "finalizers"}
        left = {**left, "metadata": metadata | ({"finalizers": finalizers} if finalizers else {})}
        if not behaviour.is_held(left):
            return (before if deletion.dry_run else self._remove(target)), True
        if left == before:
            return before, False
        return (left if deletion.dry_run else self._put(target, left)), False

    def _create(self, target: Target, draft: Draft, options: Options) -> Written:
        behaviour, value = target.behaviour, draft.value
        metadata = {
            name: part
            for name, part in value["metadata"].items()
            if name not in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds")
        }
        metadata |= place_of(target)
        metadata |= {"uid": self._new_id(), "creationTimestamp": timestamp(self._clock.now())}
        # Who owns what is settled before the kind adds its own.
        whole = replace(draft, value={**value, "metadata": metadata})
        owned = self.drafts.owned(target, None, whole, options)
        made = options.complete(behaviour.new(owned, _suffix(self._new_id())))
        behaviour.check_new(made)
        options.guard(made, None)
        if (there := self._storage.get(target.kind, target.place)) is not None:
            is_leaving = "deletionTimestamp" in there["metadata"]
            raise already_exists(behaviour.resource, target.name, is_leaving=is_leaving)
        stored = made if options.dry_run else self._put(target, _stored(made))
        return Written(value=stored, created=True, warnings=draft.warnings)

    def _change(self, target: Target, before: Object, draft: Draft, options: Options) -> Written:
        behaviour, resource, value = target.behaviour, target.behaviour.resource, draft.value
        old, new = before["metadata"], value["metadata"]
        version = new.get("resourceVersion", "0")
        if version and not version.isdecimal():
            raise Refused(500, "", f"strconv.ParseUint: parsing {json.dumps(version)}: invalid syntax")
        if version not in ("", "0") and version != old["resourceVersion"]:
            raise changed_meanwhile(resource, target.name)
        if version in ("", "0") and behaviour.needs_version:
            raise invalid(resource, target.name, (_NO_VERSION,), kind=resource.plural)
        if version in ("", "0"):
            value = {**value, "metadata": {**new, "resourceVersion": old["resourceVersion"]}}
        live = as_kind(before, behaviour)
        owned = self.drafts.owned(target, live, replace(draft, value=value), options)
        made = behaviour.changed(live, owned, target.subresource)
        behaviour.check_change(live, made, target.subresource)
        options.guard(made, before)
        if _is_unchanged(before, made):
            return Written(value=before, warnings=draft.warnings)
        if made["metadata"].get("deletionTimestamp") and not behaviour.is_held(made):
            if not options.dry_run:
                self._remove(target)
            return Written(value=made, warnings=draft.warnings)
        stored = made if options.dry_run else self._put(target, _stored(made))
        return Written(value=stored, warnings=draft.warnings)

    def _put(self, target: Target, value: Object) -> Object:
        before = self._storage.get(target.kind, target.place)
        stored = self._storage.put(target.kind, target.place, value)
        self.collector.stored(target.kind, target.place, before, stored)
        self._changed(target.kind, target.place, None)
        return stored

    def _remove(self, target: Target) -> Object:
        """Remove an object; return its last state, as of the version at which it went."""
        value = self.get(target)
        version = self._storage.remove(target.kind, target.place)
        self.collector.removed(target.kind, target.place, value)
        self._changed(target.kind, target.place, value)
        return {**value, "metadata": {**value["metadata"], "resourceVersion": str(version)}}

    def take_along(self, kind: KindKey, place: Place, propagation: str) -> None:
        """Delete an object because another one goes."""
        behaviour = self._find(kind)
        if behaviour is not None and self._storage.get(kind, place) is not None:
            target = Target(behaviour=behaviour, namespace=place[0], name=place[1])
            self.delete(target, Deletion(propagation=propagation))

    def free(self, kind: KindKey, place: Place, owner: str) -> None:
        """Take an owner from an object, which stays."""
        behaviour, before = self._find(kind), self._storage.get(kind, place)
        if behaviour is None or before is None:
            return
        target = Target(behaviour=behaviour, namespace=place[0], name=place[1])
        metadata = {name: part for name, part in before["metadata"].items() if name != "ownerReferences"}
        kept = [one for one in before["metadata"]["ownerReferences"] if one.get("uid") != owner]
        freed = {**before, "metadata": metadata | ({"ownerReferences": kept} if kept else {})}
        draft = Draft(value=as_kind(freed, behaviour))
        owned = self.drafts.owned(target, as_kind(before, behaviour), draft, Options(manager=_CONTROLLERS))
        self._put(target, _stored(owned))

    def _with_name(self, target: Target, value: Object) -> Target:
        metadata = value["metadata"]
        name = metadata.get("name") or ""
        if not name and metadata.get("generateName"):
            name = metadata["generateName"] + _suffix(self._new_id())
        return Target(behaviour=target.behaviour, namespace=target.namespace, name=name)

    def check_uid(self, target: Target, before: Object, value: Object) -> None:
        """Refuse a replacement that is meant for an object that was there before; a patch that says so breaks a rule instead."""
        given, uid = value["metadata"].get("uid"), before["metadata"]["uid"]
        if not given or given == uid:
            return
        resource = target.behaviour.resource
        group = resource.group if target.behaviour.is_custom else ""
        key = "/".join(one for one in ("/registry", group, resource.plural, *target.place) if one)
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
            f"UID in precondition: {given}, UID in object meta: {uid}"
        )
        raise conflict(resource, target.name, why)

    def _check_preconditions(self, target: Target, metadata: Object, deletion: Deletion) -> None:
        resource = target.behaviour.resource
        if deletion.uid and deletion.uid != metadata["uid"]:
            why = (
                f"the UID in the precondition ({deletion.uid}) does not match the UID in record ({metadata['uid']}). "
                "The object might have been deleted and then recreated"
            )
        elif deletion.version and deletion.version != metadata["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({deletion.version}) does not match the ResourceVersion in record "
                f"({metadata['resourceVersion']}). The object might have been modified"
            )
        else:
            return
        qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        details = {
            "name": target.name,
            **({"group": resource.group} if resource.group else {}),
            "kind": resource.kind,
        }
        message = f'Operation cannot be fulfilled on {qualified} "{target.name}": {why}'
        raise Refused(409, "Conflict", message, details)


def _suffix(id_: str) -> str:
    """Return five characters of those that make no words."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    return "".join(letters[byte % len(letters)] for byte in sha256(id_.encode()).digest()[:5])


def namespace_guard(storage: Storage) -> Callable[[Target], None]:
    """Return what refuses new objects in namespaces that are not there or leave."""

    def guard(target: Target) -> None:
        resource = target.behaviour.resource
        if not resource.namespaced:
            return
        namespace = storage.get(("", "namespaces"), ("", target.namespace))
        if namespace is None:
            raise Refused(
                404,
                "NotFound",
                f'namespaces "{target.namespace}" not found',
                {"name": target.namespace, "kind": "namespaces"},
            )
        if namespace["metadata"].get("deletionTimestamp"):
            why = (
                f"unable to create new content in namespace {target.namespace} because it is being terminated"
            )
            refusal = forbidden(resource, target.name, why)
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {target.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise Refused(403, "Forbidden", refusal.message, {**(refusal.details or {}), "causes": [cause]})

    return guard


def _stored(value: Object) -> Object:
    """Return an object as it is stored: as which kind it is shown, the endpoint says."""
    return {name: part for name, part in value.items() if name not in ("kind", "apiVersion")}


def _is_unchanged(before: Object, made: Object) -> bool:
    """Tell whether nothing but the times of its managers would be written."""

    def bare(value: Object) -> Object:
        metadata = {
            name: part
            for name, part in value["metadata"].items()
            if name not in ("resourceVersion", "managedFields")
        }
        return {**_stored(value), "metadata": metadata}

    return bare(before) == bare(made) and fields.same_but_times(
        before["metadata"].get("managedFields"), made["metadata"].get("managedFields")
    )


def _with_propagation(finalizers: list[str], propagation: str) -> list[str]:
    """Return the finalizers of an object that is deleted so."""
    kept = [one for one in finalizers if one not in (FOREGROUND, ORPHAN)] if propagation else list(finalizers)
    match propagation:
        case "Foreground":
            return [*kept, FOREGROUND]
        case "Orphan":
            return [*kept, ORPHAN]
        case _:
            return kept


def _hurried(value: Object, grace_s: int | None) -> Object:
    """Return an object that leaves already with less time to do so, when it is given less."""
    metadata = value["metadata"]
    has_s = metadata.get("deletionGracePeriodSeconds")
    if grace_s is None or has_s is None or grace_s >= has_s:
        return value
    end = datetime.fromisoformat(metadata["deletionTimestamp"]) - timedelta(seconds=has_s - grace_s)
    sooner = {"deletionTimestamp": timestamp(end), "deletionGracePeriodSeconds": grace_s}
    return {**value, "metadata": {**metadata, **sooner}}
