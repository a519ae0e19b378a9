"""Services: defaults, checks, and what a change keeps. Addresses and ports of nodes are given in addresses.py. Pure."""

import ipaddress
from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import duplicate, forbidden, one_of, required, unsupported, wrong, wrongs
from hub.sandbox.kinds.metadata import faults_of_labels
from hub.sandbox.kinds.rule import Rules
from hub.sandbox.kinds.values import at, child, copied, fill, indexed, items_at, mapping_at, put
from hub.sandbox.refusals import Cause

CLUSTER_IP, NODE_PORT, BALANCER, EXTERNAL = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
HEADLESS = "None"
PROTOCOLS = ("SCTP", "TCP", "UDP")
_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def type_of(service: Object) -> str:
    return str(at(service, "spec", "type") or CLUSTER_IP)


def is_headless(service: Object) -> bool:
    first = (at(service, "spec", "clusterIPs") or [""])[0]
    return HEADLESS in (first, at(service, "spec", "clusterIP"))


def has_address(service: Object) -> bool:
    """Tell whether a Service has an address in the cluster, or says that it wants none."""
    return type_of(service) != EXTERNAL


def has_node_ports(service: Object) -> bool:
    """Tell whether a Service has ports on all nodes."""
    is_given = at(service, "spec", "allocateLoadBalancerNodePorts") is not False
    return type_of(service) == NODE_PORT or (type_of(service) == BALANCER and is_given)


def has_health_port(service: Object) -> bool:
    """Tell whether nodes say on a port of their own if they have Pods of a Service."""
    return type_of(service) == BALANCER and at(service, "spec", "externalTrafficPolicy") == "Local"


def is_reached_from_outside(service: Object) -> bool:
    kind = type_of(service)
    return kind in (NODE_PORT, BALANCER) or (kind == CLUSTER_IP and bool(at(service, "spec", "externalIPs")))


def _default(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, sessionAffinity="None", type=CLUSTER_IP)
    if not spec.get("selector"):
        spec.pop("selector", None)
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = child(child(spec, "sessionAffinityConfig"), "clientIP")
        fill(client, timeoutSeconds=10800)
    for port in items_at(spec, "ports"):
        fill(port, protocol="TCP")
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port") or 0
    if is_reached_from_outside(value):
        fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] in (CLUSTER_IP, NODE_PORT, BALANCER):
        fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] == BALANCER:
        fill(spec, allocateLoadBalancerNodePorts=True)
        for one in items_at(value, "status", "loadBalancer", "ingress"):
            if one.get("ip"):
                fill(one, ipMode="VIP")


def _keep(before: Object, made: Object) -> None:
    _keep_given(before, made)
    _agree_on_addresses(before, made)
    _drop_what_fits_no_more(before, made)


def _keep_given(before: Object, made: Object) -> None:
    """Put back what was given to a Service and an update leaves out."""
    old, spec = mapping_at(before, "spec"), child(made, "spec")
    if has_address(before) and has_address(made):
        for key in _ADDRESSES:
            if not spec.get(key):
                put(spec, key, old.get(key))
    if has_node_ports(before) and has_node_ports(made):
        given = {one.get("name") or "": one.get("nodePort") for one in items_at(old, "ports")}
        used = {one.get("nodePort") for one in items_at(spec, "ports")} & set(given.values())
        for one in items_at(spec, "ports"):
            port = given.get(one.get("name") or "")
            if not one.get("nodePort") and port and port not in used:
                one["nodePort"] = port
    if has_health_port(before) and has_health_port(made) and not spec.get("healthCheckNodePort"):
        put(spec, "healthCheckNodePort", old.get("healthCheckNodePort"))


def _agree_on_addresses(before: Object, made: Object) -> None:
    """Let the list of addresses follow the single one when only that was changed."""
    old, spec = mapping_at(before, "spec"), child(made, "spec")
    if old.get("clusterIP") != spec.get("clusterIP") and old.get("clusterIPs") == spec.get("clusterIPs"):
        put(spec, "clusterIPs", [spec["clusterIP"]] if spec.get("clusterIP") else None)


