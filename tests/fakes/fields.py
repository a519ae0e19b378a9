"""Who owns which field, as server-side apply sees it: paths of an object, and managedFields made of and read from them.

A path is a tuple of fieldsV1 names: `f:spec`, `k:{"name":"a"}`, `v:"x"`. Lists are atomic unless a key is known for them here.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Path = tuple[str, ...]
Fields = frozenset[Path]

_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
}
_MAPS = frozenset(
    {"data", "stringData", "binaryData", "labels", "annotations", "matchLabels", "limits", "requests"}
)
_SETS = frozenset({"finalizers"})
_ATOMIC_MAPS = frozenset(
    {"selector", "nodeSelector", "secretKeyRef", "configMapKeyRef", "fieldRef", "roleRef"}
)
_OF_ANY_KIND = frozenset({"ownerReferences", "finalizers"})
_UNOWNED: Fields = frozenset(
    {("f:apiVersion",), ("f:kind",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "managedFields",
        )
    }
)


def list_keys(path: Path, *, custom: bool) -> tuple[str, ...]:
    """Return by which keys the items of a list are told apart; none for an atomic list."""
    name = path[-1].removeprefix("f:") if path else ""
    if custom and not (name in _OF_ANY_KIND and path[0] == "f:metadata"):
        return ()
    if name == "ports":
        return ("port", "protocol") if path[:-1] == ("f:spec",) else ("containerPort", "protocol")
    return _KEYS.get(name, ())


def is_set(path: Path) -> bool:
    """Tell whether a list is a set of its values."""
    return bool(path) and path[-1].removeprefix("f:") in _SETS


def is_atomic(path: Path, *, custom: bool) -> bool:
    """Tell whether a map is owned as a whole."""
    return not custom and bool(path) and path[-1].removeprefix("f:") in _ATOMIC_MAPS


def item_name(item: Any, keys: tuple[str, ...]) -> str:
    """Return the name of a list's item in a path."""
    values = {key: item.get(key, "TCP" if key == "protocol" else None) for key in keys}
    found = {key: value for key, value in values.items() if value is not None}
    return "k:" + json.dumps(found, sort_keys=True, separators=(",", ":"))


def children(value: Any, path: Path, *, custom: bool) -> dict[str, Any] | None:
    """Return a value's parts by their names in a path; None for what is owned as a whole."""
    if isinstance(value, dict):
        if is_atomic(path, custom=custom):
            return None
        return {f"f:{name}": part for name, part in value.items()}
    if isinstance(value, list):
        keys = list_keys(path, custom=custom)
        if keys and all(isinstance(item, dict) for item in value):
            return {item_name(item, keys): item for item in value}
        if is_set(path):
            return {"v:" + json.dumps(item): item for item in value}
    return None


def fields_of(value: Any, *, custom: bool, maps: bool = False) -> Fields:
    """Return the leaves and list items of an object that a manager can own; with `maps` its maps as well."""
    found: set[Path] = set()

    def walk(part: Any, path: Path) -> None:
        if path in _UNOWNED:
            return
        parts = children(part, path, custom=custom)
        is_map = maps and isinstance(part, dict) and bool(path) and (custom or path[-1][2:] in _MAPS)
        if path and (not parts or path[-1].startswith("k:") or is_map):
            found.add(path)
        for name, inner in (parts or {}).items():
            walk(inner, (*path, name))

    walk(value, ())
    return frozenset(found - {("f:metadata",), ()})


def with_parents(fields: Iterable[Path]) -> Fields:
    """Return the fields and everything that holds them."""
    return frozenset(path[:length] for path in fields for length in range(1, len(path) + 1))


def values_at(value: Any, fields: Iterable[Path], *, custom: bool) -> dict[Path, Any]:
    """Return what an object has at leaves; what it does not have is absent. Items and maps count as being there."""
    found: dict[Path, Any] = {}

    def walk(part: Any, path: Path) -> None:
        parts = children(part, path, custom=custom)
        found[path] = "there" if parts else part
        for name, inner in (parts or {}).items():
            walk(inner, (*path, name))

    walk(value, ())
    return {path: found[path] for path in fields if path in found}


def to_v1(fields: Fields) -> dict[str, Any]:
    """Return fields as the tree of a managedFields entry."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        node = tree
        for name in path:
            node = node.setdefault(name, {})
        if any(other[: len(path)] == path and other != path for other in fields):
            node["."] = {}
    return tree


def from_v1(tree: Mapping[str, Any]) -> Fields:
    """Return the fields of a managedFields entry."""
    found: set[Path] = set()

    def walk(node: Mapping[str, Any], path: Path) -> None:
        if path and (not node or "." in node):
            found.add(path)
        for name, inner in node.items():
            if name != ".":
                walk(inner, (*path, name))

    walk(tree, ())
    return frozenset(found)


def merge(live: Any, wanted: Any, path: Path = (), *, custom: bool) -> Any:
    """Lay an applied configuration over the live object; list items keep the configuration's order."""
    if path in _UNOWNED and path != ("f:apiVersion",):
        return live if live is not None else wanted
    if isinstance(wanted, dict) and isinstance(live, dict) and not is_atomic(path, custom=custom):
        result = dict(live)
        for name, part in wanted.items():
            result[name] = merge(live.get(name), part, (*path, f"f:{name}"), custom=custom)
        return {name: part for name, part in result.items() if part is not None}
    if isinstance(wanted, list) and isinstance(live, list):
        mine, theirs = children(wanted, path, custom=custom), children(live, path, custom=custom)
        if mine is not None and theirs is not None:
            merged = [merge(theirs.get(n), part, (*path, n), custom=custom) for n, part in mine.items()]
            return merged + [part for name, part in theirs.items() if name not in mine]
    return wanted


def without(value: Any, gone: Fields, path: Path = (), *, custom: bool) -> Any:
    """Return an object without some of its fields."""
    parts = children(value, path, custom=custom)
    if not parts:
        return value
    kept = {
        name: without(part, gone, (*path, name), custom=custom)
        for name, part in parts.items()
        if (*path, name) not in gone
    }
    if isinstance(value, list):
        return list(kept.values())
    return {name.removeprefix("f:"): part for name, part in kept.items()}
