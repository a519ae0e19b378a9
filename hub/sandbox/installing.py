"""Brings a hub and agents into clusters in memory as the commands of an installation do: namespaces, schemas, rights, the CA, join tokens.

State: none but what is written to the clusters.
"""

import secrets
from collections.abc import Iterable, Mapping

import msgspec

from agent.kit.clock import Clock, SystemRandomness
from agent.kit.settings import PREFIX, Environment
from agent.kit.telemetry import Telemetry
from agent.kube.api import Api, Object
from agent.kube.client import Client
from agent.kube.discovery import Discovery
from agent.kube.resources import SECRETS
from agent.kube.transport import Transport
from agent.main import Agent, leadership_of
from agent.settings import read_settings
from hub.crds import packaged
from hub.gateway.ca import make_authority
from hub.model import installation, jointoken
from hub.model.cluster import Cluster
from hub.resources import CLUSTERS
from hub.sandbox.wire import Caller

_MANAGER = "cartwheel-sandbox"


def accounts() -> Mapping[str, Caller]:
    """Return the ServiceAccounts of hub and agent, each by a token that is its name."""
    return {
        one: Caller(
            name=f"system:serviceaccount:{installation.NAMESPACE}:{one}",
            groups=("system:serviceaccounts", f"system:serviceaccounts:{installation.NAMESPACE}"),
        )
        for one in (installation.HUB, installation.AGENT)
    }


async def install_hub(api: Api, rights: Iterable[Object], *, clock: Clock) -> bytes:
    """Install everything that a hub needs, and return the certificate of its CA."""
    await apply(api, [dict(one) for one in packaged()], clock=clock)
    namespaces = (installation.NAMESPACE, installation.CLUSTERS_NAMESPACE)
    await apply(api, [namespace(one) for one in namespaces], clock=clock)
    await apply(api, rights, clock=clock)
    certificate, key = make_authority(now=clock.now())
    names = (installation.CA_CERTIFICATE_KEY, installation.CA_KEY_KEY)
    texts = (certificate.decode(), key.decode())
    await _create_secret(api, installation.CA_SECRET, dict(zip(names, texts, strict=True)))
    return certificate


async def register(api: Api, name: str, labels: Mapping[str, str], *, clock: Clock) -> str:
    """Make a Cluster in the management cluster, and return a join token for it."""
    metadata = {"name": name, "namespace": installation.CLUSTERS_NAMESPACE, "labels": dict(labels)}
    body = {"apiVersion": CLUSTERS.api_version, "kind": CLUSTERS.kind, "metadata": metadata, "spec": {}}
    made = await api.create(CLUSTERS, installation.CLUSTERS_NAMESPACE, body, field_manager=_MANAGER)
    text, stored = jointoken.make(
        id_=secrets.token_hex(5),
        secret=secrets.token_urlsafe(32),
        cluster=Cluster.parse(made).metadata,
        now=clock.now(),
        valid_for=jointoken.AGAIN,
    )
    labels = {jointoken.LABEL: jointoken.LABEL_VALUE}
    await _create_secret(api, stored.secret_name, stored.data(), labels)
    return text


async def install_agent(api: Api, rights: Iterable[Object], *, clock: Clock) -> None:
    """Install everything that an agent needs in its cluster."""
    await apply(api, [namespace(installation.NAMESPACE), *rights], clock=clock)


def make_agent(transport: Transport, instance: str, variables: Mapping[str, str], *, clock: Clock) -> Agent:
    """Return an agent of production, to be run in this process; `variables` are its settings without their prefix."""
    named = {f"{PREFIX}{name}": value for name, value in variables.items()}
    settings = read_settings(Environment({"POD_NAME": instance, **named}))
    leadership = leadership_of(settings, Client(transport, clock=clock), clock)
    return Agent(
        settings,
        Client(transport, clock=clock, may_write=lambda: leadership.holds),
        leadership,
        clock=clock,
        randomness=SystemRandomness(),
        telemetry=Telemetry(),
    )


async def apply(api: Api, objects: Iterable[Object], *, clock: Clock) -> None:
    """Apply objects of any kind, in their order."""
    discovery = Discovery(api, clock=clock)
    for one in objects:
        group, _, version = one["apiVersion"].rpartition("/")
        resource = await discovery.resolve(group, version, one["kind"])
        metadata, body = one["metadata"], msgspec.json.encode(one)
        place = metadata.get("namespace", "")
        await api.apply(resource, place, metadata["name"], body, field_manager=_MANAGER)


def namespace(name: str) -> Object:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


async def _create_secret(
    api: Api, name: str, data: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> None:
    metadata = {"name": name, "namespace": installation.NAMESPACE, "labels": dict(labels or {})}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}
    await api.create(SECRETS, installation.NAMESPACE, body, field_manager=_MANAGER)
