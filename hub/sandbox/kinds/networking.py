"""Ingresses, their classes, NetworkPolicies and EndpointSlices. Pure."""

import ipaddress
from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import forbidden, required, unchanged, unsupported, wrong, wrongs
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.rule import Rules
from hub.sandbox.kinds.services import faults_of_port, is_address
from hub.sandbox.kinds.values import at, child, fill, indexed, items_at, mapping_at
from hub.sandbox.refusals import Cause

_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_KINDS_OF_PATH = ("Exact", "ImplementationSpecific", "Prefix")
_PORT_NUMBER = "port name or number is required"


def _faults_of_ingress(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    rules = items_at(spec, "rules")
    if not rules and spec.get("defaultBackend") is None:
        yield wrong("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend") is not None:
        yield from _faults_of_backend("spec.defaultBackend", mapping_at(spec, "defaultBackend"))
    for path, rule in indexed("spec.rules", rules):
        yield from _faults_of_host(f"{path}.host", rule.get("host") or "")
        if rule.get("http") is not None:
            yield from _faults_of_paths(f"{path}.http.paths", items_at(rule, "http", "paths"))
    for path, one in indexed("spec.tls", items_at(spec, "tls")):
        for index, host in enumerate(one.get("hosts") or ()):
            named = names.wildcard_subdomain if "*" in host else names.subdomain
            yield from wrongs(f"{path}.hosts[{index}]", host, named(host))
        if secret := one.get("secretName"):
            yield from wrongs(f"{path}.secretName", secret, names.subdomain(secret))
    if name := spec.get("ingressClassName"):
        yield from wrongs("spec.ingressClassName", name, names.subdomain(name))


def _faults_of_host(field: str, host: str) -> Iterator[Cause]:
    if not host:
        return
    if is_address(host):
        yield wrong(field, host, "must be a DNS name, not an IP address")
    rule = names.wildcard_subdomain if "*" in host else names.subdomain
    yield from wrongs(field, host, rule(host))


def _faults_of_paths(field: str, paths: list[Object]) -> Iterator[Cause]:
    if not paths:
        yield required(field)
    for place, one in indexed(field, paths):
        if (kind := one.get("pathType")) is None:
            yield required(f"{place}.pathType", "pathType must be specified")
            continue
        path = one.get("path") or ""
        if kind not in _KINDS_OF_PATH:
            yield unsupported(f"{place}.pathType", kind, _KINDS_OF_PATH)
        elif not path.startswith("/") and (path or kind != "ImplementationSpecific"):
            yield wrong(f"{place}.path", path, "must be an absolute path")
        if kind in ("Exact", "Prefix"):
            yield from wrongs(
                f"{place}.path", path, [f"must not contain '{bad}'" for bad in _BAD_PARTS if bad in path]
            )
            ends = [f"cannot end with '{bad}'" for bad in _BAD_ENDS if path.endswith(bad)]
            yield from wrongs(f"{place}.path", path, ends)
        yield from _faults_of_backend(f"{place}.backend", mapping_at(one, "backend"))


def _faults_of_backend(field: str, backend: Object) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield wrong(field, "", "cannot set both resource and service backends")
    elif resource is not None:
        for key in ("kind", "name"):
            if not resource.get(key):
                yield required(f"{field}.resource.{key}")
    elif service is not None:
        yield from _faults_of_target(field, service)
    else:
        yield wrong(field, "", "resource or service backend is required")


def _faults_of_target(field: str, service: Object) -> Iterator[Cause]:
    if not (name := service.get("name")):
        yield required(f"{field}.service.name")
    else:
        yield from wrongs(f"{field}.service.name", name, names.label(name))
    named, number = at(service, "port", "name"), at(service, "port", "number")
    if named and number:
        yield wrong(field, "", "cannot set both port name & port number")
    elif named:
        yield from wrongs(f"{field}.service.port.name", named, names.port_name(named))
    elif number:
        yield from wrongs(f"{field}.service.port.number", number, names.port_number(number))
    else:
        yield required(field, _PORT_NUMBER)


def _default_policy(value: Object) -> None:
    spec = child(value, "spec")
    child(spec, "podSelector")
    for rule in (*items_at(spec, "ingress"), *items_at(spec, "egress")):
        for port in items_at(rule, "ports"):
            fill(port, protocol="TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _faults_of_policy(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    yield from faults_of_selector("spec.podSelector", mapping_at(spec, "podSelector"))
    for way, side in (("ingress", "from"), ("egress", "to")):
        for path, rule in indexed(f"spec.{way}", items_at(spec, way)):
            for place, port in indexed(f"{path}.ports", items_at(rule, "ports")):
                if port.get("port") is not None:
                    yield from faults_of_port(f"{place}.port", port["port"])
                if isinstance(number := port.get("port"), int) and number > (port.get("endPort") or number):
                    yield wrong(f"{place}.endPort", number, "must be greater than or equal to `port`")
                if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
                    yield unsupported(f"{place}.protocol", port.get("protocol"), ("TCP", "UDP", "SCTP"))
            for place, peer in indexed(f"{path}.{side}", items_at(rule, side)):
                yield from _faults_of_peer(place, peer)
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in ("Ingress", "Egress"):
            yield unsupported(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"))


def _faults_of_peer(path: str, peer: Object) -> Iterator[Cause]:
    given = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    if not given:
        yield required(path, "must specify a peer")
    if "ipBlock" in given and len(given) > 1:
        yield forbidden(path, "may not specify both ipBlock and another peer")
    for key in ("podSelector", "namespaceSelector"):
        if key in given:
            yield from faults_of_selector(f"{path}.{key}", mapping_at(peer, key))
    if "ipBlock" in given:
        block = at(peer, "ipBlock", "cidr") or ""
        if not block:
            yield required(f"{path}.ipBlock.cidr")
        elif not _is_block(block):
            why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield wrong(f"{path}.ipBlock.cidr", block, why)


def _is_block(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _default_class(value: Object) -> None:
    if parameters := at(value, "spec", "parameters"):
        fill(parameters, scope="Cluster")


def _faults_of_class_change(before: Object, after: Object) -> Iterator[Cause]:
    yield from unchanged("spec.controller", at(before, "spec", "controller"), at(after, "spec", "controller"))


def _faults_of_slice_change(before: Object, after: Object) -> Iterator[Cause]:
    yield from unchanged("addressType", before.get("addressType"), after.get("addressType"))


def _default_slice(value: Object) -> None:
    value.setdefault("endpoints", None)
    value.setdefault("ports", None)
    for one in items_at(value, "endpoints"):
        child(one, "conditions")
    for port in items_at(value, "ports"):
        fill(port, protocol="TCP")
        if port.get("name") is None:
            port["name"] = ""


KINDS: Mapping[str, Rules] = {
    "Ingress": Rules(checks=_faults_of_ingress, status={"loadBalancer": {}}, counted=(("spec",),)),
    "IngressClass": Rules(
        defaults=_default_class, checks_change=_faults_of_class_change, counted=(("spec",),)
    ),
    "NetworkPolicy": Rules(
        defaults=_default_policy,
        checks=_faults_of_policy,
        counted=(("spec",),),
        rechecks_metadata=False,
    ),
}
DISCOVERY: Mapping[str, Rules] = {
    "EndpointSlice": Rules(
        defaults=_default_slice,
        checks_change=_faults_of_slice_change,
        checks_metadata_itself=False,
        counted=(("endpoints",), ("ports",), ("addressType",), ("metadata", "labels")),
    )
}
