"""What a write to an API server makes of an object: the apply of a configuration, and the ownership after any other write.

Objects of built-in kinds must be whole (`schema.with_always`), as servers hold them. Nothing given is changed. Whether a request is a
dry run, what its defaults are and what is stored is the caller's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.sandbox.fields.collect import fields_of
from hub.sandbox.fields.compare import compare
from hub.sandbox.fields.entries import Entry, Managed, capped, read, writer, written
from hub.sandbox.fields.errors import ApplyConflict, BadApply, BadManagedFields, FieldsError, TypedError
from hub.sandbox.fields.ownership import Kind, TypeOfVersion, after_apply, after_update, conflict
from hub.sandbox.fields.paths import NOTHING, Fields
from hub.sandbox.fields.typed import check
from hub.sandbox.schema import Type, zero
from hub.sandbox.wording import same

BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ANNOTATIONS_SIZE = 256 * 1024
_KUBECTL = "kubectl"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One request that writes: by whom, to what kind and version, through which subresource, and when.

    `reset` are the fields that this endpoint leaves alone. `versions` gives the types of other versions of a custom kind. `custom` kinds
    have no members that are there unwritten.
    """

    manager: str
    api_version: str
    type: Type
    now: str
    subresource: str = ""
    reset: Fields = NOTHING
    versions: TypeOfVersion | None = None
    custom: bool = False

    def kind(self) -> Kind:
        """Return the kind as ownership sees it."""
        return Kind(api_version=self.api_version, type_of=self._type_of, reset=self.reset)

    def empty(self, like: Mapping[str, Any]) -> Object:
        """Return the object that is there before anything was written."""
        names = {name: like[name] for name in ("apiVersion", "kind") if name in like}
        return names | ({} if self.custom else zero(self.type))

    def _type_of(self, api_version: str) -> Type | None:
        if api_version == self.api_version:
            return self.type
        return self.versions(api_version) if self.versions else None


def apply(live: Object | None, applied: Object, write: Write, *, force: bool = False) -> Object:
    """Return the object after a server-side apply. Raises ApplyConflict, BadApply, TypedError.

    A map or list that loses all it had is null: of built-in kinds that is the same as absent, of custom resources it is checked as null.
    """
    _check_applied(applied, live, write)
    there = live if live is not None else write.empty(applied)
    try:
        managed = read(_entries(there))
    except BadManagedFields as problem:
        raise BadManagedFields(f"failed to decode managed fields: {problem}") from problem
    if not managed:
        managed = _before_first_apply(there, write)
    try:
        result, managed = _applied(there, applied, managed, write, force=force)
    except ApplyConflict as problem:
        if write.manager != _KUBECTL:
            raise
        _blame_others_than_kubectl(problem, there, write)
        result, managed = _applied(there, applied, managed, write, force=True)
    result = with_managed(result, managed)
    return _with_last_applied(result, applied) if write.manager == _KUBECTL else result


def update(before: Object | None, after: Object, write: Write) -> Object:
    """Return an object as it is stored after a create, update or patch: its managedFields say who wrote what."""
    there = before if before is not None else write.empty(after)
    managed = _managed_before(there, after, write)
    if not managed and before is not None and _metadata(before).get("uid"):
        return with_managed(after, {})  # Nobody kept books on it, and an update is no reason to begin.
    try:
        return with_managed(after, capped(_updated(there, after, managed, write, write.manager)))
    except FieldsError:
        return with_managed(after, _readable(there))


def with_managed(value: Object, managed: Managed) -> Object:
    """Return an object with these entries as its managedFields."""
    metadata = {name: part for name, part in _metadata(value).items() if name != "managedFields"}
    if managed:
        metadata["managedFields"] = written(managed)
    return {**value, "metadata": metadata}


def kind_text(api_version: str, kind: str) -> str:
    """Return a kind as error texts name it: `apps/v1, Kind=Deployment`."""
    return f"{api_version if '/' in api_version else f'/{api_version}'}, Kind={kind}"


def _check_applied(applied: Object, live: Object | None, write: Write) -> None:
    api_version, kind = applied.get("apiVersion", ""), applied.get("kind", "")
    expected = live.get("kind", kind) if live else kind
    if api_version != write.api_version or kind != expected:
        raise BadApply(f"invalid object type: {kind_text(api_version, kind)}")
    if _metadata(applied).get("managedFields") is not None:
        raise BadApply("metadata.managedFields must be nil")
    try:
        check(applied, write.type)
    except TypedError as problem:
        raise TypedError(f"failed to create typed patch object ({_named(applied)}): {problem}") from problem


