"""Who owns which field of an object: sets of fields, server-side apply, and what other writes do to managedFields. Pure."""

from hub.sandbox.fields.collect import fields_of
from hub.sandbox.fields.entries import after_scale, of_scale, same_but_times
from hub.sandbox.fields.errors import (
    ApplyConflict,
    BadApply,
    BadManagedFields,
    Cause,
    FieldsError,
    TypedError,
)
from hub.sandbox.fields.paths import Fields, Path, from_v1, path, shown, to_v1
from hub.sandbox.fields.writes import Write, apply, kind_text, update

__all__ = [
    "ApplyConflict",
    "BadApply",
    "BadManagedFields",
    "Cause",
    "Fields",
    "FieldsError",
    "Path",
    "TypedError",
    "Write",
    "after_scale",
    "apply",
    "fields_of",
    "from_v1",
    "kind_text",
    "of_scale",
    "path",
    "same_but_times",
    "shown",
    "to_v1",
    "update",
]
