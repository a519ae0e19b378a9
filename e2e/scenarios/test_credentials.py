"""Who shows what is not its own, not good any more or used up is refused within five seconds, and both sides say why."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.desk import Desk
from agent.kit.clock import SystemClock
from agent.kube.access import from_kubeconfig
from agent.kube.client import Client
from agent.kube.transport import HttpTransport
from agent.link.channel import Broken, Channel, EnrolmentRefused, enroll, recover
from agent.link.identity import Credentials
from agent.model.names import Digest
from e2e.planes.plane import Plane
from e2e.scenarios.fleet import AGENT, SYSTEM, Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository
from hub.gateway.ca import Authority

IDENTITY = "cartwheel-agent-identity"
BOOTSTRAP = "cartwheel-agent-bootstrap"
WITHIN_S = 5.0
NOTHING = Digest("sha256:0")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """A cluster of its own for one test: an agent in one namespace of the west plane, added under that namespace's name."""

    fleet: Fleet
    plane: Plane
    name: str

    def add(self) -> None:
        """Add it, or what is missing of it, and wait until it is connected."""
        self.fleet.hub("cluster", "add", self.name, *self.where, *self.fleet.settings, "--timeout", "90s")

    @property
    def where(self) -> tuple[str, ...]:
        found = ("--cluster-kubeconfig", str(self.plane.kubeconfig()), "--context", self.plane.name)
        return (*found, "--namespace-only", self.name)

    @property
    def is_connected(self) -> bool:
        return self.fleet.condition("cluster", self.name, "Connected")[0] == "True"

    def cluster(self) -> Any:
        return self.fleet.management.get("cluster", self.name, "-n", "flux-system")

    def identity(self) -> dict[str, bytes]:
        return secret(self.plane, self.name, IDENTITY)

    def become(self, identity: Mapping[str, bytes]) -> None:
        """Give the agent another identity, none when there is nothing in it, and start it anew."""
        self.plane.kubectl("delete", "secret", IDENTITY, "-n", self.name, "--ignore-not-found")
        if identity:
            put_identity(self.plane, self.name, identity)
        self.plane.pods.kill9(self.name, AGENT)

    def bring(self, token: str) -> None:
        """Give the agent another join token, with which a new Pod starts."""
        patch = json.dumps({"stringData": {"token": token}})
        self.plane.kubectl("patch", "secret", BOOTSTRAP, "-p", patch, "-n", self.name)
        self.plane.kubectl("delete", "pod", "-l", AGENT, "--grace-period=0", "--force", "-n", self.name)

    def until_refused(self, since: datetime, agent_says: str, hub_says: str, about: str) -> None:
        """Wait until both have logged the reasons, in time, and the hub the cluster that it is about."""
        hub = self.fleet.management

        def refusals() -> tuple[list[Any], list[Any]]:
            mine = logged(self.plane, self.name, "cartwheel-agent", since, agent_says)
            return mine, logged(hub, SYSTEM, "cartwheel-hub", since, hub_says)

        def tell() -> str:
            return f"{refusals()}\n{self.plane.pods.logs(self.name, 'cartwheel-agent')[-3000:]}"

        self.fleet.until(lambda: all(refusals()), tell, timeout_s=60.0)
        (mine, *_), theirs = refusals()
        # From when it acts: starting a process takes as long as the machine needs for it.
        acting = [
            one
            for one in logged(self.plane, self.name, "cartwheel-agent", since)
            if one["event"] == "leading"
        ]
        begun = time_of(acting[-1]) if acting else since
        assert (time_of(mine) - begun).total_seconds() < WITHIN_S, (acting, mine)
        assert any(f"flux-system/{about}" in one.get("error", "") for one in theirs), theirs


