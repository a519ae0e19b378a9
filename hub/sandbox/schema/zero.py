"""What is there before anybody wrote anything: servers hold built-in kinds as structs, and some of their members cannot be absent."""

from collections.abc import Mapping
from typing import Any

from hub.sandbox.schema.model import Field, MapType, Scalar, Type

# Members that are written even when nobody set them, of which OpenAPI does not say so.
_WRITTEN: Mapping[str, Mapping[str, Any]] = {
    "io.k8s.api.storage.v1.CSINodeDriver": {"topologyKeys": None},
    "io.k8s.api.apps.v1.DeploymentCondition": {"lastUpdateTime": None, "lastTransitionTime": None},
    "io.k8s.api.core.v1.PersistentVolumeClaimCondition": {"lastProbeTime": None, "lastTransitionTime": None},
    "io.k8s.api.authentication.v1.TokenRequestSpec": {"boundObjectRef": None},
    "io.k8s.api.core.v1.Event": {
        "eventTime": None,
        "firstTimestamp": None,
        "lastTimestamp": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "io.k8s.api.events.v1.Event": {
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
        "eventTime": None,
    },
}


def zero(of: Type) -> dict[str, Any]:
    """Return the empty object of a kind: structs held by value are there and empty, required members are there and null or zero."""
    if of.map is None:
        return {}
    found = {name: _zero_of(field) for name, field in of.map.fields.items() if field.always or field.required}
    found = {name: value for name, value in found.items() if name not in ("apiVersion", "kind")}
    return {**found, **_WRITTEN.get(of.name, {})}


def with_always(value: Any, of: Type) -> Any:
    """Return a value with the structs that are always there, at every depth. Nulls of members that can be absent are dropped."""
    if isinstance(value, dict) and of.map is not None:
        return _map_with_always(value, of.map, _WRITTEN.get(of.name, {}))
    if isinstance(value, list) and of.list is not None:
        element = of.list.element()
        return [with_always(item, element) for item in value]
    return value


def _map_with_always(value: dict[str, Any], of: MapType, written: Mapping[str, Any]) -> dict[str, Any]:
    result = {name: part for name, part in written.items() if name not in value}
    for name, part in value.items():
        inner, known = of.of(name), of.fields.get(name)
        if part is None and known is None and inner is not None and inner().scalar is Scalar.STRING:
            # In a map of texts, what is null is there and empty.
            part = ""
        if part is None and name not in written and not (known and known.required):
            continue
        result[name] = with_always(part, inner()) if inner is not None else part
    for name, field in of.fields.items():
        if field.always and name not in result:
            result[name] = zero(field.of())
    return result


def _zero_of(field: Field) -> Any:
    of = field.of()
    if field.always:
        return zero(of)
    match of.scalar:
        case Scalar.STRING:
            return ""
        case Scalar.NUMERIC:
            return 0
        case Scalar.BOOLEAN:
            return False
        case _:
            return None
