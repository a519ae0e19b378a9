"""Events: something happened to a resource, told once, to `kubectl` and to whoever listens."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from hub.model import annotations as names
from hub.model.metadata import Metadata
from hub.model.value import Value, raw

COMPONENT = "cartwheel-hub"
MAX_MESSAGE = 39000
_NAME_LIMIT = 253

# Well-known ends of metadata keys; the full key is `<API group of the object>/<key>`.
REVISION = "revision"
ORIGIN_REVISION = "originRevision"
DIGEST = "digest"
TOKEN = "token"  # noqa: S105 -- the name of a key, not a secret
SUMMARY = "summary"
COMMIT_STATUS = "commit_status"
COMMIT_STATUS_UPDATE = "update"


class Severity(StrEnum):
    """How bad it is. A trace is recorded in the cluster and sent to nobody."""

    TRACE = "trace"
    INFO = "info"
    ERROR = "error"


class EventType(StrEnum):
    """The two types that a Kubernetes Event can have."""

    NORMAL = "Normal"
    WARNING = "Warning"


class InvolvedObject(Value, frozen=True, kw_only=True):
    """The resource that an event is about, as core/v1 ObjectReference has it."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""


class Event(Value, frozen=True, kw_only=True):
    """One event. Reasons are for programs, messages for people; metadata keys are complete."""

    involved: InvolvedObject
    severity: Severity
    reason: str
    message: str
    metadata: Mapping[str, str] = {}

    @property
    def type(self) -> EventType:
        return EventType.WARNING if self.severity is Severity.ERROR else EventType.NORMAL


def event(
    api_version: str,
    kind: str,
    metadata: Metadata,
    *,
    severity: Severity,
    reason: str,
    message: str,
    facts: Mapping[str, str] | None = None,
) -> Event:
    """Return an event about a resource, with `facts` under its API group and the annotations meant for events."""
    group = api_version.partition("/")[0]
    inherited = {
        key: text for key, text in metadata.annotations.items() if key.startswith(names.EVENT_PREFIX)
    }
    return Event(
        involved=InvolvedObject(
            api_version=api_version,
            kind=kind,
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
        ),
        severity=severity,
        reason=reason,
        message=message[:MAX_MESSAGE],
        metadata=inherited | {f"{group}/{key}": text for key, text in (facts or {}).items()},
    )


def event_object(event: Event, now: str) -> dict[str, Any]:
    """Return the core/v1 Event as of `now`; its name is the same for the same words about the same object."""
    involved = event.involved
    words = "\n".join(
        (involved.uid, event.type, event.reason, event.message, *sorted(event.metadata.values()))
    )
    suffix = "." + hashlib.sha256(words.encode()).hexdigest()[:16]
    name = involved.name[: _NAME_LIMIT - len(suffix)] + suffix
    metadata: dict[str, Any] = {"name": name, "namespace": involved.namespace}
    if event.metadata:
        metadata["annotations"] = dict(event.metadata)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "involvedObject": raw(involved),
        "type": str(event.type),
        "reason": event.reason,
        "message": event.message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