def _drop_what_fits_no_more(before: Object, made: Object) -> None:
    """Take away what a Service of the new type does not have, where the update did not change it."""
    old, spec = mapping_at(before, "spec"), child(made, "spec")

    def drop(*keys: str) -> None:
        for key in keys:
            if spec.get(key) == old.get(key):
                spec.pop(key, None)

    if has_address(before) and not has_address(made):
        drop(*_ADDRESSES)
    old_ports = [one.get("nodePort") for one in items_at(old, "ports")]
    is_same = old_ports == [one.get("nodePort") for one in items_at(spec, "ports")]
    if is_same and has_node_ports(before) and not has_node_ports(made):
        for one in items_at(spec, "ports"):
            one.pop("nodePort", None)
    if has_health_port(before) and not has_health_port(made):
        drop("healthCheckNodePort")
    if type_of(before) == BALANCER and type_of(made) != BALANCER:
        drop("allocateLoadBalancerNodePorts", "loadBalancerClass")
    if is_reached_from_outside(before) and not is_reached_from_outside(made):
        drop("externalTrafficPolicy")
    if type_of(made) != BALANCER and mapping_at(made, "status"):
        made["status"]["loadBalancer"] = {}
    if type_of(made) == EXTERNAL:
        spec.pop("internalTrafficPolicy", None)


def shown(service: Object) -> Object:
    """Return a Service as it is read."""
    if type_of(service) != EXTERNAL or "internalTrafficPolicy" not in mapping_at(service, "spec"):
        return service
    made: Object = copied(service)
    del made["spec"]["internalTrafficPolicy"]
    return made