def time_of(line: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(line["time"])


def logged(plane: Plane, namespace: str, pod: str, since: datetime, reason: str = "") -> list[dict[str, Any]]:
    """Return the log lines since then, with this reason when one is given."""
    lines = [json.loads(one) for one in plane.pods.logs(namespace, pod).splitlines() if one.startswith("{")]
    return [one for one in lines if time_of(one) >= since and (not reason or one.get("reason") == reason)]


def events(spare: Spare, since: datetime) -> set[str]:
    """Return what the agent says that has happened since then."""
    return {one["event"] for one in logged(spare.plane, spare.name, "cartwheel-agent", since)}


def secret(plane: Plane, namespace: str, name: str) -> dict[str, bytes]:
    """Return what a Secret holds."""
    data = plane.get("secret", name, "-n", namespace)["data"]
    return {key: base64.b64decode(text) for key, text in data.items()}


def put_identity(plane: Plane, namespace: str, identity: Mapping[str, bytes]) -> None:
    """Have an agent's identity in a namespace."""
    data = {name: base64.b64encode(one).decode() for name, one in identity.items()}
    metadata = {"name": IDENTITY, "namespace": namespace}
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    plane.kubectl("apply", "-f", "-", input=json.dumps(value))


def credentials(identity: Mapping[str, bytes]) -> Credentials:
    return Credentials(key=identity["tls.key"], certificate=identity["tls.crt"], ca=identity["ca.crt"])


def new_key() -> Credentials:
    """Return a key that nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Credentials(key=key.private_bytes(*form))


def addresses(fleet: Fleet) -> tuple[str, str]:
    """Return where sessions and enrolments are listened for."""
    data = fleet.management.get("configmap", "cartwheel-hub", "-n", SYSTEM)["data"]
    return data["address"], data["enrol-address"]


def enrolled(fleet: Fleet, token: str, mine: Credentials) -> Credentials:
    """Enrol by a token as an agent does."""
    ca = secret(fleet.management, SYSTEM, "cartwheel-ca")["ca.crt"]
    asking = enroll(addresses(fleet)[1], ca, token=token, request=mine.request(), timeout_s=10.0)
    certificate, ca = asyncio.run(asking)
    return Credentials(key=mine.key, certificate=certificate, ca=ca)


def fetching(*digests: Digest) -> Callable[[Channel], Awaitable[Mapping[Digest, bytes]]]:
    """Return a call that asks for content."""
    return lambda channel: channel.fetch(digests)


def renewing(mine: Credentials) -> Callable[[Channel], Awaitable[object]]:
    """Return a call that asks for a new certificate."""
    return lambda channel: channel.renew(mine.request())


def called(fleet: Fleet, mine: Credentials, call: Callable[[Channel], Awaitable[T]]) -> T:
    """Call the session listener under a certificate."""

    async def run() -> T:
        channel = Channel(addresses(fleet)[0], mine, keepalive_s=30.0, call_timeout_s=10.0)
        try:
            return await call(channel)
        finally:
            await channel.close()

    return asyncio.run(run())


@pytest.fixture
def spare(fleet: Fleet, namespace: str) -> Iterator[Spare]:
    plane = fleet.workloads["west"]
    plane.kubectl("create", "namespace", namespace)
    found = Spare(fleet=fleet, plane=plane, name=namespace)
    found.add()
    yield found
    fleet.hub("cluster", "remove", namespace, *found.where)
    plane.kubectl("delete", "namespace", namespace, "--wait=false")


def test_another_clusters_certificate_is_refused_and_takes_nothing_from_it(spare: Spare) -> None:
    fleet, own = spare.fleet, spare.identity()
    before = fleet.management.get("cluster", "east", "-n", "flux-system")["status"]
    east, since = secret(fleet.workloads["east"], SYSTEM, IDENTITY), datetime.now(UTC)
    spare.become(east)
    spare.until_refused(since, "OtherCluster", "OtherCluster", "east")
    fleet.until(lambda: not spare.is_connected, timeout_s=60.0)
    after = fleet.management.get("cluster", "east", "-n", "flux-system")["status"]
    assert (after["session"], after["certificate"]) == (before["session"], before["certificate"])
    heads = spare.plane.get("secrets", "-n", spare.name, "-l", "fleet.cartwheel.dev/desk=head")
    assert heads is None or heads["items"] == []
    # It gets a key of its own again by the command that its log names.
    spare.add()
    assert spare.identity()["tls.key"] not in (own["tls.key"], east["tls.key"])
    assert fleet.condition("cluster", "east", "Connected")[0] == "True"


def ended(spare: Spare, own: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return an identity as it is when its agent was away for longer than its certificate lasts, and its join token with it."""
    fleet, then = spare.fleet, datetime.now(UTC) - timedelta(hours=2)
    ca = secret(fleet.management, SYSTEM, "cartwheel-ca")
    issued = Authority(ca["ca.crt"], ca["ca.key"]).issue_agent(
        credentials(own).request(),
        credentials(own).cluster,
        now=then,
        lifetime=timedelta(hours=1),
    )
    used = json.dumps({"stringData": {"used-at": f"{then:%Y-%m-%dT%H:%M:%SZ}"}})
    name = f"cartwheel-join-{own['token-id'].decode()}"
    fleet.management.kubectl("patch", "secret", name, "-p", used, "-n", SYSTEM)
    return {**own, "tls.crt": issued.certificate}


@contextmanager
def lifetime(fleet: Fleet, seconds: int) -> Iterator[None]:
    """Have the hub issue certificates that last so long, by its setting."""

    def change(setting: str) -> None:
        fleet.management.kubectl("set", "env", "deployment/cartwheel-hub", setting, "-n", SYSTEM)
        fleet.management.kubectl(
            "rollout", "status", "deployment/cartwheel-hub", "-n", SYSTEM, "--timeout=60s"
        )

    change(f"CARTWHEEL_CERTIFICATE_LIFETIME_S={seconds}")
    try:
        yield
    finally:
        change("CARTWHEEL_CERTIFICATE_LIFETIME_S-")


RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: {fleet}, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{{label}}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: {fleet}}}}}
spec: {{interval: 10m, prune: true, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A ConfigMap that is delivered to the spare cluster, into its agent's namespace."""

    spare: Spare
    repository: Repository

    def commit(self, text: str) -> str:
        """Change it, and have that fetched."""
        name = self.spare.name
        commit = self.repository.commit({"a.yaml": config_map("a", name, text=text)}, "Change")
        self.spare.fleet.hub("reconcile", "source", "git", name)
        return commit

    @property
    def text(self) -> str:
        found = self.spare.plane.get("configmap", "a", "-n", self.spare.name) or {"data": {"text": ""}}
        return str(found["data"]["text"])

    def delete(self) -> None:
        """Delete it in the cluster."""
        self.spare.plane.kubectl("delete", "configmap", "a", "-n", self.spare.name)


@pytest.fixture
def delivered(spare: Spare, git_server: GitHttp) -> Iterator[Delivered]:
    fleet, name = spare.fleet, spare.name
    repository = git_server.repository(name)
    repository.commit({"a.yaml": config_map("a", name, text="one")}, "Begin")
    fleet.management.kubectl("label", "cluster", name, f"place={name}", "-n", "flux-system")
    fleet.apply(RESOURCES.format(id=name, fleet=name, label=f"place: {name}", url=git_server.url(name)))
    found = Delivered(spare=spare, repository=repository)
    fleet.until_ready(name)
    assert found.text == "one"
    yield found
    kinds = "kustomization,gitrepository,fleet"
    fleet.management.kubectl("delete", kinds, name, "-n", "flux-system", "--timeout=60s")


@pytest.mark.slow
def test_an_agent_that_is_cut_off_past_the_end_of_its_certificate_guards_and_comes_back_alone(
    delivered: Delivered,
) -> None:
    spare, since = delivered.spare, datetime.now(UTC)
    fleet, own = spare.fleet, spare.identity()
    with lifetime(fleet, 20):
        spare.bring(fleet.hub("cluster", "token", spare.name).strip())
        fleet.until(
            lambda: credentials(spare.identity()).lifetime[1] < datetime.now(UTC) + timedelta(minutes=1)
        )
        fleet.until(lambda: spare.is_connected, timeout_s=60.0)
        fleet.management.pods.partition()
        try:
            fleet.until(
                lambda: fleet.condition("cluster", spare.name, "Enrolled")[1] == "CertificateExpired",
                lambda: str(spare.cluster()["status"]),
                timeout_s=60.0,
            )
            assert "recovers by itself" in fleet.condition("cluster", spare.name, "Enrolled")[2]
            assert not credentials(spare.identity()).is_good_at(datetime.now(UTC))
            delivered.delete()
            fleet.until(lambda: delivered.text == "one")
            commit = delivered.commit("two")
        finally:
            fleet.management.pods.heal()
        fleet.until(lambda: spare.is_connected, lambda: str(spare.cluster()["status"]), timeout_s=60.0)
    fleet.until(lambda: delivered.text == "two")
    fleet.until_ready(spare.name, revision=commit)
    assert fleet.condition("cluster", spare.name, "Enrolled")[0] == "True"
    assert spare.identity()["tls.key"] == own["tls.key"]
    assert "recovered" in events(spare, since)
    fleet.until(lambda: fleet.condition("cluster", "east", "Connected")[0] == "True")


def test_an_ended_certificate_opens_nothing_but_another_one_for_its_key(spare: Spare) -> None:
    fleet, own = spare.fleet, spare.identity()
    old = ended(spare, own)
    with pytest.raises(Broken):
        called(fleet, credentials(old), fetching(NOTHING))
    with pytest.raises(EnrolmentRefused) as refused:
        recovered(fleet, replace(credentials(old), key=new_key().key))
    assert refused.value.reason == "NotProven"
    spare.become(old)
    fleet.until(lambda: spare.identity()["tls.crt"] != old["tls.crt"], timeout_s=60.0)
    fleet.until(lambda: spare.is_connected, timeout_s=60.0)
    assert spare.identity()["tls.key"] == own["tls.key"]


def recovered(fleet: Fleet, mine: Credentials) -> tuple[bytes, bytes] | None:
    """Recover a certificate as an agent does."""
    return asyncio.run(recover(addresses(fleet)[1], mine, timeout_s=10.0))


def test_a_revoked_key_recovers_nothing(spare: Spare) -> None:
    fleet, own = spare.fleet, spare.identity()
    old = ended(spare, own)
    enrolled(fleet, fleet.hub("cluster", "token", spare.name).strip(), new_key())
    since = datetime.now(UTC)
    spare.become(old)
    spare.until_refused(since, "Revoked", "Revoked", spare.name)
    log = spare.plane.pods.logs(spare.name, "cartwheel-agent")
    assert f"`hub cluster add {spare.name} -n flux-system --context CONTEXT`" in log
    spare.add()


@pytest.mark.slow
def test_an_agent_that_comes_back_after_its_cluster_was_removed_and_forgotten_stops_guarding(
    delivered: Delivered,
) -> None:
    spare = delivered.spare
    fleet, plane, old = spare.fleet, spare.plane, ended(spare, spare.identity())
    since = datetime.now(UTC)
    where = ("deployment", "cartwheel-agent", "-n", spare.name)
    plane.kubectl("scale", *where, "--replicas=0")
    fleet.until(lambda: not spare.is_connected, timeout_s=60.0)
    fleet.hub("cluster", "remove", spare.name, "--forget")
    assert spare.cluster() is None
    put_identity(plane, spare.name, old)
    plane.kubectl("scale", *where, "--replicas=1")

    fleet.until(lambda: "delivery released" in events(spare, since), timeout_s=60.0)
    assert logged(plane, spare.name, "cartwheel-agent", since, "ClusterRemoved")
    pods = plane.get("pods", "-n", spare.name, "-l", AGENT)["items"]
    assert all(
        ("Ready", "False") in {(it["type"], it["status"]) for it in one["status"]["conditions"]}
        for one in pods
    )
    assert delivered.text == "one"
    delivered.delete()
    fleet.until_quiet()
    assert delivered.text == ""


def test_a_used_token_lets_in_the_key_that_used_it_and_no_other(spare: Spare) -> None:
    fleet, own = spare.fleet, spare.identity()
    since = datetime.now(UTC)
    spare.become({})
    spare.until_refused(since, "TokenUsed", "TokenUsed", spare.name)
    assert spare.identity().keys() == {"tls.key"}
    # As after a kill between asking and saving: the key is there, the certificate is not.
    spare.become({"tls.key": own["tls.key"]})
    fleet.until(lambda: "tls.crt" in spare.identity(), timeout_s=60.0)
    fleet.until(lambda: spare.is_connected, timeout_s=60.0)
    assert spare.identity()["tls.crt"] != own["tls.crt"]


def test_an_ended_token_is_refused(spare: Spare) -> None:
    fleet = spare.fleet
    token = fleet.hub("cluster", "token", spare.name, "--valid-for", "1s").strip()
    stored = secret(fleet.management, SYSTEM, f"cartwheel-join-{token.partition('.')[0]}")
    ends = datetime.fromisoformat(stored["expires"].decode())
    fleet.until(lambda: datetime.now(UTC) > ends)
    with pytest.raises(EnrolmentRefused) as refused:
        enrolled(fleet, token, new_key())
    assert refused.value.reason == "TokenExpired"
    since = datetime.now(UTC)
    spare.plane.kubectl("delete", "secret", IDENTITY, "-n", spare.name)
    spare.bring(token)
    spare.until_refused(since, "TokenExpired", "TokenExpired", spare.name)
    spare.bring(fleet.hub("cluster", "token", spare.name).strip())
    fleet.until(lambda: spare.is_connected, timeout_s=60.0)


def test_a_revoked_certificate_ends_its_session_and_opens_nothing(spare: Spare) -> None:
    fleet, own = spare.fleet, spare.identity()
    token = fleet.hub("cluster", "token", spare.name).strip()
    since = datetime.now(UTC)
    newer = enrolled(fleet, token, new_key())
    spare.until_refused(since, "Revoked", "Revoked", spare.name)
    calls: list[Callable[[Channel], Awaitable[object]]] = [fetching(NOTHING), renewing(credentials(own))]
    for call in calls:
        with pytest.raises(Broken) as refused:
            called(fleet, credentials(own), call)
        assert refused.value.reason == "Revoked"
    with pytest.raises(Broken) as unknown:
        called(fleet, newer, fetching(NOTHING))
    assert unknown.value.reason == "NOT_FOUND"
    # Its agent gets in again by another token, and what was let in instead is out.
    spare.add()
    assert spare.identity()["tls.key"] == own["tls.key"]
    with pytest.raises(Broken) as out:
        called(fleet, newer, fetching(NOTHING))
    assert out.value.reason == "Revoked"


PASSWORD = """\
apiVersion: v1
kind: Secret
metadata: {{name: password, namespace: {place}}}
stringData: {{password: canary-of-another-cluster}}
"""


def test_content_is_given_to_the_clusters_whose_assignments_name_it_only(
    spare: Spare, git_server: GitHttp, namespace: str
) -> None:
    fleet, place = spare.fleet, f"{namespace}-work"
    files = {"namespace.yaml": namespace_manifest(place), "password.yaml": PASSWORD.format(place=place)}
    git_server.repository(namespace).commit(files, "Begin")
    fleet.apply(
        RESOURCES.format(id=namespace, fleet="prod", label="tier: prod", url=git_server.url(namespace))
    )
    try:
        fleet.until_ready(namespace)
        wanted = on_desk(fleet.workloads["east"], place)
        assert len(wanted) == 3
        east = credentials(secret(fleet.workloads["east"], SYSTEM, IDENTITY))
        given = called(fleet, east, fetching(*wanted))
        assert any(b"password" in one for one in given.values())
        for digest in wanted:
            with pytest.raises(Broken) as refused:
                called(fleet, credentials(spare.identity()), fetching(digest))
            assert refused.value.reason == "NOT_FOUND"
    finally:
        fleet.management.kubectl(
            "delete", "kustomization,gitrepository", namespace, "-n", "flux-system", "--timeout=60s"
        )


def on_desk(plane: Plane, place: str) -> list[Digest]:
    """Return the digests by which a cluster's desk holds a Secret of a namespace: of the Secret, and of both indexes that list it."""

    async def read() -> list[Digest]:
        access = from_kubeconfig(str(plane.kubeconfig()))
        async with Client(HttpTransport(access), clock=SystemClock(), may_write=lambda: False) as client:
            desk = Desk(client, SYSTEM)
            await desk.load()
            return [
                digest
                for head in desk.held
                for one in head.entries
                if (one.ref.kind, one.ref.namespace) == ("Secret", place)
                for digest in (one.digest, head.assignment.bundle.base, head.assignment.bundle.overlay)
            ]

    return asyncio.run(read())
