"""Brings an agent to a cluster: registers the Cluster, makes its join token, applies the agent, waits until it is connected.

Every step looks before it writes, so that the same command again repairs what is half done and changes nothing that is whole.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.kube.api import Api, Object, PatchType
from agent.kube.errors import NotFound
from agent.kube.resources import CONFIG_MAPS, SECRETS
from hub.cli import output
from hub.cli.applying import apply, find
from hub.cli.client import Caller, Failed
from hub.cli.manifests import (
    CLUSTER_UID,
    Address,
    AgentChoices,
    agent_frame,
    agent_objects,
    decoded,
    default_image,
    secret_object,
)
from hub.cli.progress import Progress, deployment_progress, wait
from hub.cli.reaching import check_reach, pod
from hub.cli.running import Run, settle
from hub.gateway.ca import key_fingerprint
from hub.model import installation, jointoken
from hub.model.cluster import CONNECTED, ENROLLED, Certificate, Cluster
from hub.model.durations import Duration, instant
from hub.model.jointoken import JoinToken
from hub.resources import CLUSTERS

_GROUND = ("Namespace", "ServiceAccount")
"""What a Pod of the agent's image needs before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """Where agents find the hub, and by which certificate they know it."""

    address: Address
    enrol_address: Address
    ca_certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """An agent that is to be: `hub` is where it dials to, `asked` what of its image and environment was said."""

    cluster: Cluster
    hub: HubFacts
    asked: Run
    only_namespace: str = ""
    valid_for: timedelta = timedelta(hours=24)
    checks_reach: bool = True

    @property
    def name(self) -> str:
        return f"{self.cluster.metadata.namespace}/{self.cluster.metadata.name}"

    @property
    def agent_namespace(self) -> str:
        return self.only_namespace or installation.NAMESPACE

    def reach_pod(self, image: str) -> Object:
        return pod(
            self.agent_namespace,
            image,
            address=self.hub.address,
            enrol_address=self.hub.enrol_address,
            ca=self.hub.ca_certificate,
        )

    def objects(self, token: str, run: Run) -> list[Object]:
        return agent_objects(
            AgentChoices(
                image=run.image or default_image(installation.AGENT),
                env=run.env,
                cluster=self.name,
                cluster_uid=self.cluster.metadata.uid,
                address=self.hub.address,
                enrol_address=self.hub.enrol_address,
                ca_certificate=self.hub.ca_certificate,
                token=token,
                only_namespace=self.only_namespace,
            )
        )


async def hub_facts(api: Api) -> HubFacts:
    """Read where the installed hub is. Raises Failed when none is installed."""
    config = await find(api, CONFIG_MAPS, installation.NAMESPACE, installation.HUB)
    data: Mapping[str, str] = (config or {}).get("data") or {}
    missing = [
        key
        for key in (installation.ADDRESS_KEY, installation.ENROL_ADDRESS_KEY, installation.CA_CERTIFICATE_KEY)
        if key not in data
    ]
    if missing:
        raise Failed(
            f"ConfigMap {installation.NAMESPACE}/{installation.HUB} of the management cluster does not say the hub's"
            f" {', '.join(missing)}; run `hub install` there first, or name that cluster with --context before the command"
        )
    return HubFacts(
        address=Address.parse(data[installation.ADDRESS_KEY]),
        enrol_address=Address.parse(data[installation.ENROL_ADDRESS_KEY]),
        ca_certificate=data[installation.CA_CERTIFICATE_KEY],
    )


async def register(api: Api, namespace: str, name: str, labels: Mapping[str, str]) -> Cluster:
    """Create the Cluster, or set the labels on the one that is there; others stay."""
    raw = await find(api, CLUSTERS, namespace, name)
    if raw is None:
        body: Object = {
            "apiVersion": CLUSTERS.api_version,
            "kind": CLUSTERS.kind,
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
            "spec": {},
        }
        try:
            raw = await api.create(CLUSTERS, namespace, body, field_manager=installation.FIELD_MANAGER)
        except NotFound as problem:
            raise Failed(
                f"Cluster {namespace}/{name} cannot be created: {problem}; create the namespace, or run `hub install` first"
            ) from problem
        output.success(f"Cluster/{namespace}/{name} created")
        return Cluster.parse(raw)
    cluster = Cluster.parse(raw)
    if cluster.metadata.is_being_deleted:
        raise Failed(
            f"Cluster {namespace}/{name} is being removed; wait until `hub cluster get {name}` no longer finds it"
        )
    if any(cluster.metadata.labels.get(key) != value for key, value in labels.items()):
        patch = {"metadata": {"labels": dict(labels)}}
        raw = await api.patch(
            CLUSTERS, namespace, name, patch, kind=PatchType.MERGE, field_manager=installation.FIELD_MANAGER
        )
        output.success(f"Cluster/{namespace}/{name} labelled")
    return Cluster.parse(raw)


async def issue_token(management: Api, cluster: Cluster, *, now: datetime, valid_for: timedelta) -> str:
    """Make a join token for a Cluster, store its hash for the hub, and return its text."""
    text, stored = jointoken.make(
        id_=secrets.token_hex(5),
        secret=secrets.token_urlsafe(32),
        cluster=cluster.metadata,
        now=now,
        valid_for=valid_for,
    )
    data = {key: value for key, value in stored.data().items() if value}
    body = secret_object(stored.secret_name, data, labels={jointoken.LABEL: jointoken.LABEL_VALUE})
    await management.create(SECRETS, installation.NAMESPACE, body, field_manager=installation.FIELD_MANAGER)
    return text


