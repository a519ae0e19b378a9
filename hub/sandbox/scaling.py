"""The scale of an object: another object, made of the first for a moment, and what a write to it does to the first."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from agent.kube.api import Object
from hub.sandbox import fields
from hub.sandbox.behaviour import Behaviour, built_in_behaviour
from hub.sandbox.drafts import APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Draft, Options, Target
from hub.sandbox.kinds.scales import SCALES, Scalable
from hub.sandbox.refusals import Refused, no_such_path, unsupported_media_type
from hub.sandbox.schema import with_always
from hub.sandbox.verbs import Verbs, Written

NAME = "scale"
_CONVERTED = (
    "failed to convert {}; autoscaling/v1, Kind=Scale) to proper version: "
    "request to convert CR to an invalid group/version: autoscaling/v1"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request brings: a whole Scale, or what changes it, by its media type."""

    body: Any
    media_type: str


def shown(target: Target, value: Object) -> Object:
    """Return the Scale of an object. Raises Refused."""
    return _scalable(target).scale_of(value)


def write(verbs: Verbs, target: Target, sent: Sent, options: Options) -> Written:
    """Scale an object as its Scale is replaced, patched or applied; return its Scale then. Raises Refused."""
    before, how = verbs.get(target), _scalable(target)
    part = Target(behaviour=_scale(), namespace=target.namespace, name=target.name, subresource=NAME)
    metadata = before["metadata"]
    managed = fields.of_scale(metadata.get("managedFields"), how.replicas)
    live = _with_managed(with_always(how.before(before), part.behaviour.type), managed)
    if target.behaviour.is_custom:
        _check_form(sent, managed)
    draft = _draft(verbs, part, live, sent, options)
    if target.behaviour.is_custom and sent.media_type == APPLY:
        raise _not_applied(sent.body)
    verbs.check_uid(target, before, draft.value)
    scale = verbs.drafts.owned(part, live, draft, options)
    how.check(scale, before)
    after = how.scaled(before, scale["spec"].get("replicas") or 0)
    version = scale["metadata"].get("resourceVersion") or metadata["resourceVersion"]
    after = {**after, "metadata": {**metadata, "resourceVersion": version}}
    api_version = target.behaviour.resource.api_version
    owners = fields.after_scale(
        metadata.get("managedFields"), scale["metadata"].get("managedFields"), how.replicas, api_version
    )
    whole = Target(behaviour=target.behaviour, namespace=target.namespace, name=target.name)
    written = verbs.rewrite(whole, Draft(value=after, warnings=draft.warnings, managed=owners), options)
    return replace(written, value=how.scale_of(written.value))


def _draft(verbs: Verbs, part: Target, live: Object, sent: Sent, options: Options) -> Draft:
    """Return the Scale that a request makes, without a zero: nobody owns a zero that was scaled to."""
    if sent.media_type == APPLY:
        draft = verbs.drafts.applied(part, live, sent.body, options)
    elif sent.media_type.endswith("patch+json"):
        draft = verbs.drafts.patched(part, live, sent.body, sent.media_type, options)
    else:
        draft = verbs.drafts.named(part, sent.body, options)
    spec = draft.value.get("spec") or {}
    wanted = {name: number for name, number in spec.items() if number}
    return replace(draft, value={**draft.value, "spec": wanted})


def _check_form(sent: Sent, managed: Any) -> None:
    """Refuse what a real server cannot do with the Scale of a custom kind. Raises Refused."""
    if sent.media_type == STRATEGIC_PATCH:
        raise unsupported_media_type(sent.media_type, (JSON_PATCH, MERGE_PATCH, APPLY))
    if sent.media_type == APPLY and not managed:
        raise Refused(
            500, "", f"failed to create manager for existing fields: {_CONVERTED.format('live object (/')}"
        )


def _not_applied(body: Object) -> Refused:
    """Return the refusal of an apply that nobody is in conflict with: real servers know no way to do it either."""
    metadata = body.get("metadata") or {}
    where = f"new object ({metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    return Refused(500, "", _CONVERTED.format(where))


def _with_managed(value: Object, managed: Any) -> Object:
    metadata = value["metadata"] | ({"managedFields": managed} if managed else {})
    return {**value, "metadata": metadata}


def _scalable(target: Target) -> Scalable:
    found = target.behaviour.scalable
    if found is None:
        raise no_such_path()
    return found


@cache
def _scale() -> Behaviour:
    found = built_in_behaviour(SCALES)
    if found is None:
        raise Refused(500, "InternalError", "Internal error occurred: no schema describes a Scale")
    return found