def _named(value: Object) -> str:
    metadata = _metadata(value)
    kind = kind_text(value.get("apiVersion", ""), value.get("kind", ""))
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {kind}"


def _before_first_apply(there: Object, write: Write) -> Managed:
    """Return who owns an object that nobody kept books on: somebody, all of it."""
    return capped(_updated(write.empty(there), there, {}, write, BEFORE_FIRST_APPLY))


def _updated(before: Object, after: Object, managed: Managed, write: Write, manager: str) -> Managed:
    kept, own = after_update(_bookless(before), _bookless(after), managed, write.kind())
    who = writer(manager, "Update", write.api_version, write.subresource)
    if not own:
        return kept
    owned = kept[who].fields if who in kept else NOTHING
    return {**kept, who: Entry(api_version=write.api_version, fields=own | owned, time=write.now)}


def _applied(
    there: Object, applied: Object, managed: Managed, write: Write, *, force: bool
) -> tuple[Object, Managed]:
    who = writer(write.manager, "Apply", write.api_version, write.subresource)
    bare = _bookless(there)
    result, managed = after_apply(bare, applied, managed, who, write.kind(), force=force)
    # An apply that changes no value leaves every time alone, also its own.
    if who in managed and not same(result, bare):
        managed = {**managed, who: replace(managed[who], time=write.now)}
    return result, managed


def _blame_others_than_kubectl(problem: ApplyConflict, live: Object, write: Write) -> None:
    """Raise the conflict unless all of it is what kubectl itself wrote by the annotation of client-side apply."""
    allowed = _client_side(live, write)
    left = {who: fields - allowed for who, fields in problem.contested.items()}
    left = {who: fields for who, fields in left.items() if fields}
    if left:
        raise conflict(left) if allowed else problem


def _client_side(live: Object, write: Write) -> Fields:
    """Return what the annotation of client-side apply names and what still is as it says."""
    try:
        last = json.loads((_metadata(live).get("annotations") or {}).get(LAST_APPLIED) or "null")
        if not isinstance(last, dict) or last.get("apiVersion") != write.api_version:
            return NOTHING
        check(last, write.type)
        check(live, write.type)
    except (ValueError, TypedError):
        return NOTHING
    found = compare(last, live, write.type)
    return fields_of(last, write.type) - found.modified - found.added - found.removed


def _with_last_applied(value: Object, applied: Object) -> Object:
    """Return an object whose annotation of client-side apply, if it has one, is what was applied now."""
    annotations = _metadata(value).get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return value
    metadata = dict(_metadata(applied))
    own = {
        name: part for name, part in (metadata.pop("annotations", None) or {}).items() if name != LAST_APPLIED
    }
    if own:
        metadata["annotations"] = own
    text = json.dumps(
        {**applied, "metadata": metadata}, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    annotations = {**annotations, LAST_APPLIED: text + "\n"}
    if sum(len(name.encode()) + len(part.encode()) for name, part in annotations.items()) > _ANNOTATIONS_SIZE:
        del annotations[LAST_APPLIED]
    return {**value, "metadata": {**_metadata(value), "annotations": annotations}}


def _managed_before(there: Object, after: Object, write: Write) -> Managed:
    """Return the entries that a write starts from: those it brings, if it may bring some and they can be read, else the object's."""
    if write.subresource:
        return _readable(there)
    brought = _metadata(after).get("managedFields")
    # Custom resources are decoded so that an empty list is the same as none.
    if brought == [{}] or (brought == [] and not write.custom):
        return {}
    try:
        managed = read(brought)
    except BadManagedFields:
        managed = {}
    return managed or _readable(there)


def _readable(value: Object) -> Managed:
    try:
        return read(_entries(value))
    except BadManagedFields:
        return {}


def _entries(value: Object) -> Any:
    return _metadata(value).get("managedFields")


def _metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    metadata = value.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _bookless(value: Object) -> Object:
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return value
    return {**value, "metadata": {name: part for name, part in metadata.items() if name != "managedFields"}}
