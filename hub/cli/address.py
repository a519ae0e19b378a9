"""Where a hub that is being installed will be found: as told, else as it was, else as the way of exposing it gives."""

from dataclasses import dataclass

from agent.kube.api import Api, Object, Resource
from agent.kube.resources import CONFIG_MAPS, SERVICES
from hub.cli.applying import apply, find, subject
from hub.cli.client import Caller, Failed
from hub.cli.manifests import Address, Expose, HubChoices, Place, hub_objects
from hub.cli.progress import Progress, wait
from hub.model import installation

NODES = Resource(group="", version="v1", plural="nodes", kind="Node", namespaced=False)
NODE_PORT = 30743
_SERVICE = f"Service/{installation.NAMESPACE}/{installation.HUB}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options said; None where nothing was said."""

    address: Address | None
    enrol_address: Address | None
    expose: Expose | None


async def choose(caller: Caller, api: Api, asked: Asked, *, deadline_s: float) -> Place:
    """Return the choices with addresses. The Service may be created on the way, since a load balancer gives its address late."""
    service = await find(api, SERVICES, installation.NAMESPACE, installation.HUB)
    expose = asked.expose or (Expose(service["spec"]["type"]) if service else Expose.NODE_PORT)
    address, enrol_address = asked.address, asked.enrol_address
    if address is None and asked.expose is None:
        address, before = await _as_it_was(api)
        enrol_address = enrol_address or before
    if address is None:
        address = await _exposed(caller, api, expose, deadline_s=deadline_s)
    return Place(expose=expose, address=address, enrol_address=enrol_address or address.next_port())


def without_cluster(asked: Asked) -> Place:
    """Return the choices for manifests that are only printed. Raises Failed when the address would have to be looked up."""
    expose = asked.expose or Expose.NODE_PORT
    address = asked.address or (_service_address() if expose is Expose.CLUSTER_IP else None)
    if address is None:
        raise Failed(
            "--export reads no cluster and cannot find the hub's address; give it with --address HOST:PORT"
        )
    return Place(expose=expose, address=address, enrol_address=asked.enrol_address or address.next_port())


async def _as_it_was(api: Api) -> tuple[Address | None, Address | None]:
    config = await find(api, CONFIG_MAPS, installation.NAMESPACE, installation.HUB)
    data = (config or {}).get("data") or {}
    found = [data.get(key) for key in (installation.ADDRESS_KEY, installation.ENROL_ADDRESS_KEY)]
    address, enrol_address = (Address.parse(text) if text else None for text in found)
    return address, enrol_address


async def _exposed(caller: Caller, api: Api, expose: Expose, *, deadline_s: float) -> Address:
    match expose:
        case Expose.CLUSTER_IP:
            return _service_address()
        case Expose.NODE_PORT:
            return Address(host=node_host((await api.list(NODES)).items), port=NODE_PORT)
        case Expose.LOAD_BALANCER:
            return await _balanced(caller, api, deadline_s=deadline_s)


async def _balanced(caller: Caller, api: Api, *, deadline_s: float) -> Address:
    placeholder = _service_address()
    place = Place(expose=Expose.LOAD_BALANCER, address=placeholder, enrol_address=placeholder.next_port())
    choices = HubChoices(image="", place=place)
    await apply(api, [one for one in hub_objects(choices) if subject(one) == _SERVICE])
    found: list[str] = []

    async def look() -> Progress:
        service = await api.get(SERVICES, installation.NAMESPACE, installation.HUB)
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        found.extend(one.get("hostname") or one.get("ip") or "" for one in ingress)
        return Progress(
            done=any(found),
            message=f"Service {installation.NAMESPACE}/{installation.HUB} has no load balancer address yet; give one with --address",
        )

    await wait(caller, look, deadline_s=deadline_s, subject="the load balancer's address")
    return Address(host=next(host for host in found if host), port=placeholder.port)


def node_host(nodes: list[Object]) -> str:
    """Return an address of a node that agents may reach: external before internal, ready nodes only. Raises Failed."""
    ready = [node for node in nodes if _is_ready(node)]
    for type_ in ("ExternalIP", "InternalIP"):
        for node in ready:
            for address in node.get("status", {}).get("addresses", ()):
                if address["type"] == type_:
                    return str(address["address"])
    raise Failed(
        "no ready node has an address that agents could dial; give the hub's address with --address HOST:PORT"
    )


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _service_address() -> Address:
    return Address(host=f"{installation.HUB}.{installation.NAMESPACE}.svc", port=installation.SESSION_PORT)
