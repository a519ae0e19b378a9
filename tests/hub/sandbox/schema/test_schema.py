"""Shapes of kinds: the built-in ones, those of custom resources, and what is there before anybody wrote anything."""

from typing import Any

import pytest

from hub.sandbox.schema import (
    Relation,
    Scalar,
    Type,
    builtin,
    of_custom_resource,
    reduce_documents,
    with_always,
    zero,
)
from hub.sandbox.schema.load import Schema
from hub.sandbox.schema.model import ANYTHING, OPAQUE


def type_of(group: str, version: str, kind: str) -> Type:
    found = builtin().type_of(group, version, kind)
    assert found is not None
    return found


def at(of: Type, path: str) -> Type:
    """Return the type at a path of member names; `*` is the element of a list."""
    for name in path.split("."):
        if name == "*":
            assert of.list is not None
            of = of.list.element()
        else:
            assert of.map is not None
            reference = of.map.of(name)
            assert reference is not None
            of = reference()
    return of


POD = type_of("", "v1", "Pod")


@pytest.mark.parametrize(
    ("path", "relation", "keys"),
    [
        ("spec.containers", Relation.MAP, ("name",)),
        ("spec.containers.*.ports", Relation.MAP, ("containerPort", "protocol")),
        ("spec.containers.*.env", Relation.MAP, ("name",)),
        ("spec.containers.*.volumeMounts", Relation.MAP, ("mountPath",)),
        ("spec.containers.*.args", Relation.ATOMIC, ()),
        ("spec.tolerations", Relation.ATOMIC, ()),
        ("spec.hostAliases", Relation.MAP, ("ip",)),
        ("metadata.finalizers", Relation.SET, ()),
        ("metadata.ownerReferences", Relation.MAP, ("uid",)),
        ("status.conditions", Relation.MAP, ("type",)),
    ],
)
def test_lists_are_told_apart_as_a_server_does(path: str, relation: Relation, keys: tuple[str, ...]) -> None:
    found = at(POD, path).list

    assert found is not None
    assert (found.relation, found.keys) == (relation, keys)


@pytest.mark.parametrize(
    ("path", "scalar"),
    [
        ("spec.hostname", Scalar.STRING),
        ("spec.priority", Scalar.NUMERIC),
        ("spec.hostNetwork", Scalar.BOOLEAN),
        ("metadata.creationTimestamp", Scalar.UNTYPED),
        ("spec.containers.*.resources.limits.cpu", Scalar.UNTYPED),
    ],
)
def test_single_values_have_the_type_that_counts_for_merging(path: str, scalar: Scalar) -> None:
    assert at(POD, path).scalar is scalar


def test_a_number_or_text_is_anything_single() -> None:
    assert at(type_of("", "v1", "Service"), "spec.ports.*.targetPort") is ANYTHING


def test_maps_are_atomic_where_declared_and_granular_elsewhere() -> None:
    selector, labels = at(POD, "spec.nodeSelector").map, at(POD, "metadata.labels").map

    assert selector is not None
    assert labels is not None
    assert (selector.atomic, labels.atomic) == (True, False)


def test_a_key_that_an_item_lacks_has_its_default() -> None:
    ports = at(type_of("", "v1", "Service"), "spec.ports").list

    assert ports is not None
    assert ports.default("protocol") == "TCP"


def test_other_defaults_are_not_kept() -> None:
    policy = at(type_of("apps", "v1", "Deployment"), "spec").map

    assert policy is not None
    assert {field.default for field in policy.fields.values()} == {None}


def test_patch_strategies_are_those_of_the_field() -> None:
    volumes = at(POD, "spec").map
    strategy = at(type_of("apps", "v1", "Deployment"), "spec").map

    assert volumes is not None
    assert strategy is not None
    assert (volumes.fields["volumes"].strategies, volumes.fields["volumes"].merge_key) == (
        frozenset({"merge", "retainKeys"}),
        "name",
    )
    assert strategy.fields["strategy"].strategies == frozenset({"retainKeys"})


def test_a_type_is_made_once_and_shared() -> None:
    assert type_of("", "v1", "Pod") is POD
    assert at(type_of("apps", "v1", "Deployment"), "spec.template.spec") is at(POD, "spec")


def test_recursive_types_end_somewhere() -> None:
    crd = type_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition")

    deep = at(crd, "spec.versions.*.schema.openAPIV3Schema.properties.a.properties.b.type")

    assert deep.scalar is Scalar.STRING


def test_an_unknown_kind_has_no_type() -> None:
    assert builtin().type_of("apps", "v1", "Nothing") is None


def test_every_built_in_kind_has_a_type_whose_references_all_lead_somewhere() -> None:
    seen: set[int] = set()

    def walk(of: Type) -> None:
        if id(of) in seen:
            return
        seen.add(id(of))
        if of.list is not None:
            walk(of.list.element())
        if of.map is not None:
            for field in of.map.fields.values():
                walk(field.of())
            if of.map.element is not None:
                walk(of.map.element())

    for group, version, kind in builtin().kinds():
        walk(type_of(group, version, kind))

    assert len(seen) > 1000


