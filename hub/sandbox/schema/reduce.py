"""Schemas of OpenAPI v3 reduced to what `load` reads: shapes, list and map types, patch strategies, defaults of list keys.

A reduced node is a text (`string`, `integer/int32`, `any`, ...) or a mapping with some of the members of `Node`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

_REFERENCE = "#/components/schemas/"
# Both are written as they please on the wire, and their own schemas say less than servers know of them.
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_X = "x-kubernetes-"

Spec = Mapping[str, Any]


class Node(TypedDict, total=False):
    """Members of a reduced node; names are short because there are thousands of them."""

    ref: str
    scalar: str
    fields: dict[str, Any]
    of: Any  # The element type of a map's other names, or of a list.
    list: str  # atomic, set or map
    keys: list[str]
    atomic: bool
    required: list[str]
    strategy: str
    merge: str
    default: Any
    always: bool


def reduce_documents(documents: Iterable[Spec]) -> dict[str, Any]:
    """Reduce the OpenAPI v3 documents of a server: `types` by name, and `kinds` (group/version/kind) to names of types."""
    specs: dict[str, Spec] = {}
    for document in documents:
        specs.update(document.get("components", {}).get("schemas", {}))
    keys = _keys_of_items(specs)
    types = {name: _named(name, spec, keys) for name, spec in sorted(specs.items())}
    kinds = {
        "/".join((kind["group"], kind["version"], kind["kind"])): name
        for name, spec in sorted(specs.items())
        for kind in spec.get(f"{_X}group-version-kind", ())
        if len(spec[f"{_X}group-version-kind"]) == 1
    }
    return {"types": types, "kinds": kinds}


def reduce_spec(spec: Spec, *, keys: Iterable[str] = (), lenient: bool = False) -> Any:
    """Reduce one schema. `keys` are names whose defaults count; `lenient` is x-kubernetes-preserve-unknown-fields above it."""
    if name := _reference(spec):
        node: Any = {"ref": name}
        return node | ({"atomic": True} if spec.get(f"{_X}map-type") == "atomic" else {})
    lenient = lenient or spec.get(f"{_X}preserve-unknown-fields") is True
    match spec.get("type"):
        case "object":
            return _object(spec, keys, lenient=lenient)
        case "array":
            return _list(spec, lenient=lenient)
        case str(scalar):
            return f"{scalar}/{spec['format']}" if spec.get("format") else scalar
        case _:
            return "any"


def _named(name: str, spec: Spec, keys: Mapping[str, set[str]]) -> Any:
    if name == _QUANTITY:
        return "opaque"
    return "untyped" if name == _RAW else reduce_spec(spec, keys=keys.get(name, ()))


def _reference(spec: Spec) -> str:
    among = spec.get("allOf", ())
    found = spec.get("$ref") or (among[0].get("$ref") if len(among) == 1 else None) or ""
    return str(found).removeprefix(_REFERENCE)


def _object(spec: Spec, keys: Iterable[str], *, lenient: bool) -> Any:
    node: Node = {}
    properties: Mapping[str, Spec] = spec.get("properties") or {}
    if properties:
        node["fields"] = {
            name: _field(inner, keeps_default=name in keys, lenient=lenient)
            for name, inner in sorted(properties.items())
        }
    others = spec.get("additionalProperties")
    if isinstance(others, Mapping):
        node["of"] = reduce_spec(others, lenient=lenient)
    elif others is True or (others is None and (lenient or not properties)):
        node["of"] = "any"
    if spec.get(f"{_X}map-type") == "atomic":
        node["atomic"] = True
    if required := sorted(set(spec.get("required") or ())):
        node["required"] = required
    if spec.get(f"{_X}embedded-resource") is True:
        return embedded(node)
    return node


def embedded(node: Any) -> Any:
    """Return the node of an object that is a Kubernetes object: it has a kind and metadata whatever it declares."""
    metadata = {"ref": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    return node | {
        "fields": {**node.get("fields", {}), "apiVersion": "string", "kind": "string", "metadata": metadata}
    }


def _list(spec: Spec, *, lenient: bool) -> Any:
    relation, keys = _relation(spec)
    items = spec.get("items")
    node: Node = {
        "of": reduce_spec(items, keys=keys, lenient=lenient) if items else "untyped",
        "list": relation,
    }
    if keys:
        node["keys"] = keys
    return node


def _relation(spec: Spec) -> tuple[str, list[str]]:
    """Return how a list's items are told apart; kinds that say nothing about it are merged as their patches are."""
    match spec.get(f"{_X}list-type"):
        case "map":
            return "map", list(spec.get(f"{_X}list-map-keys") or ())
        case "set":
            return "set", []
        case None if "merge" in spec.get(f"{_X}patch-strategy", "").split(","):
            key = spec.get(f"{_X}patch-merge-key")
            return ("map", [key]) if key else ("set", [])
        case _:
            return "atomic", []


def _field(spec: Spec, *, keeps_default: bool, lenient: bool) -> Any:
    node = reduce_spec(spec, lenient=lenient)
    more: Node = {}
    if strategy := spec.get(f"{_X}patch-strategy"):
        more["strategy"] = strategy
    if key := spec.get(f"{_X}patch-merge-key"):
        more["merge"] = key
    if keeps_default and spec.get("default") is not None:
        more["default"] = spec["default"]
    if spec.get("default") == {} and (_reference(spec) or spec.get("type") == "object"):
        more["always"] = True
    if not more:
        return node
    return (node if isinstance(node, dict) else {"scalar": node}) | more


def _keys_of_items(specs: Mapping[str, Spec]) -> Mapping[str, set[str]]:
    """Return, by the name of a type, by which of its fields lists tell such items apart."""
    found: dict[str, set[str]] = defaultdict(set)

    def walk(part: Any) -> None:
        if isinstance(part, Mapping):
            if part.get("type") == "array" and (name := _reference(part.get("items") or {})):
                found[name].update(_relation(part)[1])
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(specs)
    return found
