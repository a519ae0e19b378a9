"""What a Service is given when it is stored: an address, families, ports of nodes. Pure: what is taken, the other Services say.

The lowest that is free is given, where a real server draws lots.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.kube.api import Object
from hub.sandbox.kinds.faults import wrong
from hub.sandbox.kinds.services import (
    HEADLESS,
    faults_of_addresses,
    has_address,
    has_health_port,
    has_node_ports,
)
from hub.sandbox.kinds.values import at, child, copied, items_at, mapping_at
from hub.sandbox.refusals import Cause

_TAKEN_PORT = "provided port is already allocated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What a cluster has to give: addresses of one family, and ports of its nodes."""

    addresses: str = "10.0.0.0/16"
    first_port: int = 30000
    last_port: int = 32767


class _Free:
    """What is left to be given, while one Service is served."""

    def __init__(self, ranges: Ranges, others: Iterable[Object]) -> None:
        self._ranges = ranges
        self._network = ipaddress.ip_network(ranges.addresses)
        self._addresses: set[str] = set()
        self._ports: set[int] = set()
        for one in others:
            addresses, ports = given_to(one)
            self._addresses |= addresses
            self._ports |= ports

    def address(self) -> str:
        found = next(one for one in map(str, self._network.hosts()) if one not in self._addresses)
        self._addresses.add(found)
        return found

    def why_no_address(self, address: str) -> str:
        """Return why a Service cannot have the address it wishes, nothing when it has it now."""
        try:
            is_inside = ipaddress.ip_address(address) in self._network
        except ValueError:
            is_inside = False
        if not is_inside:
            why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {self._ranges.addresses}"
        elif address in self._addresses:
            why = "provided IP is already allocated"
        else:
            self._addresses.add(address)
            return ""
        return f"failed to allocate IP {address}: {why}"

    def port(self) -> int:
        every = range(self._ranges.first_port, self._ranges.last_port + 1)
        found = next(one for one in every if one not in self._ports)
        self._ports.add(found)
        return found

    def why_no_port(self, port: int) -> str:
        """Return why a Service cannot have the port it wishes, nothing when it has it now."""
        if not self._ranges.first_port <= port <= self._ranges.last_port:
            span = f"{self._ranges.first_port}-{self._ranges.last_port}"
            return f"provided port is not in the valid range. The range of valid ports is {span}"
        if port in self._ports:
            return _TAKEN_PORT
        self._ports.add(port)
        return ""


def allocated(
    before: Object | None, service: Object, others: Iterable[Object], ranges: Ranges | None = None
) -> tuple[Object, tuple[Cause, ...]]:
    """Return a Service with all that it is given, and which of its wishes cannot be granted.

    `before`: the Service that is changed, which keeps what it has; `others`: the Services that are stored, it may be among
    them. A refusal comes before the other checks of a Service, and alone.
    """
    made: Object = copied(service)
    if not has_address(made):
        return made, ()
    spec = child(made, "spec")
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if faults := (*faults_of_addresses(made), *_faults_of_families(made)):
        return made, faults
    _set_families(made)
    free = _Free(ranges or Ranges(), others)
    return made, (*_give_address(before, made, free), *_give_ports(before, made, free))


def given_to(service: Object) -> tuple[set[str], set[int]]:
    """Return the addresses and the ports that a Service holds."""
    spec = mapping_at(service, "spec")
    ports = {one["nodePort"] for one in items_at(spec, "ports") if one.get("nodePort")}
    health = {spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set()
    return {one for one in spec.get("clusterIPs") or () if one != HEADLESS}, ports | health


def _is_open(service: Object) -> bool:
    """Tell whether a Service has no address and selects nothing: it may stand for endpoints of both families."""
    return at(service, "spec", "clusterIP") == HEADLESS and not at(service, "spec", "selector")


def _faults_of_families(service: Object) -> Iterator[Cause]:
    if _is_open(service):
        return
    policy = at(service, "spec", "ipFamilyPolicy")
    if policy == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        yield wrong("spec.ipFamilyPolicy", policy, why)
    for index, family in enumerate(at(service, "spec", "ipFamilies") or ()):
        if family != "IPv4":
            yield wrong(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _set_families(made: Object) -> None:
    spec, is_open = child(made, "spec"), _is_open(made)
    spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or ("RequireDualStack" if is_open else "SingleStack")
    spec["ipFamilies"] = spec.get("ipFamilies") or ["IPv4"]
    if is_open and spec["ipFamilyPolicy"] != "SingleStack" and len(spec["ipFamilies"]) < 2:
        spec["ipFamilies"].append("IPv6" if spec["ipFamilies"][0] == "IPv4" else "IPv4")


def _give_address(before: Object | None, made: Object, free: _Free) -> Iterator[Cause]:
    spec = child(made, "spec")
    held = given_to(before)[0] if before else set()
    wanted = spec.get("clusterIP")
    if not wanted:
        spec["clusterIP"] = free.address()
    elif wanted != HEADLESS and wanted not in held and (why := free.why_no_address(wanted)):
        yield wrong("spec.clusterIPs", [wanted], why)
    spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]


def _give_ports(before: Object | None, made: Object, free: _Free) -> Iterator[Cause]:
    spec, ports = child(made, "spec"), items_at(made, "spec", "ports")
    held = given_to(before)[1] if before else set()
    if has_node_ports(made):
        # One port that is open for two protocols has the same number for both.
        shared: dict[int, int] = {one["port"]: one["nodePort"] for one in ports if one.get("nodePort")}
        mine = set(held)
        for index, one in enumerate(ports):
            number = one.get("nodePort")
            if not number:
                one["nodePort"] = shared[one["port"]] = shared.get(one["port"]) or free.port()
            elif number not in mine and (why := free.why_no_port(number)):
                yield wrong(f"spec.ports[{index}].nodePort", number, why)
            mine.add(one["nodePort"])
    if has_health_port(made) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = free.port()
