"""The scale of a custom resource: how many replicas it wants, has, and which Pods are its own."""

from collections.abc import Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.crds import faults
from hub.sandbox.crds.faults import Fault
from hub.sandbox.refusals import Refused

Paths = Mapping[str, Any]
MAX_REPLICAS = 2**31 - 1


def body(item: Object, paths: Paths) -> Object:
    """Return the Scale of an object, whose numbers are sound (see faults_of). Raises Refused when it wants no number."""
    metadata = item["metadata"]
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status = {"replicas": _at(item, paths["statusReplicasPath"]) or 0}
    selector = _at(item, paths["labelSelectorPath"]) if paths.get("labelSelectorPath") else ""
    wanted = _at(item, paths["specReplicasPath"])
    if wanted is None:
        text = f'the spec replicas field "{paths["specReplicasPath"]}" does not exist'
        raise Refused(
            500, "InternalError", f"Internal error occurred: {text}", {"causes": [{"message": text}]}
        )
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in shown if name in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {**status, **({"selector": selector} if selector else {})},
    }


def scaled(item: Object, paths: Paths, replicas: int) -> Object:
    """Return an object that wants so many replicas."""
    changed: Object = _with(item, _steps(paths["specReplicasPath"]), replicas)
    return changed


def faults_of(item: Object, paths: Paths | None, *, of_status_only: bool = False) -> list[Fault]:
    """Return what is wrong with the numbers and the selector that the scale is made of."""
    if paths is None:
        return []
    names = ("statusReplicasPath",) if of_status_only else ("specReplicasPath", "statusReplicasPath")
    found = [fault for name in names for fault in _replicas(item, paths[name])]
    where = paths.get("labelSelectorPath")
    value = _at(item, where) if where else None
    if value is not None and not isinstance(value, str):
        found.append(faults.invalid(where or "", "", _wrong_type(where or "", value, "string")))
    return found


def _replicas(item: Object, path: str) -> list[Fault]:
    value = _at(item, path)
    if value is None:
        return []
    if not isinstance(value, int) or isinstance(value, bool):
        return [faults.invalid(path, 0, _wrong_type(path, value, "int64"))]
    if value < 0:
        return [faults.invalid(path, value, "should be a non-negative integer")]
    if value > MAX_REPLICAS:
        return [faults.invalid(path, value, f"should be less than or equal to {MAX_REPLICAS}")]
    return []


def _wrong_type(path: str, value: Any, wanted: str) -> str:
    names = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}"}
    found = names.get(type(value), "map[string]interface {}")
    return f"{path} accessor error: {_shown(value)} is of the type {found}, expected {wanted}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else faults.shown(value)


def _steps(path: str) -> list[str]:
    return path.removeprefix(".").split(".")


def _at(item: Any, path: str) -> Any:
    for step in _steps(path):
        if not isinstance(item, dict) or step not in item:
            return None
        item = item[step]
    return item


def _with(item: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    inner = item if isinstance(item, dict) else {}
    return {**inner, steps[0]: _with(inner.get(steps[0]), steps[1:], value)}
