"""What every resource carries beside its spec and status."""

from collections.abc import Mapping
from typing import NewType

from agent.kit.tracing import NO_TRACE, Traceparent, read_traceparent
from hub.model import annotations as names
from hub.model.value import Value, read

Uid = NewType("Uid", str)
"""The API server's identity of one object; a new object under an old name has another."""


class Metadata(Value, frozen=True, kw_only=True):
    """The part of ObjectMeta that the hub reads. `deletion_timestamp` is None while nobody has deleted the object."""

    name: str
    namespace: str = ""
    uid: Uid = Uid("")
    generation: int = 0
    resource_version: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None

    @property
    def is_being_deleted(self) -> bool:
        return self.deletion_timestamp is not None

    @property
    def requested_at(self) -> str | None:
        """The token of the last request to reconcile; opaque, only compared for equality."""
        return self.annotations.get(names.RECONCILE_REQUESTED_AT)

    @property
    def requested_trace(self) -> Traceparent:
        """The trace that the last request to reconcile is part of."""
        context, _, asked = self.annotations.get(names.TRACEPARENT, "").partition("@")
        return read_traceparent(context) if asked == self.requested_at else NO_TRACE

    def label_or_annotation(self, name: str) -> str | None:
        """Return what people may write in either place; the label wins, empty is absent."""
        return self.labels.get(name) or self.annotations.get(name) or None


class _Bare(Value, frozen=True, kw_only=True):
    metadata: Metadata


def metadata_of(raw: Mapping[str, object]) -> Metadata:
    """Return the metadata of an object of which the rest may be malformed. Raises MalformedResource."""
    return read(_Bare, raw).metadata


class LocalRef(Value, frozen=True, kw_only=True):
    """An object of the same namespace whose kind is clear from the field."""

    name: str
