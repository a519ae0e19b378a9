"""The shapes of kinds: the built-in ones and those of custom resources. Pure; the built-in schema is read once per process."""

from hub.sandbox.schema.load import Schema, builtin, of_custom_resource
from hub.sandbox.schema.model import Field, ListType, MapType, Reference, Relation, Scalar, Type
from hub.sandbox.schema.reduce import reduce_documents
from hub.sandbox.schema.zero import with_always, zero

__all__ = [
    "Field",
    "ListType",
    "MapType",
    "Reference",
    "Relation",
    "Scalar",
    "Schema",
    "Type",
    "builtin",
    "of_custom_resource",
    "reduce_documents",
    "with_always",
    "zero",
]
