"""Rows of what leads to Pods: services, routes, addresses. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, items_at
from hub.sandbox.selectors import text_of
from hub.sandbox.tables.row import NONE, UNKNOWN, Cells, Row, labels_text, some

_DEFAULT_INGRESS_CLASS = "ingressclass.kubernetes.io/is-default-class"


def _service(row: Row) -> list[Any]:
    addresses = row.items("spec", "clusterIPs")
    return [
        row.name,
        row.text("spec", "type"),
        addresses[0] if addresses else NONE,
        _reached_at(row),
        ",".join(map(_port, row.items("spec", "ports"))) or NONE,
        row.age,
        labels_text(row.at("spec", "selector")),
    ]


def _reached_at(row: Row) -> str:
    """Return at which addresses a Service is reached from outside."""
    own = row.items("spec", "externalIPs")
    match row.text("spec", "type"):
        case "ClusterIP" | "NodePort":
            return ",".join(own) or NONE
        case "LoadBalancer":
            return ",".join([*filter(None, [_balancer(row)]), *own]) or "<pending>"
        case "ExternalName":
            return row.text("spec", "externalName")
        case _:
            return UNKNOWN


def _balancer(row: Row) -> str:
    entries = row.items("status", "loadBalancer", "ingress")
    return ",".join(sorted({one.get("ip") or one.get("hostname") or "" for one in entries} - {""}))


def _port(port: Object) -> str:
    outside = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', 0)}{outside}/{port.get('protocol', '')}"


def _ingress(row: Row) -> list[Any]:
    hosts = _hosts(row.items("spec", "rules"))
    ports = "80, 443" if row.items("spec", "tls") else "80"
    return [row.name, row.text("spec", "ingressClassName") or NONE, hosts, _balancer(row), ports, row.age]


def _hosts(rules: list[Object]) -> str:
    found = [one["host"] for one in rules if one.get("host")]
    # Rules without a host are counted among those that are left out.
    left = len(rules) - 3 if _is_full_before_end(rules) else 0
    shown = ",".join(found[:3]) or "*"
    return f"{shown} + {left} more..." if left > 0 else shown


def _is_full_before_end(rules: list[Object]) -> bool:
    return sum(bool(one.get("host")) for one in rules[:-1]) >= 3


def _ingress_class(row: Row) -> list[Any]:
    of = row.at("spec", "parameters")
    shown = NONE
    if of is not None:
        group = f".{of['apiGroup']}" if of.get("apiGroup") is not None else ""
        shown = f"{of.get('kind', '')}{group}/{of.get('name', '')}"
    is_default = at(row.mapping("metadata", "annotations"), _DEFAULT_INGRESS_CLASS) == "true"
    return [
        f"{row.name}{' (default)' if is_default else ''}",
        row.text("spec", "controller"),
        shown,
        row.age,
    ]


def _endpoints(row: Row) -> list[Any]:
    subsets = row.items("subsets")
    addresses = [one for subset in subsets for one in _addresses(subset)]
    return [row.name, some(addresses, empty="") if subsets else NONE, row.age]


def _addresses(subset: Object) -> Iterable[str]:
    ips = [one.get("ip", "") for one in items_at(subset, "addresses")]
    ports = items_at(subset, "ports")
    if not ports:
        return ips
    return [f"{_bracketed(ip)}:{port.get('port', 0)}" for port in ports for ip in ips]


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _endpoint_slice(row: Row) -> list[Any]:
    ports = [
        str(one["port"] if one.get("port") is not None else one.get("name", "*"))
        for one in row.items("ports")
    ]
    addresses = [address for one in row.items("endpoints") for address in items_at(one, "addresses")]
    return [row.name, row.text("addressType"), some(ports), some(map(str, addresses)), row.age]


def _network_policy(row: Row) -> list[Any]:
    return [row.name, text_of(row.at("spec", "podSelector")) or NONE, row.age]


def _service_cidr(row: Row) -> list[Any]:
    return [row.name, ",".join(row.items("spec", "cidrs")), row.age]


def _ip_address(row: Row) -> list[Any]:
    of = row.at("spec", "parentRef")
    if of is None:
        return [row.name, NONE, row.age]
    kind = f"{of.get('resource', '')}.{of.get('group', '')}".rstrip(".").lower()
    # There is a cell more than there are columns, as on a real server.
    return [
        row.name,
        "/".join(filter(None, (kind, of.get("namespace"), of.get("name")))),
        row.age,
    ]


CELLS: Mapping[str, Cells] = {
    "/endpoints": _endpoints,
    "/services": _service,
    "discovery.k8s.io/endpointslices": _endpoint_slice,
    "networking.k8s.io/ingressclasses": _ingress_class,
    "networking.k8s.io/ingresses": _ingress,
    "networking.k8s.io/ipaddresses": _ip_address,
    "networking.k8s.io/networkpolicies": _network_policy,
    "networking.k8s.io/servicecidrs": _service_cidr,
}
