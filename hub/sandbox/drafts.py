"""What requests that write bring: an object is read, patched or merged into a draft, before its kind has its say. Pure but for the time."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Object
from agent.model.names import timestamp
from hub.sandbox import fields, patches
from hub.sandbox.behaviour import Behaviour
from hub.sandbox.refusals import Refused, bad_request
from hub.sandbox.storage import KindKey, Place
from hub.sandbox.wording import plain

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which object a request is about. `name` is empty for a create."""

    behaviour: Behaviour
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def kind(self) -> KindKey:
        resource = self.behaviour.resource
        return resource.group, resource.plural

    @property
    def place(self) -> Place:
        return self.namespace if self.behaviour.resource.namespaced else "", self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a write is meant. `strictness` is what becomes of unknown fields: Strict, Warn or Ignore; `guard` refuses what its caller may
    not store, new over old; `complete` writes into a new object what only its caller tells."""

    manager: str
    dry_run: bool = False
    force: bool = False
    strictness: str = "Warn"
    guard: Callable[[Object, Object | None], None] = lambda new, old: None
    complete: Callable[[Object], Object] = lambda new: new


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An object on its way in: `managed` is who owns what when an apply has settled that already."""

    value: Object
    warnings: Sequence[str] = ()
    managed: Any = None


class Drafts:
    """Makes drafts. `clock` tells since when somebody owns a field."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def decoded(self, target: Target, raw: Any, options: Options, *, is_merged: bool = False) -> Draft:
        """Read an object, which a server may have merged itself. Raises Refused."""
        resource = target.behaviour.resource
        decoded = target.behaviour.decoded(raw, is_merged=is_merged)
        if options.strictness == "Strict" and decoded.unknown:
            told = ", ".join(decoded.unknown)
            head = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            raise bad_request(f"{head}: strict decoding error: {told}")
        value = {"kind": resource.kind, "apiVersion": resource.api_version, **decoded.value}
        # What is in no namespace may be written as if it were in one; what does not say in which it is, is in that of the request.
        metadata = {name: part for name, part in (value.get("metadata") or {}).items() if name != "namespace"}
        if resource.namespaced:
            given = (value.get("metadata") or {}).get("namespace") or target.namespace
            if given != target.namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            metadata["namespace"] = given
        value["metadata"] = metadata
        return Draft(value=value, warnings=decoded.unknown if options.strictness == "Warn" else ())

    def named(self, target: Target, raw: Any, options: Options, *, is_merged: bool = False) -> Draft:
        """Read an object that has to be the one it is meant to be. Raises Refused."""
        draft = self.decoded(target, raw, options, is_merged=is_merged)
        _check_names(target, draft.value)
        return draft

    def patched(self, target: Target, shown: Object, patch: Any, media_type: str, options: Options) -> Draft:
        """Return what a patch makes of an object as it is shown. Raises Refused."""
        of = target.behaviour.type
        try:
            match media_type:
                case "application/json-patch+json":
                    raw = patches.json_patch(shown, patch)
                case "application/merge-patch+json":
                    raw = patches.merge_patch(shown, patch)
                case _:
                    raw = patches.strategic(shown, patch, of)
        except patches.PatchError as problem:
            raise _refused_patch(problem) from problem
        if not target.behaviour.is_custom and (why := patches.misfit(raw, of)):
            is_strategic = media_type == STRATEGIC_PATCH
            raise _unfit(plain(patch) if is_strategic else json.dumps(raw, separators=(",", ":")), why)
        return self.named(target, raw, options)

    def applied(self, target: Target, live: Object | None, applied: Object, options: Options) -> Draft:
        """Return what the apply of a configuration makes of an object as it is shown. Raises Refused."""
        resource = target.behaviour.resource
        api_version, kind = applied.get("apiVersion", ""), applied.get("kind", "")
        if kind != resource.kind or api_version != resource.api_version:
            raise bad_request(f"invalid object type: {fields.kind_text(api_version, kind)}")
        try:
            merged = fields.apply(live, applied, self._write(target, options), force=options.force)
        except fields.ApplyConflict as problem:
            causes = [
                {"reason": one.reason, "message": one.message, "field": one.field} for one in problem.causes
            ]
            raise Refused(409, "Conflict", problem.message, {"causes": causes}) from problem
        except fields.BadApply as problem:
            raise bad_request(problem.message) from problem
        except fields.FieldsError as problem:
            raise Refused(500, "", problem.message) from problem
        draft = self.named(target, merged, options, is_merged=True)
        return replace(draft, managed=merged["metadata"].get("managedFields") or [])

    def owned(self, target: Target, before: Object | None, draft: Draft, options: Options) -> Object:
        """Return a drafted object with who owns what of it after this write."""
        made = draft.value
        if draft.managed is None:
            return fields.update(before, made, self._write(target, options))
        metadata = {name: part for name, part in made["metadata"].items() if name != "managedFields"}
        managed = {"managedFields": draft.managed} if draft.managed else {}
        return {**made, "metadata": metadata | managed}

    def _write(self, target: Target, options: Options) -> fields.Write:
        behaviour = target.behaviour
        return fields.Write(
            manager=options.manager,
            api_version=behaviour.resource.api_version,
            type=behaviour.type,
            now=timestamp(self._clock.now()),
            subresource=target.subresource,
            reset=behaviour.reset(target.subresource),
            custom=behaviour.is_custom,
        )


def place_of(target: Target) -> Object:
    """Return the metadata that says where an object is."""
    named = {"name": target.name}
    return named | ({"namespace": target.namespace} if target.behaviour.resource.namespaced else {})


def as_kind(value: Object, behaviour: Behaviour) -> Object:
    """Return an object as the kind it is shown as."""
    resource = behaviour.resource
    return {**value, "kind": resource.kind, "apiVersion": resource.api_version}


def _refused_patch(problem: patches.PatchError) -> Refused:
    reason = {400: "BadRequest", 422: "Invalid", 415: "UnsupportedMediaType"}.get(problem.code, "")
    # Real servers have details of it, and nothing in them.
    return Refused(problem.code, reason, problem.message, {} if problem.code == 422 else None)


def _unfit(shown: str, why: str) -> Refused:
    """Return the refusal of a patch that makes something that is no object of the kind."""
    told = f'Invalid value: "{shown}": {why}'
    causes = [{"reason": "FieldValueInvalid", "message": told, "field": "patch"}]
    return Refused(422, "Invalid", f' "" is invalid: patch: {told}', {"causes": causes})


def _check_names(target: Target, value: Object) -> None:
    name = value["metadata"].get("name")
    if not name:
        raise bad_request(
            f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        )
    if name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
