"""The objects of an installation: the bases of `deploy/hub` and `deploy/agent` with the choices of whoever installs put in. Pure.

The bases are packaged beside the package `hub`; their kustomization.yaml says which files there are, so that kustomize and this
module read the same.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from ipaddress import IPv6Address
from typing import Any, Self

import yaml

from agent.kit.errors import Stalled
from agent.kube.api import Object
from agent.version import VERSION
from hub.model import annotations, installation

NODE_PORTS = range(30000, 32768)
BOOTSTRAP_TOKEN = "fleet.cartwheel.dev/join-token"  # noqa: S105  (an annotation)
WATCH_NAMESPACE = "CARTWHEEL_WATCH_NAMESPACE"
ADDRESSES = "fleet.cartwheel.dev/addresses"
CLUSTER_UID = "fleet.cartwheel.dev/cluster-uid"


class Expose(StrEnum):
    """How the hub's Service is reached from outside the management cluster."""

    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    CLUSTER_IP = "ClusterIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where something listens, as whoever dials says it."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT`, an IPv6 address in brackets. Raises Stalled."""
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not (colon and bare and port.isdecimal() and 0 < int(port) < 65536) or (
            ":" in bare and bare == host
        ):
            raise Stalled(
                f"{text!r} is no address; write HOST:PORT, such as hub.example.com:7443", reason="NoAddress"
            )
        return cls(host=bare, port=int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if _is_ipv6(self.host) else f"{self.host}:{self.port}"

    def next_port(self) -> "Address":
        """Return the address one port further, where the enrol listener is unless told otherwise."""
        return Address(host=self.host, port=self.port + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where agents find a hub."""

    expose: Expose
    address: Address
    enrol_address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class HubChoices:
    """What differs between hubs. Without a CA certificate the ConfigMap names none."""

    image: str
    place: Place
    ca_certificate: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    beside_flux: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChoices:
    """What differs between agents. `cluster` is `NAMESPACE/NAME`; `only_namespace` is empty for an agent of the whole cluster."""

    image: str
    cluster: str
    cluster_uid: str
    address: Address
    enrol_address: Address
    ca_certificate: str
    token: str = field(repr=False)
    only_namespace: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.only_namespace or installation.NAMESPACE


def default_image(name: str) -> str:
    """Return the image of this version of `cartwheel-hub` or `cartwheel-agent`."""
    return f"{name}:{VERSION}"


def hub_namespace() -> list[Object]:
    """Return the first of the hub's objects, in which its Secrets are."""
    return _read("hub_files", "namespace.yaml")


def running_objects() -> list[Object]:
    """Return what runs and what it may do, hub and agent, without the namespace and what is kept in it."""
    everything = [*_base("hub_files"), *_base("agent_files")]
    return [one for one in everything if one["kind"] != "Namespace"]


def running_rights() -> tuple[list[Object], list[Object]]:
    """Return the accounts and rights of the hub and of an agent, without what runs."""
    kinds = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    hub, agent = _base("hub_files"), _base("agent_files")
    return [one for one in hub if one["kind"] in kinds], [one for one in agent if one["kind"] in kinds]


def hub_objects(choices: HubChoices) -> list[Object]:
    """Return everything of the hub but CRDs and Secrets, in the order to apply."""
    objects = _base("hub_files")
    config = {
        installation.ADDRESS_KEY: str(choices.place.address),
        installation.ENROL_ADDRESS_KEY: str(choices.place.enrol_address),
    }
    if choices.ca_certificate:
        config[installation.CA_CERTIFICATE_KEY] = choices.ca_certificate
    if choices.beside_flux:
        config[installation.BESIDE_FLUX_KEY] = "true"
    for one in objects:
        match one["kind"], one["metadata"]["name"]:
            case "Service", installation.HUB:
                _expose(one, choices.place)
            case "Deployment", _:
                _run(one, choices.image, choices.env)
                # Its environment is read once, and its certificates are for these addresses.
                _template(one)["metadata"]["annotations"][ADDRESSES] = (
                    f"{choices.place.address} {choices.place.enrol_address}"
                )
    objects.insert(1, _named("ConfigMap", installation.HUB, installation.NAMESPACE, data=config))
    return objects


def agent_frame(only_namespace: str) -> list[Object]:
    """Return an agent's namespace (unless it is somebody else's), rights and Deployment."""
    objects = _base("agent_files")
    if only_namespace:
        objects = [*_read("agent_files", "rights-namespace.yaml"), *_of_kind(objects, "Deployment")]
    for one in objects:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = only_namespace or installation.NAMESPACE
        for subject in one.get("subjects", ()):
            subject["namespace"] = only_namespace or installation.NAMESPACE
    return objects


def agent_objects(choices: AgentChoices) -> list[Object]:
    """Return everything of an agent, the Secret with its join token included, in the order to apply."""
    objects = agent_frame(choices.only_namespace)
    limit = {WATCH_NAMESPACE: choices.only_namespace} if choices.only_namespace else {}
    for one in _of_kind(objects, "Deployment"):
        _run(one, choices.image, {**choices.env, **limit})
        # A new token is a new Pod: a mounted Secret arrives late, and an agent reads it once.
        _template(one)["metadata"]["annotations"][BOOTSTRAP_TOKEN] = choices.token.partition(".")[0]
    secret = _named(
        "Secret",
        installation.BOOTSTRAP_SECRET,
        choices.namespace,
        annotations={CLUSTER_UID: choices.cluster_uid},
        data=encoded(
            {
                installation.TOKEN_KEY: choices.token,
                installation.CA_CERTIFICATE_KEY: choices.ca_certificate,
                installation.ADDRESS_KEY: str(choices.address),
                installation.ENROL_ADDRESS_KEY: str(choices.enrol_address),
                installation.CLUSTER_KEY: choices.cluster,
            }
        ),
    )
    objects.insert(len(objects) - 1, secret)
    return objects


def secret_object(name: str, data: Mapping[str, str], *, labels: Mapping[str, str] | None = None) -> Object:
    """Return a Secret of the hub's namespace."""
    secret = _named("Secret", name, installation.NAMESPACE, data=encoded(data))
    secret["metadata"]["labels"] |= labels or {}
    return secret


def encoded(data: Mapping[str, str]) -> dict[str, str]:
    """Return texts as the API server keeps a Secret's data."""
    return {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}


def decoded(secret: Object) -> dict[str, str]:
    """Return a Secret's data as texts; only for Secrets of ours, which hold nothing else."""
    return {name: base64.b64decode(text).decode() for name, text in (secret.get("data") or {}).items()}


def container_of(deployment: Object) -> Object:
    """Return the container of a Deployment of ours."""
    first: Object = _pod(deployment)["containers"][0]
    return first


def base_env(name: str) -> list[Object]:
    """Return the environment that the base of the Deployment `cartwheel-hub` or `cartwheel-agent` has."""
    return next(
        list(container_of(one)["env"])
        for one in running_objects()
        if one["kind"] == "Deployment" and one["metadata"]["name"] == name
    )


def _run(deployment: Object, image: str, env: Mapping[str, str]) -> None:
    container = container_of(deployment)
    container["image"] = image
    others = [one for one in container["env"] if one["name"] not in env]
    container["env"] = [*others, *({"name": key, "value": value} for key, value in env.items())]


def _expose(service: Object, place: Place) -> None:
    service["spec"]["type"] = place.expose.value
    for port, address in zip(service["spec"]["ports"], (place.address, place.enrol_address), strict=True):
        match place.expose:
            case Expose.NODE_PORT if address.port in NODE_PORTS:
                port["nodePort"] = address.port
            case Expose.LOAD_BALANCER | Expose.CLUSTER_IP:
                port["port"] = address.port


def _named(
    kind: str,
    name: str,
    namespace: str,
    *,
    data: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> Object:
    metadata: Object = {"name": name, "namespace": namespace, "labels": {_PART_OF: _CARTWHEEL}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": dict(data)}


_PART_OF = annotations.PART_OF
_CARTWHEEL = installation.PART_OF_VALUE


def _base(folder: str) -> list[Object]:
    listing: dict[str, Any] = yaml.safe_load((files("hub") / folder / "kustomization.yaml").read_text())
    return [one for name in listing["resources"] for one in _read(folder, name)]


def _read(folder: str, name: str) -> list[Object]:
    return list(yaml.safe_load_all((files("hub") / folder / name).read_text()))


def _of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [one for one in objects if one["kind"] == kind]


def _template(deployment: Object) -> Object:
    template: Object = deployment["spec"]["template"]
    return template


def _pod(deployment: Object) -> Object:
    pod: Object = _template(deployment)["spec"]
    return pod


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True
