"""What a Service is given when it is stored: an address, families, ports of nodes. Pure but for the Pool that is passed in."""

import ipaddress
from typing import Protocol

from agent.kube.api import Object
from hub.sandbox.kinds.faults import wrong
from hub.sandbox.kinds.services import HEADLESS, has_address, has_health_port, has_node_ports
from hub.sandbox.kinds.values import child, copied, items_at
from hub.sandbox.refusals import Cause

TAKEN_ADDRESS = "failed to allocate IP {0}: provided IP is already allocated"
TAKEN_PORT = "provided port is already allocated"


class Pool(Protocol):
    """The addresses and ports of a cluster. A refusal is a text, in the real server's words."""

    def free_address(self) -> str:
        """Take an address."""

    def take_address(self, address: str) -> str:
        """Take this address; return why that is not possible, nothing when it is taken."""

    def free_port(self) -> int:
        """Take a port."""

    def take_port(self, port: int) -> str:
        """Take this port; return why that is not possible, nothing when it is taken."""


def allocated(before: Object | None, service: Object, pool: Pool) -> tuple[Object, tuple[Cause, ...]]:
    """Return a Service with all that it is given, and what of its wishes cannot be given. `before` keeps what it has."""
    made: Object = copied(service)
    if not has_address(made):
        return made, ()
    _set_families(made)
    return made, (*_give_address(before, made, pool), *_give_ports(before, made, pool))


def given_to(service: Object) -> tuple[list[str], list[int]]:
    """Return the addresses and ports that a Service holds, to be taken back when it goes."""
    spec = child(copied(service), "spec")
    ports = [one["nodePort"] for one in items_at(spec, "ports") if one.get("nodePort")]
    health = [spec["healthCheckNodePort"]] if spec.get("healthCheckNodePort") else []
    return [one for one in spec.get("clusterIPs") or () if one != HEADLESS], [*ports, *health]


def _set_families(made: Object) -> None:
    spec = child(made, "spec")
    is_open = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        # Whoever selects nothing may stand for endpoints of both families.
        spec["ipFamilyPolicy"] = "RequireDualStack" if is_open else "SingleStack"
    if not spec.get("ipFamilies"):
        first = (spec.get("clusterIPs") or [spec.get("clusterIP")])[0]
        spec["ipFamilies"] = ["IPv6" if _is_six(first) else "IPv4"]
    if is_open and spec["ipFamilyPolicy"] != "SingleStack" and len(spec["ipFamilies"]) < 2:
        spec["ipFamilies"].append("IPv6" if spec["ipFamilies"][0] == "IPv4" else "IPv4")


def _is_six(address: object) -> bool:
    try:
        return ipaddress.ip_address(str(address)).version == 6
    except ValueError:
        return False


def _give_address(before: Object | None, made: Object, pool: Pool) -> list[Cause]:
    spec = child(made, "spec")
    held = given_to(before)[0] if before else []
    wanted = spec.get("clusterIP")
    if not wanted:
        spec["clusterIP"] = pool.free_address()
    elif wanted != HEADLESS and wanted not in held and (why := pool.take_address(wanted)):
        return [wrong("spec.clusterIPs", [wanted], why)]
    spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
    return []


def _give_ports(before: Object | None, made: Object, pool: Pool) -> list[Cause]:
    spec, faults = child(made, "spec"), []
    held = set(given_to(before)[1]) if before else set()
    if has_node_ports(made):
        shared: dict[int, int] = {}
        for index, one in enumerate(items_at(spec, "ports")):
            number = one.get("nodePort")
            # The same port of two protocols shares one number.
            if not number:
                one["nodePort"] = shared.get(one.get("port") or 0) or pool.free_port()
            elif number not in held and number not in shared.values() and (why := pool.take_port(number)):
                faults.append(wrong(f"spec.ports[{index}].nodePort", number, why))
            shared[one.get("port") or 0] = one["nodePort"]
    if has_health_port(made) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = pool.free_port()
    return faults
