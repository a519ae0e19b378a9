"""A kind that a definition makes, in one version: reads, fills in, judges and prepares its objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.kube.api import Object, Resource
from hub.sandbox.crds import (
    columns,
    defaulting,
    faults,
    jsonpath,
    lists,
    metadata,
    pruning,
    rules,
    scale,
    validation,
)
from hub.sandbox.crds.correlation import Correlated
from hub.sandbox.crds.faults import Fault
from hub.sandbox.crds.schemas import NOTHING, Schema, properties
from hub.sandbox.refusals import Refused, bad_request, invalid
from hub.sandbox.wording import same

_UNCHECKED = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An object as its kind knows it, and the paths of the fields it did not know."""

    item: Object
    unknown: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomKind:
    """One version of a definition. Made once and shared: it holds the definition's own JSON, which nobody changes. `replicas` tells by
    version where the number of replicas is."""

    resource: Resource
    schema: Schema
    has_status: bool
    scale: Mapping[str, Any] | None
    replicas: Mapping[str, str]
    columns: Sequence[Mapping[str, Any]] | None
    has_rules: bool
    selectable: tuple[str, ...] = ()
    """The fields, beside name and namespace, that field selectors may name."""

    def read(self, item: Object, *, keeps_nulls: bool = False) -> Read:
        """Return an object without what nobody knows and with defaults. Raises Refused for what cannot be read."""
        for name in ("kind", "apiVersion"):
            if name in item and not isinstance(item[name], str):
                raise bad_request(
                    f".{name} accessor error: {faults.shown(item[name])} is of the type {_go_type(item[name])}, expected string"
                )
        try:
            meta, unknown_meta = metadata.read(item.get("metadata"))
            pruned, unknown = pruning.prune(item, self.schema)
            kept = pruned if keeps_nulls else defaulting.drop_nulls(pruned, self.schema)
            coerced, unknown_inner = metadata.read_embedded(kept, self.schema)
        except metadata.Malformed as error:
            kind, version = self.resource.kind, self.resource.version
            raise bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: {error}'
            ) from error
        whole = {**coerced, **({"metadata": meta} if "metadata" in item else {})}
        return Read(
            item=defaulting.default(whole, self.schema), unknown=[*unknown_meta, *unknown, *unknown_inner]
        )

    def prepare_new(self, item: Object) -> Object:
        """Return an object as it is created: nobody sets a status that has a path of its own."""
        kept = {name: part for name, part in item.items() if not (self.has_status and name == "status")}
        made = {**kept, "metadata": {**item["metadata"], "generation": 1}}
        # What was stored is filled in as it is read: the status that was dropped may have a default.
        filled: Object = defaulting.default(made, self.schema)
        return filled

    def show(self, stored: Object) -> Object:
        """Return an object that was stored in another version, or before the definition changed, as this one has it."""
        return self.read({**stored, "apiVersion": f"{self.resource.group}/{self.resource.version}"}).item

    def prepare_update(self, item: Object, old: Object) -> Object:
        """Return an object as it replaces the old one: with its status, counted up when more than metadata changed."""
        new = dict(item)
        if self.has_status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        generation = old["metadata"].get("generation", 0)
        is_same = same({**new, "metadata": None}, {**old, "metadata": None})
        meta = {**new["metadata"], "generation": generation if is_same else generation + 1}
        return {
            **new,
            "metadata": {name: part for name, part in meta.items() if name != "generation" or part},
        }

    def prepare_status(self, item: Object, old: Object) -> Object:
        """Return the old object with the status of a new one, and with its managers: they were told who wrote it."""
        kept = {name: part for name, part in old.items() if name != "status"}
        meta = {name: part for name, part in old["metadata"].items() if name != "managedFields"}
        if "managedFields" in item["metadata"]:
            meta["managedFields"] = item["metadata"]["managedFields"]
        status = {"status": item["status"]} if "status" in item else {}
        return {**kept, "metadata": meta, **status}

    def faults_of_new(self, item: Object) -> list[Fault]:
        """Return what is wrong with a new object. Its metadata is judged elsewhere."""
        found = self._type_faults(item)
        if found:
            return found
        found = validation.validate(item, self.schema)
        found += scale.faults_of(item, self.scale)
        found += metadata.faults_of_embedded(item, self.schema)
        found += lists.duplicates(item, self.schema)
        return found + self._broken_rules(item, None, None, found)

    def faults_of_update(self, item: Object, old: Object) -> list[Fault]:
        """Return what is wrong with an object that replaces another; what did not change is tolerated."""
        found = self._type_faults(item)
        if found:
            return found
        before = Correlated(item, old, self.schema)
        found = validation.validate(item, self.schema, before)
        found += scale.faults_of(item, self.scale)
        found += metadata.faults_of_embedded(item, self.schema)
        found += self._new_duplicates(item, old)
        return found + self._broken_rules(item, old, before, found)

    def faults_of_status(self, item: Object, old: Object) -> list[Fault]:
        """Return what is wrong with an object whose status is written."""
        found: list[Fault] = []
        before, schema = Correlated(item, old, self.schema), properties(self.schema).get("status")
        if "status" in item and schema is not None:
            found += validation.validate(item["status"], schema, before.at("status"), base="status")
        found += scale.faults_of(item, self.scale, of_status_only=True)
        found += self._new_duplicates(item, old)
        return found + self._broken_rules(item, old, before, found)

    def selectable_values(self, item: Object) -> Mapping[str, str]:
        """Return what field selectors compare, a text for each field; empty where there is nothing."""
        found = {name: jsonpath.find(item, f".{name}") for name in self.selectable}
        return {
            name: columns.text(values[0]) if values and values[0] is not None else ""
            for name, values in found.items()
        }

    def refuse(self, item: Object, found: Sequence[Fault]) -> Refused:
        """Return the refusal of an object for what is wrong with it."""
        causes = list(dict.fromkeys(one.cause for one in found))
        return invalid(self.resource, item["metadata"].get("name", ""), causes)

    def _new_duplicates(self, item: Object, old: Object) -> list[Fault]:
        # Who already had something twice in a list is not kept from changing something else.
        return [] if any(lists.duplicates(old, self.schema)) else list(lists.duplicates(item, self.schema))

    def _broken_rules(
        self, item: Object, old: Object | None, before: Correlated | None, found: Sequence[Fault]
    ) -> list[Fault]:
        if not self.has_rules:
            return []
        if any(one.kind in faults.BLOCKING for one in found):
            return [faults.invalid("", None, _UNCHECKED)]
        return list(rules.broken(item, old, self.schema, before=before))

    def _type_faults(self, item: Object) -> list[Fault]:
        wanted = {"kind": self.resource.kind, "apiVersion": f"{self.resource.group}/{self.resource.version}"}
        return [
            faults.invalid(name, item.get(name, ""), f"must be {value}")
            for name, value in wanted.items()
            if item.get(name) != value
        ]


