"""A join token lets one key in, once, and heals an agent that was killed on the way."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.kit.errors import Stalled
from agent.kube.api import Listing, Object
from agent.kube.errors import Unreachable
from agent.kube.resources import SECRETS
from agent.link.identity import SECRET, Credentials, IdentityStore
from agent.model.names import ClusterId
from hub.gateway.ca import Authority, Issued, RequestRefused, make_authority, read_certificate, request_key
from hub.gateway.enroll import Enrolment
from hub.gateway.session import Peer
from hub.model import jointoken
from hub.model.jointoken import JoinToken, TokenRefused
from hub.model.metadata import Metadata, Uid
from tests.fakes.clock import START, FakeClock, in_virtual_time
from tests.fakes.cluster import Cluster

NAMESPACE = "cartwheel-system"
LIFETIME = timedelta(days=90)


class Registered:
    """Clusters that take every key."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.ends: list[str] = []

    async def register(self, token: JoinToken, key_fingerprint: str, not_after: str) -> ClusterId:
        self.keys.append(key_fingerprint)
        return ClusterId(f"id-of-{token.cluster_name}")

    async def renewed(self, peer: Peer, issued: Issued) -> None:
        self.ends.append(peer.fingerprint)


class Door:
    """A hub's enrolment, and an agent's identity in the same cluster."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.cluster.add_namespace(NAMESPACE)
        self.network = self.cluster.network
        self.clusters = Registered()
        self.authority = Authority(*make_authority(now=START))
        self.api = self.cluster.api("hub")
        self.enrolment = Enrolment(
            self.api,
            NAMESPACE,
            self.authority,
            self.clusters,
            clock=self.clock,
            lifetime=LIFETIME,
        )

    def token(self, id_: str = "abc", **changes: str) -> str:
        """Store a token for cluster apps/eu-1, valid for a day, and return its text."""
        cluster = Metadata(namespace="apps", name="eu-1", uid=Uid("uid-of-eu-1"))
        text, stored = jointoken.make(
            id_=id_, secret="secret", cluster=cluster, now=self.clock.now(), valid_for=timedelta(days=1)
        )
        value = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": stored.secret_name,
                "namespace": NAMESPACE,
                "labels": {jointoken.LABEL: jointoken.LABEL_VALUE},
            },
            "stringData": stored.data() | changes,
        }
        self.cluster.create(SECRETS, NAMESPACE, value, manager="setup")
        return text


def store(door: Door) -> IdentityStore:
    return IdentityStore(door.cluster.api("agent"), NAMESPACE)


@in_virtual_time
async def test_a_token_gives_a_certificate_for_its_cluster() -> None:
    door = Door()
    credentials = await store(door).load()
    issued, cluster = await door.enrolment.enroll(door.token(), credentials.request())
    named, fingerprint, not_after = read_certificate(issued.certificate)
    assert (named, cluster) == ("id-of-eu-1", "id-of-eu-1")
    assert door.clusters.keys == [fingerprint]
    assert not_after == START + LIFETIME


@in_virtual_time
async def test_the_same_key_may_show_its_token_again_for_a_quarter_of_an_hour() -> None:
    door = Door()
    token, request = door.token(), (await store(door).load()).request()
    await door.enrolment.enroll(token, request)
    await door.clock.sleep(15 * 60)
    await door.enrolment.enroll(token, request)
    await door.clock.sleep(1)
    with pytest.raises(TokenRefused) as refused:
        await door.enrolment.enroll(token, request)
    assert refused.value.reason == "TokenUsed"


@in_virtual_time
async def test_another_key_is_refused() -> None:
    door = Door()
    token = door.token()
    await door.enrolment.enroll(token, (await store(door).load()).request())
    door.cluster.delete(SECRETS, NAMESPACE, SECRET)
    with pytest.raises(TokenRefused) as refused:
        await door.enrolment.enroll(token, (await store(door).load()).request())
    assert refused.value.reason == "TokenUsed"
    assert len(door.clusters.keys) == 1


@in_virtual_time
async def test_whoever_used_an_earlier_token_does_not_come_back_by_it() -> None:
    door = Door()
    thief = await store(door).load()
    stolen, unused = door.token(), door.token("unused")
    await door.enrolment.enroll(stolen, thief.request())
    door.cluster.delete(SECRETS, NAMESPACE, SECRET)
    owner = await store(door).load()
    await door.enrolment.enroll(door.token("next"), owner.request())
    with pytest.raises(TokenRefused) as refused:
        await door.enrolment.enroll(stolen, thief.request())
    assert refused.value.reason == "TokenUnknown"
    # Its own still heals, and one that nobody used stays.
    await door.enrolment.enroll("next.secret", owner.request())
    assert door.cluster.get(SECRETS, NAMESPACE, f"{jointoken.NAME_PREFIX}unused")
    assert unused == "unused.secret"
    assert len(door.clusters.keys) == 3


@in_virtual_time
async def test_an_enrolment_reads_no_token_of_other_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    # A fleet that comes at once would read all tokens for each of its agents.
    door = Door()
    for number in range(5):
        door.token(f"other-{number}", **{"cluster-uid": f"uid-{number}", "used-by": "a key"})
    read: list[Object] = []
    listing = door.api.list

    async def noted(*of: Any, **by: Any) -> Listing:
        found = await listing(*of, **by)
        read.extend(found.items)
        return found

    monkeypatch.setattr(door.api, "list", noted)
    await door.enrolment.enroll(door.token(), (await store(door).load()).request())
    assert [one["metadata"]["name"] for one in read] == [f"{jointoken.NAME_PREFIX}abc"]


@pytest.mark.parametrize(
    ("token", "changes", "reason"),
    [
        ("abc.secret", {"expires": "2025-12-31T00:00:00Z"}, "TokenExpired"),
        ("abc.secret", {"revoked": "true"}, "TokenRevoked"),
        ("abc.wrong", {}, "TokenUnknown"),
        ("other.secret", {}, "TokenUnknown"),
        ("nonsense", {}, "TokenMalformed"),
        ("../x.secret", {}, "TokenMalformed"),
        ("\u0660.secret", {}, "TokenMalformed"),
    ],
    ids=["expired", "revoked", "wrong secret", "unknown id", "no token", "a path", "no ASCII"],
)
def test_what_does_not_open_the_door(token: str, changes: dict[str, str], reason: str) -> None:
    @in_virtual_time
    async def run() -> None:
        door = Door()
        door.token(**changes)
        request = (await store(door).load()).request()
        with pytest.raises(TokenRefused) as refused:
            await door.enrolment.enroll(token, request)
        assert refused.value.reason == reason
        assert "secret" not in str(refused.value)
        assert door.clusters.keys == []

    run()


@in_virtual_time
async def test_a_lost_answer_while_the_token_is_marked_heals() -> None:
    door = Door()
    token, request = door.token(), (await store(door).load()).request()
    door.network.loses_answers = lambda call: call.user == "hub" and call.is_write
    with pytest.raises(Unreachable):
        await door.enrolment.enroll(token, request)
    door.network.loses_answers = lambda call: False
    issued, _ = await door.enrolment.enroll(token, request)
    assert issued.certificate


@in_virtual_time
async def test_a_renewal_is_over_the_registered_key_only() -> None:
    door = Door()
    credentials = await store(door).load()
    peer = Peer(
        cluster=ClusterId("id-of-eu-1"),
        fingerprint="SHA256:another",
        not_after=START + LIFETIME,
    )
    with pytest.raises(Stalled) as refused:
        await door.enrolment.renew(peer, credentials.request())
    assert refused.value.reason == "OtherKey"
    assert door.clusters.ends == []


def test_a_certificate_is_for_clients_and_cannot_issue_others() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    authority = Authority(*make_authority(now=START))
    issued = authority.issue_agent(
        request.public_bytes(Encoding.PEM), ClusterId("c"), now=START, lifetime=LIFETIME
    )
    extensions = x509.load_pem_x509_certificate(issued.certificate).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]


def test_a_request_proves_its_key_and_the_key_is_of_the_kind_that_is_used() -> None:
    key = rsa.generate_private_key(65537, 2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    with pytest.raises(RequestRefused, match="P-256"):
        request_key(request.public_bytes(Encoding.PEM))
    # Its signature is not even looked at.
    forged = bytearray(request.public_bytes(Encoding.DER))
    forged[-1] ^= 1
    with pytest.raises(RequestRefused, match="P-256"):
        request_key(x509.load_der_x509_csr(bytes(forged)).public_bytes(Encoding.PEM))
    with pytest.raises(RequestRefused, match="not valid"):
        request_key(b"nonsense")


@in_virtual_time
async def test_the_key_is_saved_before_it_is_shown_and_comes_back() -> None:
    door = Door()
    first = await store(door).load()
    assert not first.is_enrolled
    assert (await store(door).load()) == first


@in_virtual_time
async def test_the_certificate_is_saved_and_names_the_cluster() -> None:
    door = Door()
    identities = store(door)
    credentials = await identities.load()
    issued, cluster = await door.enrolment.enroll(door.token(), credentials.request())
    saved = await identities.enrolled(credentials, issued.certificate, door.enrolment.ca)
    again = await store(door).load()
    assert again == saved
    assert again.cluster == cluster
    assert again.lifetime[1] == START + LIFETIME


@in_virtual_time
async def test_an_identity_without_a_key_is_named() -> None:
    door = Door()
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": {}}
    door.cluster.create(SECRETS, NAMESPACE, value, manager="somebody")
    with pytest.raises(Stalled, match="holds no key"):
        await store(door).load()


@in_virtual_time
async def test_a_certificate_whose_saving_was_not_answered_is_there_after_loading_anew() -> None:
    door = Door()
    identities = store(door)
    credentials = await identities.load()
    issued, _ = await door.enrolment.enroll(door.token(), credentials.request())
    door.network.loses_answers = lambda call: call.user == "agent" and call.is_write
    with pytest.raises(Unreachable):
        await identities.enrolled(credentials, issued.certificate, door.enrolment.ca)
    door.network.loses_answers = lambda call: False
    again: Credentials = await identities.load()
    assert again.certificate == issued.certificate
    await identities.enrolled(again, issued.certificate, door.enrolment.ca)
