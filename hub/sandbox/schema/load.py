"""Schemas made of reduced nodes: the built-in kinds, read once per process, and those of custom resources."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from hub.sandbox.schema.model import (
    ANYTHING,
    OPAQUE,
    Field,
    ListType,
    MapType,
    Reference,
    Relation,
    Scalar,
    Type,
)
from hub.sandbox.schema.reduce import embedded, reduce_spec

_SCALARS = {
    "string": Scalar.STRING,
    "integer": Scalar.NUMERIC,
    "number": Scalar.NUMERIC,
    "boolean": Scalar.BOOLEAN,
    "opaque": Scalar.UNTYPED,
}
_TEXT_FORMATS = ("", "byte")  # Every other format of a text is taken as it comes.


class Schema:
    """Types by name and by kind. Read-only; types are made when they are first asked for."""

    def __init__(
        self, types: Mapping[str, Any], kinds: Mapping[str, str], base: "Schema | None" = None
    ) -> None:
        self._nodes = types
        self._kinds = kinds
        self._base = base
        self._types: dict[str, Type] = {}

    def type_of(self, group: str, version: str, kind: str) -> Type | None:
        """Return the type of a kind; None when it is not known."""
        name = self._kinds.get(f"{group}/{version}/{kind}")
        return self.named(name) if name else None

    def type_name(self, group: str, version: str, kind: str) -> str:
        """Return the name of a kind's type, empty when it is not known."""
        return self._kinds.get(f"{group}/{version}/{kind}", "")

    @property
    def nodes(self) -> Mapping[str, Any]:
        """Return the reduced nodes that the types are made of, by name."""
        return self._nodes

    def kinds(self) -> tuple[tuple[str, str, str], ...]:
        """Return the known kinds as group, version, kind."""
        return tuple(
            (group, version, kind) for group, version, kind in (key.split("/") for key in self._kinds)
        )

    def named(self, name: str) -> Type:
        """Return a type by its name. Raises KeyError when there is none."""
        if name not in self._nodes and self._base is not None:
            return self._base.named(name)
        if name not in self._types:
            self._types[name] = self._type(self._nodes[name], name)
        return self._types[name]

    def _reference(self, node: Any) -> Reference:
        if isinstance(node, dict) and "ref" in node:
            name = node["ref"]
            if node.get("atomic"):
                return Reference(lambda: _as_atomic(self.named(name)))
            return Reference(lambda: self.named(name))
        return Reference(lambda: self._type(node, ""))

    def _type(self, node: Any, name: str) -> Type:
        if isinstance(node, str):
            return _scalar(node, name)
        if "scalar" in node:
            return _scalar(node["scalar"], name)
        if "list" in node:
            return Type(
                name=name,
                list=ListType(
                    element=self._reference(node["of"]),
                    relation=Relation(node["list"]),
                    keys=tuple(node.get("keys", ())),
                ),
            )
        return Type(name=name, map=self._map(node))

    def _map(self, node: Mapping[str, Any]) -> MapType:
        required = frozenset(node.get("required", ()))
        return MapType(
            fields={
                name: self._field(inner, name in required) for name, inner in node.get("fields", {}).items()
            },
            element=self._reference(node["of"]) if "of" in node else None,
            atomic=node.get("atomic", False),
        )

    def _field(self, node: Any, required: bool) -> Field:
        more = node if isinstance(node, dict) else {}
        return Field(
            of=self._reference(node),
            default=more.get("default"),
            strategies=frozenset(filter(None, more.get("strategy", "").split(","))),
            merge_key=more.get("merge", ""),
            required=required,
            always=more.get("always", False),
        )


@cache
def builtin() -> Schema:
    """Return the schema of the kinds that every server has, shared by all of them."""
    document = json.loads(files("hub.sandbox.schema").joinpath("builtin.json").read_text())
    return Schema(document["types"], document["kinds"])


def of_custom_resource(group: str, version: str, kind: str, spec: Mapping[str, Any] | None) -> Type:
    """Return the type of a custom resource from its `openAPIV3Schema`; without one everything is taken as it comes."""
    if not spec:
        return ANYTHING
    name = f"{group}.{version}.{kind}"
    node = embedded(reduce_spec({"type": "object", **spec}))
    return Schema({name: node}, {f"{group}/{version}/{kind}": name}, builtin()).named(name)


def _scalar(node: str, name: str) -> Type:
    if node in _SHARED:
        return _SHARED[node]()
    kind, _, form = node.partition("/")
    scalar = _SCALARS[kind]
    if scalar is Scalar.STRING and form not in _TEXT_FORMATS:
        scalar = Scalar.UNTYPED
    return Type(name=name, scalar=scalar, format=form)


_SHARED: Mapping[str, Callable[[], Type]] = {"any": lambda: ANYTHING, "untyped": lambda: OPAQUE}


def _as_atomic(of: Type) -> Type:
    if of.map is None:
        return of
    whole = MapType(fields=of.map.fields, element=of.map.element, atomic=True)
    return Type(name=of.name, scalar=of.scalar, format=of.format, list=of.list, map=whole)
