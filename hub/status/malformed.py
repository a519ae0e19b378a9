"""What is said of a resource that cannot be read: Stalled, naming the field, and an event. Pure."""

from datetime import datetime

import msgspec

from agent.kube.api import Object
from hub.model.annotations import RECONCILE_REQUESTED_AT
from hub.model.conditions import READY, STALLED, Condition, Conditions
from hub.model.events import Event, Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.metadata import Metadata
from hub.model.value import MALFORMED, MalformedResource

KEPT = "correct it; until then nothing about it changes, and what runs goes on"


def status_of_unread(value: Object, problem: MalformedResource, now: datetime) -> Object:
    """Return the fields of the status that say so; other conditions stay."""
    metadata, status = value["metadata"], value.get("status") or {}
    generation = int(metadata.get("generation", 0))
    known = [one for raw in status.get("conditions") or () if (one := _condition(raw)) is not None]
    conditions = Conditions(generation=generation, items=tuple(known))
    message = message_of(problem)
    conditions = conditions.mark_false(READY, MALFORMED, message, now=now)
    conditions = conditions.mark_stalled(MALFORMED, message, now=now)
    written: Object = {"conditions": conditions.raw(), "observedGeneration": generation}
    asked = (metadata.get("annotations") or {}).get(RECONCILE_REQUESTED_AT)
    return written | ({"lastHandledReconcileAt": asked} if asked else {})


def message_of(problem: MalformedResource) -> str:
    """Return what the conditions and the event say."""
    return f"{problem.detail}; {KEPT}"


def without_malformed(conditions: Conditions) -> Conditions:
    """Return the conditions without those that said that the resource cannot be read."""
    gone = [one.type for one in conditions.items if one.type in (READY, STALLED) and one.reason == MALFORMED]
    return conditions.delete(*gone)


def event_of_unread(kind: Kind, value: Object, problem: MalformedResource) -> Event:
    """Return the event that tells it."""
    names = ("name", "namespace", "uid", "resourceVersion", "annotations")
    known = {name: value["metadata"][name] for name in names if name in value["metadata"]}
    return event(
        TYPES[kind].api_version,
        str(kind),
        msgspec.convert(known, Metadata),
        severity=Severity.ERROR,
        reason=MALFORMED,
        message=message_of(problem),
    )


def tells(status: Object, message: str) -> bool:
    """Tell whether a status has told this before."""
    stalled = [one for one in map(_condition, status.get("conditions") or ()) if one and one.type == STALLED]
    return any(one.message == message for one in stalled)


def _condition(raw: object) -> Condition | None:
    """Read one condition, None for one that is none."""
    try:
        return msgspec.convert(raw, Condition)
    except msgspec.ValidationError:
        return None
