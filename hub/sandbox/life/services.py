"""Services: those of type LoadBalancer get an address from outside."""

import ipaddress

from hub.sandbox.kinds.values import at, items_at
from hub.sandbox.life.kinds import SERVICES
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

# Addresses for documentation: nobody has them.
_OUTSIDE = ipaddress.ip_network("198.51.100.0/24")


def keep(world: World, place: Place) -> float | None:
    """Give a balancer an address, and take it from what is none."""
    service = world.get(SERVICES, place)
    if service is None or is_leaving(service):
        return None
    given = items_at(service, "status", "loadBalancer", "ingress")
    is_balancer = at(service, "spec", "type") == "LoadBalancer"
    if is_balancer and not given:
        ingress = {"ip": _address(world), "ipMode": "VIP"}
        world.set_status(SERVICES, service, {**service["status"], "loadBalancer": {"ingress": [ingress]}})
    elif given and not is_balancer:
        world.set_status(SERVICES, service, {**service["status"], "loadBalancer": {}})
    return None


def _address(world: World) -> str:
    services = world.all(SERVICES)
    taken = {
        one.get("ip") for value in services for one in items_at(value, "status", "loadBalancer", "ingress")
    }
    return next((one for one in map(str, _OUTSIDE.hosts()) if one not in taken), str(_OUTSIDE[1]))
