"""Rows of what a cluster is made of: nodes, namespaces, configuration, events. Pure."""

from collections.abc import Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds.values import at
from hub.sandbox.tables.row import NONE, UNKNOWN, Cells, Row, condition

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"


def _namespace(row: Row) -> list[Any]:
    return [row.name, row.text("status", "phase"), row.age]


def _config_map(row: Row) -> list[Any]:
    return [row.name, len(row.mapping("data")) + len(row.mapping("binaryData")), row.age]


def _secret(row: Row) -> list[Any]:
    return [row.name, row.text("type"), len(row.mapping("data")), row.age]


def _name_and_age(row: Row) -> list[Any]:
    return [row.name, row.age]


def _node(row: Row) -> list[Any]:
    ready = condition(row.value, "Ready")
    states = [("" if ready["status"] == "True" else "Not") + "Ready"] if ready else ["Unknown"]
    if row.at("spec", "unschedulable"):
        states.append("SchedulingDisabled")
    system = row.mapping("status", "nodeInfo")
    machine = f" ({system['architecture']})" if system.get("architecture") else ""
    return [
        row.name,
        ",".join(states),
        ",".join(sorted(_roles(row.mapping("metadata", "labels")))) or NONE,
        row.age,
        system.get("kubeletVersion") or "",
        _address(row, "InternalIP"),
        _address(row, "ExternalIP"),
        system.get("osImage") or UNKNOWN,
        (system.get("kernelVersion") or UNKNOWN) + machine,
        system.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(labels: Mapping[str, str]) -> set[str]:
    named = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    return (named | {labels.get(_ROLE, "")}) - {""}


def _address(row: Row, kind: str) -> str:
    found = row.items("status", "addresses")
    return next((one.get("address", "") for one in found if one.get("type") == kind), NONE)


def _event(row: Row) -> list[Any]:
    return _event_cells(
        row,
        of=row.mapping("involvedObject"),
        first=row.at("firstTimestamp"),
        last=row.at("lastTimestamp"),
        count=row.number("count"),
        source=row.mapping("source"),
        message=row.text("message"),
    )


def _new_event(row: Row) -> list[Any]:
    return _event_cells(
        row,
        of=row.mapping("regarding"),
        first=row.at("deprecatedFirstTimestamp"),
        last=row.at("deprecatedLastTimestamp"),
        count=row.number("deprecatedCount"),
        source=row.mapping("deprecatedSource"),
        message=row.text("note"),
    )


def _event_cells(
    row: Row, *, of: Object, first: Any, last: Any, count: int, source: Object, message: str
) -> list[Any]:
    begun = row.since(first or row.at("eventTime"))
    seen, series = row.since(last) if last else begun, row.at("series")
    if series is not None:
        seen, count = row.since(series.get("lastObservedTime")), series.get("count") or 0
    component = source.get("component") or row.text("reportingComponent") or row.text("reportingController")
    host = source.get("host") or row.text("reportingInstance")
    named = f"/{of['name']}" if of.get("name") else ""
    return [
        seen,
        row.text("type"),
        row.text("reason"),
        f"{(of.get('kind') or '').lower()}{named}",
        at(of, "fieldPath") or "",
        f"{component}, {host}" if host else component,
        message.strip(),
        begun,
        count if count or series is not None else 1,
        row.name,
    ]


def _component(row: Row) -> list[Any]:
    found = next((one for one in row.items("conditions") if one.get("type") == "Healthy"), None)
    if found is None:
        return [row.name, "Unknown", "", ""]
    state = "Healthy" if found.get("status") == "True" else "Unhealthy"
    return [row.name, state, found.get("message", ""), found.get("error", "")]


def _quota(row: Row) -> list[Any]:
    hard, used = row.mapping("status", "hard"), row.mapping("status", "used")
    texts = {name: f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard)}
    limits = ", ".join(text for name, text in texts.items() if name.startswith("limits."))
    rest = ", ".join(text for name, text in texts.items() if not name.startswith("limits."))
    return [row.name, rest, limits, row.age]


CELLS: Mapping[str, Cells] = {
    "/componentstatuses": _component,
    "/configmaps": _config_map,
    "/events": _event,
    "/namespaces": _namespace,
    "/nodes": _node,
    "/resourcequotas": _quota,
    "/secrets": _secret,
    "/serviceaccounts": _name_and_age,
    "events.k8s.io/events": _new_event,
    "resource.k8s.io/deviceclasses": _name_and_age,
    "resource.k8s.io/resourceclaimtemplates": _name_and_age,
}