def custom_kind(definition: Object, version: str) -> CustomKind:
    """Return the kind that a sound definition makes in a version."""
    spec = definition["spec"]
    of = next(one for one in spec["versions"] if one["name"] == version)
    names, subresources = spec["names"], of.get("subresources") or NOTHING
    schema = (of.get("schema") or NOTHING).get("openAPIV3Schema") or {"type": "object"}
    return CustomKind(
        resource=Resource(
            group=spec["group"],
            version=version,
            plural=names["plural"],
            kind=names["kind"],
            namespaced=spec["scope"] == "Namespaced",
        ),
        schema=schema,
        has_status=subresources.get("status") is not None,
        scale=subresources.get("scale"),
        replicas={
            f"{spec['group']}/{one['name']}": found["specReplicasPath"]
            for one in spec["versions"]
            if (found := (one.get("subresources") or NOTHING).get("scale"))
        },
        columns=of.get("additionalPrinterColumns"),
        has_rules=rules.has_rules(schema),
        selectable=tuple(one["jsonPath"].removeprefix(".") for one in of.get("selectableFields") or ()),
    )


def _go_type(value: Any) -> str:
    names = {bool: "bool", int: "int64", float: "float64", list: "[]interface {}", type(None): "<nil>"}
    return names.get(type(value), "map[string]interface {}")