def _prepare(value: Object) -> None:
    spec = child(value, "spec")
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def _faults(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    kind, ports = type_of(value), items_at(spec, "ports")
    if not ports and not is_headless(value) and kind != EXTERNAL:
        yield required("spec.ports")
    if kind in (NODE_PORT, BALANCER) and is_headless(value):
        yield wrong("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {kind} services")
    if kind == EXTERNAL:
        yield from _faults_of_external(spec)
    yield from _faults_of_ports(ports)
    yield from faults_of_labels("spec.selector", spec.get("selector"))
    yield from one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    yield from faults_of_addresses(value)
    yield from one_of("spec.type", spec.get("type"), (CLUSTER_IP, EXTERNAL, BALANCER, NODE_PORT))
    yield from _faults_of_pairs(kind, ports)
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != BALANCER:
        yield forbidden(
            "spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'"
        )
    yield from _faults_of_traffic(value)


def _faults_of_external(spec: Object) -> Iterator[Cause]:
    for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(key):
            yield forbidden(f"spec.{key}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        yield required("spec.externalName")
    else:
        yield from wrongs("spec.externalName", name, names.subdomain(name))


def _faults_of_ports(ports: list[Object]) -> Iterator[Cause]:
    seen: set[str] = set()
    for path, one in indexed("spec.ports", ports):
        name = one.get("name") or ""
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name:
            yield from wrongs(f"{path}.name", name, names.label(name))
            if name in seen:
                yield duplicate(f"{path}.name", name)
            seen.add(name)
        port = one.get("port") or 0
        yield from wrongs(f"{path}.port", port, names.port_number(port))
        yield from one_of(f"{path}.protocol", one.get("protocol"), PROTOCOLS)
        yield from faults_of_port(f"{path}.targetPort", one.get("targetPort"))
        if protocol := one.get("appProtocol"):
            yield from wrongs(f"{path}.appProtocol", protocol, names.qualified(protocol))


def faults_of_port(field: str, port: object) -> Iterator[Cause]:
    """Yield what is wrong with a port that is a number or a name."""
    if isinstance(port, str):
        yield from wrongs(field, port, names.port_name(port))
    else:
        number = port if isinstance(port, int) else 0
        yield from wrongs(field, number, names.port_number(number))


def faults_of_addresses(value: Object) -> Iterator[Cause]:
    """Yield what is wrong with addresses and families as they are written."""
    spec = mapping_at(value, "spec")
    if type_of(value) == EXTERNAL:
        return
    single, several = spec.get("clusterIP"), spec.get("clusterIPs") or []
    if single and several and several[0] != single:
        yield wrong("spec.clusterIPs", several, "first value must match `clusterIP`")
    elif several and not single:
        yield wrong("spec.clusterIPs", several, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in ("IPv4", "IPv6"):
            yield unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    if spec.get("ipFamilyPolicy") and spec["ipFamilyPolicy"] not in policies:
        yield unsupported("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], policies)
    for index, address in enumerate(several):
        if address != HEADLESS and not is_address(address):
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield wrong(f"spec.clusterIPs[{index}]", address, why)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _faults_of_pairs(kind: str, ports: list[Object]) -> Iterator[Cause]:
    """Yield what is wrong with ports beside each other."""
    if kind == CLUSTER_IP:
        for path, one in indexed("spec.ports", ports):
            if one.get("nodePort"):
                yield forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'")
    seen: set[tuple[str, int]] = set()
    for path, one in indexed("spec.ports", ports):
        if number := one.get("nodePort"):
            if (one.get("protocol") or "", number) in seen:
                yield duplicate(f"{path}.nodePort", number)
            seen.add((one.get("protocol") or "", number))
    seen.clear()
    for path, one in indexed("spec.ports", ports):
        key = (one.get("protocol") or "", one.get("port") or 0)
        if key in seen:
            yield duplicate(path, _as_in_go(*key))
        seen.add(key)


def _as_in_go(protocol: str, port: int) -> Object:
    """Return a port as the real server's messages show it."""
    return {
        "Name": "",
        "Protocol": protocol,
        "AppProtocol": None,
        "Port": port,
        "TargetPort": 0,
        "NodePort": 0,
    }


def _faults_of_traffic(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    outside, inside = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    if is_reached_from_outside(value):
        yield from one_of("spec.externalTrafficPolicy", outside, ("Cluster", "Local"))
    elif outside:
        why = "may only be set for externally-accessible services"
        yield wrong("spec.externalTrafficPolicy", outside, why)
    if (port := spec.get("healthCheckNodePort")) and not has_health_port(value):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield wrong("spec.healthCheckNodePort", port, why)
    if inside and inside not in ("Cluster", "Local"):
        yield unsupported("spec.internalTrafficPolicy", inside, ("Cluster", "Local"))


def _faults_of_change(before: Object, after: Object) -> Iterator[Cause]:
    """Yield what may not change: the addresses, and the health port."""
    if EXTERNAL in (type_of(before), type_of(after)) or (is_headless(before) and is_headless(after)):
        return
    old, new = at(before, "spec", "clusterIPs") or [], at(after, "spec", "clusterIPs") or []
    if old and not new:
        yield wrong("spec.clusterIPs[0]", None, "primary clusterIP can not be unset")
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other and (index == 0 or len(old) == len(new)):
            yield wrong(f"spec.clusterIPs[{index}]", new, "may not change once set")


def _faults_of_service_change(before: Object, after: Object) -> Iterator[Cause]:
    yield from _faults_of_change(before, after)
    is_same = at(before, "spec", "healthCheckNodePort") == at(after, "spec", "healthCheckNodePort")
    if has_health_port(before) and has_health_port(after) and not is_same:
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def _faults_of_status(_: Object, after: Object) -> Iterator[Cause]:
    if type_of(after) != BALANCER and at(after, "status", "loadBalancer", "ingress"):
        yield forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")


KINDS: Mapping[str, Rules] = {
    "Service": Rules(
        named=names.label,
        defaults=_default,
        prepares=_prepare,
        keeps=_keep,
        checks=_faults,
        checks_change=_faults_of_service_change,
        checks_subresource=_faults_of_status,
        checks_change_first=True,
        status={"loadBalancer": {}},
        rechecks_metadata=False,
        creates_on_update=True,
    )
}
