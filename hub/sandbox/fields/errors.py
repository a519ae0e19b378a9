"""Why an apply is refused. What a Status says is here; which HTTP code it gets is the server's to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One field of a conflict and who owns it."""

    message: str
    field: str
    reason: str = "FieldManagerConflict"


@dataclass(slots=True)
class FieldsError(Exception):
    """A write that ownership or the schema forbids."""

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(slots=True)
class ApplyConflict(FieldsError):
    """Others own what the configuration changes (409)."""

    causes: tuple[Cause, ...] = ()
    contested: Mapping[Any, frozenset[tuple[str, ...]]] = field(default_factory=dict)


@dataclass(slots=True)
class BadApply(FieldsError):
    """The configuration is not one (400): another version or kind, or it says who owns what."""


@dataclass(slots=True)
class TypedError(FieldsError):
    """A value is not of its kind's type (500, as real servers have it)."""


@dataclass(slots=True)
class BadManagedFields(FieldsError):
    """An object's managedFields cannot be read."""