def test_an_empty_deployment_has_its_structs() -> None:
    assert zero(type_of("apps", "v1", "Deployment")) == {
        "metadata": {},
        "spec": {
            "selector": None,
            "strategy": {},
            "template": {"metadata": {}, "spec": {"containers": None}},
        },
        "status": {},
    }


def test_structs_are_there_at_every_depth_and_nulls_are_not() -> None:
    value = {
        "kind": "Pod",
        "metadata": {"labels": None},
        "spec": {"containers": [{"name": "a", "image": None}]},
    }

    assert with_always(value, POD) == {
        "kind": "Pod",
        "metadata": {},
        "spec": {"containers": [{"name": "a", "resources": {}}]},
        "status": {},
    }


def test_an_event_has_times_that_nobody_set() -> None:
    event = type_of("", "v1", "Event")

    assert zero(event)["firstTimestamp"] is None
    assert (
        with_always({"reason": "r", "firstTimestamp": None}, event).items()
        >= {
            "firstTimestamp": None,
            "lastTimestamp": None,
            "reportingComponent": "",
        }.items()
    )


def test_a_status_that_nobody_wrote_has_its_required_members() -> None:
    scaler = type_of("autoscaling", "v2", "HorizontalPodAutoscaler")

    assert with_always({}, scaler)["status"]["desiredReplicas"] == 0


def test_what_is_embedded_raw_is_one_piece() -> None:
    revision = type_of("apps", "v1", "ControllerRevision")

    assert at(revision, "data") is OPAQUE


def custom(properties: dict[str, Any], **more: Any) -> Type:
    return of_custom_resource(
        "example.dev",
        "v1",
        "Widget",
        {"type": "object", "properties": {"spec": {"type": "object", "properties": properties, **more}}},
    )


def test_a_custom_resource_has_metadata_and_a_kind_whatever_it_declares() -> None:
    of = custom({})

    assert at(of, "metadata.labels.a").scalar is Scalar.STRING
    assert at(of, "kind").scalar is Scalar.STRING
    assert at(of, "metadata") is at(POD, "metadata")


def test_a_custom_resource_without_schema_is_taken_as_it_comes() -> None:
    assert of_custom_resource("example.dev", "v1", "Widget", None) is ANYTHING


def test_the_extensions_of_structural_schemas_count() -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "proto": {"type": "string", "default": "TCP"}},
    }
    of = custom(
        {
            "items": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name", "proto"],
                "items": item,
            },
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "args": {"type": "array", "items": {"type": "string"}},
            "whole": {
                "type": "object",
                "x-kubernetes-map-type": "atomic",
                "properties": {"a": {"type": "string"}},
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "port": {"x-kubernetes-int-or-string": True},
            "inner": {"type": "object", "x-kubernetes-embedded-resource": True},
            "untold": {"type": "array"},
            "closed": {"type": "object", "properties": {"a": {"type": "integer"}}},
        }
    )

    items, tags, args = (at(of, f"spec.{name}").list for name in ("items", "tags", "args"))
    assert items is not None
    assert tags is not None
    assert args is not None
    assert (items.relation, items.keys, items.default("proto")) == (Relation.MAP, ("name", "proto"), "TCP")
    assert (tags.relation, args.relation) == (Relation.SET, Relation.ATOMIC)
    whole, free, closed = (at(of, f"spec.{name}").map for name in ("whole", "free", "closed"))
    assert whole is not None
    assert free is not None
    assert closed is not None
    assert (whole.atomic, free.is_free, closed.of("b")) == (True, True, None)
    assert at(of, "spec.port") is ANYTHING
    assert at(of, "spec.inner.metadata.name").scalar is Scalar.STRING
    assert at(of, "spec.untold.*") is OPAQUE


def test_unknown_fields_are_kept_below_where_that_is_said() -> None:
    of = custom(
        {"a": {"type": "object", "properties": {"b": {"type": "string"}}}},
        **{"x-kubernetes-preserve-unknown-fields": True},
    )

    assert at(of, "spec.a.whatever") is ANYTHING


def test_a_reference_may_make_a_granular_type_atomic() -> None:
    documents = [
        {
            "components": {
                "schemas": {
                    "a.Kind": {
                        "type": "object",
                        "properties": {
                            "one": {"$ref": "#/components/schemas/a.Inner"},
                            "other": {
                                "allOf": [{"$ref": "#/components/schemas/a.Inner"}],
                                "x-kubernetes-map-type": "atomic",
                            },
                        },
                        "x-kubernetes-group-version-kind": [{"group": "a", "version": "v1", "kind": "Kind"}],
                    },
                    "a.Inner": {"type": "object", "properties": {"x": {"type": "string"}}},
                }
            }
        }
    ]
    reduced = reduce_documents(documents)

    of = Schema(reduced["types"], reduced["kinds"]).type_of("a", "v1", "Kind")

    assert of is not None
    one, other = at(of, "one").map, at(of, "other").map
    assert one is not None
    assert other is not None
    assert (one.atomic, other.atomic) == (False, True)


def test_the_file_is_small() -> None:
    from importlib.resources import files

    assert len(files("hub.sandbox.schema").joinpath("builtin.json").read_bytes()) < 500_000