async def refuse_another_clusters_agent(remote: Api, agent_namespace: str, name: str) -> None:
    """Raise Failed when the agent that is there belongs to another Cluster than `name` (`NAMESPACE/NAME`)."""
    bootstrap = await find(remote, SECRETS, agent_namespace, installation.BOOTSTRAP_SECRET)
    other = decoded(bootstrap).get(installation.CLUSTER_KEY, name) if bootstrap else name
    if other != name:
        raise Failed(
            f"the agent in namespace {agent_namespace} of that cluster belongs to Cluster {other}; run"
            f" `hub cluster remove {other.rpartition('/')[2]} -n {other.partition('/')[0]}` first, or check --context"
        )


async def place_agent(
    caller: Caller, management: Api, remote: Api, enrolment: Enrolment, *, deadline_s: float
) -> None:
    """Apply the agent to its cluster, with the token that it has if that is still good."""
    namespace = enrolment.agent_namespace
    run = await settle(remote, namespace, installation.AGENT, enrolment.asked)
    frame = agent_frame(enrolment.only_namespace)
    await apply(remote, [one for one in frame if one["kind"] in _GROUND])
    # 1. An agent that cannot reach the hub would only be silent, and its token would be made for nothing.
    if enrolment.checks_reach and not enrolment.cluster.conditions.is_true(CONNECTED):
        await check_reach(caller, remote, enrolment.reach_pod(str(run.image)), deadline_s=deadline_s)
    # 2. The token is in the hub before the agent that shows it is there.
    token = await _token(management, remote, enrolment, now=caller.clock.now())
    objects = enrolment.objects(token, run)
    await apply(remote, [one for one in objects if one["kind"] not in _GROUND])


async def _token(management: Api, remote: Api, enrolment: Enrolment, *, now: datetime) -> str:
    """Return the token that the agent has, or a new one when that opens nothing."""
    namespace = enrolment.agent_namespace
    bootstrap = await find(remote, SECRETS, namespace, installation.BOOTSTRAP_SECRET)
    identity = await find(remote, SECRETS, namespace, installation.IDENTITY_SECRET)
    token = decoded(bootstrap).get(installation.TOKEN_KEY, "") if bootstrap else ""
    stored = await _stored(management, token) if token else None
    same = bootstrap is not None and is_of(bootstrap, enrolment.cluster)
    key = _key_of(identity)
    if same and is_good(stored, enrolment.cluster.status.certificate, key, now=now):
        return token
    is_foreign = stored is not None and stored.used_by not in ("", key)
    if bootstrap is not None and identity is not None and (is_foreign or not same):
        # It is of another cluster, or of a Cluster of that name that is no more: this one's agent gets a key of its own.
        await remote.delete(SECRETS, namespace, installation.IDENTITY_SECRET, uid=identity["metadata"]["uid"])
    token = await issue_token(management, enrolment.cluster, now=now, valid_for=enrolment.valid_for)
    output.generated(f"join token for Cluster {enrolment.name}, good for {Duration.of(enrolment.valid_for)}")
    return token


def is_of(bootstrap: Object, cluster: Cluster) -> bool:
    """Tell whether a bootstrap Secret was made for this very Cluster, not an earlier one of the same name."""
    annotations: Mapping[str, str] = bootstrap["metadata"].get("annotations") or {}
    return annotations.get(CLUSTER_UID) == cluster.metadata.uid


def is_good(stored: JoinToken | None, certificate: Certificate, key: str, *, now: datetime) -> bool:
    """Tell whether a token still opens the door, or has opened it to the agent that is there and whose certificate is good.

    `key` is the fingerprint of that agent's key, empty when it has none; `certificate` is the one that the hub knows.
    """
    if stored is None or stored.revoked:
        return False
    if stored.used_by:
        return stored.used_by == key == certificate.key_fingerprint and now < instant(certificate.not_after)
    return now < instant(stored.expires)


def _key_of(identity: Object | None) -> str:
    """Return the fingerprint of an agent's key, empty when there is none that can be read."""
    try:
        return key_fingerprint(decoded(identity).get("tls.key", "").encode()) if identity else ""
    except ValueError:
        return ""


async def wait_connected(
    caller: Caller, management: Api, remote: Api, enrolment: Enrolment, *, deadline_s: float
) -> None:
    """Wait until the hub says that the Cluster is Connected, saying on the way what the agent does."""

    async def look() -> Progress:
        metadata = enrolment.cluster.metadata
        cluster = Cluster.parse(await management.get(CLUSTERS, metadata.namespace, metadata.name))
        agent = await deployment_progress(remote, enrolment.agent_namespace, installation.AGENT)
        # Connected may still be said of the agent that this one takes the place of.
        done = agent.done and cluster.conditions.is_true(CONNECTED)
        return Progress(
            done=done, message="; ".join(part for part in (_describe(cluster), agent.message) if part)
        )

    await wait(caller, look, deadline_s=deadline_s, subject=f"Cluster {enrolment.name} to be connected")
    output.success(f"Cluster {enrolment.name} is connected")


def _describe(cluster: Cluster) -> str:
    """Say how far the Cluster is, in the hub's words where it has some."""
    name = f"Cluster {cluster.metadata.namespace}/{cluster.metadata.name}"
    for type_, lack in ((ENROLLED, "is not enrolled yet"), (CONNECTED, "is enrolled, not connected yet")):
        if not cluster.conditions.is_true(type_):
            condition = cluster.conditions.get(type_)
            return f"{name} {lack}" + (f": {condition.message}" if condition and condition.message else "")
    return f"{name} is connected"


async def _stored(management: Api, token: str) -> JoinToken | None:
    name = jointoken.NAME_PREFIX + token.partition(".")[0]
    secret = await find(management, SECRETS, installation.NAMESPACE, name)
    return JoinToken.of_data(decoded(secret)) if secret else None
