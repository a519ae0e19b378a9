"""Who proves the registered key gets a certificate again, and nobody else."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.kit.errors import Stalled, Transient
from agent.link.identity import Credentials
from agent.model.names import ClusterId
from agent.model.recovery import server_name, statement
from hub.gateway.ca import Authority, Issued, fingerprint, make_authority, read_certificate
from hub.gateway.pace import WRITE_BYTES, PaceSettings
from hub.gateway.recover import Proof, Recovery
from hub.gateway.session import Peer, Refusal
from tests.fakes.clock import START, FakeClock, in_virtual_time

ID = ClusterId("id-of-eu-1")
LIFETIME = timedelta(hours=24)
NONCE, SERVER = b"n" * 32, "hub.example"


class Keys:
    """The registered key of the one Cluster. `refusal` is what is said of everybody."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.stored: list[Issued] = []
        self.asked = 0

    def check_recoverable(self, peer: Peer) -> None:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal

    async def recovered(self, peer: Peer, issued: Issued) -> None:
        await asyncio.sleep(1.0)
        self.stored.append(issued)


class Rig:
    """A recovery, and an agent whose certificate ended a year ago."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.clusters = Keys()
        self.authority = Authority(*make_authority(now=START))
        self.recovery = Recovery(
            self.authority,
            self.clusters,
            names=("Hub.example", "127.0.0.1"),
            clock=self.clock,
            lifetime=LIFETIME,
            pace=PaceSettings(burst_bytes=2 * WRITE_BYTES, bytes_per_s=WRITE_BYTES / 60),
        )
        self.agent = with_certificate(new_key(), self.authority)

    async def recover(self, proof: Proof, nonce: bytes = NONCE) -> Issued:
        return await self.recovery.recover(nonce, proof)

    async def refused(self, proof: Proof, nonce: bytes = NONCE) -> str:
        with pytest.raises(Stalled) as refused:
            await self.recover(proof, nonce)
        assert self.clusters.stored == []
        return refused.value.reason


def new_key() -> Credentials:
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Credentials(key=key.private_bytes(*form))


def with_certificate(mine: Credentials, authority: Authority) -> Credentials:
    then = START - timedelta(days=365)
    issued = authority.issue_agent(mine.request(), ID, now=then, lifetime=timedelta(hours=1))
    return replace(mine, certificate=issued.certificate)


def proof(
    mine: Credentials, *, key: Credentials | None = None, nonce: bytes = NONCE, server: str = SERVER
) -> Proof:
    """Sign with the key of the credentials or another one."""
    signature = (key or mine).sign(statement(nonce, mine.certificate, server))
    return Proof(certificate=mine.certificate, server=server, signature=signature)


@in_virtual_time
async def test_the_registered_key_gets_another_certificate_over_itself_however_long_the_last_has_ended() -> (
    None
):
    rig = Rig()
    issued = await rig.recover(proof(rig.agent))
    before = read_certificate(rig.agent.certificate)
    cluster, key, not_after = read_certificate(issued.certificate)
    assert (cluster, key) == before[:2] == (ID, issued.fingerprint)
    assert not_after == START + LIFETIME
    assert rig.clusters.stored == [issued]


@in_virtual_time
async def test_a_lost_answer_is_asked_for_again() -> None:
    rig = Rig()
    first = await rig.recover(proof(rig.agent))
    again = await rig.recover(proof(rig.agent, nonce=b"another"), b"another")
    assert (first.fingerprint, rig.clusters.stored) == (again.fingerprint, [first, again])


@in_virtual_time
async def test_a_proof_is_good_for_its_challenge_its_server_and_its_certificate_alone() -> None:
    rig = Rig()
    good = proof(rig.agent)
    assert await rig.refused(good, b"another challenge") == "NotProven"
    assert await rig.refused(replace(good, server="127.0.0.1")) == "NotProven"
    renewed = with_certificate(rig.agent, rig.authority)
    assert await rig.refused(replace(good, certificate=renewed.certificate)) == "NotProven"
    assert await rig.refused(replace(good, certificate=good.certificate + b"\n")) == "NotProven"
    assert await rig.refused(replace(good, signature=b"nonsense")) == "NotProven"


@in_virtual_time
async def test_what_was_signed_for_another_server_does_not_count_here() -> None:
    rig = Rig()
    assert await rig.refused(proof(rig.agent, server="other.example")) == "OtherServer"
    assert await rig.refused(proof(rig.agent, server="")) == "OtherServer"
    await rig.recover(proof(rig.agent, server="127.0.0.1"))


@in_virtual_time
async def test_a_stolen_certificate_without_its_key_opens_nothing_and_tells_nothing() -> None:
    rig = Rig()
    rig.clusters.refusal = Refusal("the certificate of cluster apps/eu-1 was revoked", reason="Revoked")
    assert await rig.refused(proof(rig.agent, key=new_key())) == "NotProven"
    assert rig.clusters.asked == 0


@in_virtual_time
async def test_a_certificate_that_is_none_of_this_fleets_clusters_opens_nothing() -> None:
    rig = Rig()
    stranger = with_certificate(new_key(), Authority(*make_authority(now=START)))
    assert await rig.refused(proof(stranger)) == "CertificateUnknown"
    assert await rig.refused(proof(replace(rig.agent, certificate=b"nonsense"))) == "CertificateUnknown"
    own = replace(rig.agent, certificate=rig.authority.certificate)
    assert await rig.refused(proof(own)) == "CertificateUnknown"
    listener = rig.authority.issue_server((SERVER,), now=START, lifetime=LIFETIME)
    of_hub = Credentials(key=listener.key, certificate=listener.certificate)
    assert await rig.refused(proof(of_hub)) == "NoIdentity"


@pytest.mark.parametrize("reason", ["Revoked", "ClusterRemoved", "IdentityConflict", "ClusterUnreadable"])
def test_who_is_let_in_no_session_gets_no_certificate_and_hears_the_same_reason(reason: str) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        rig.clusters.refusal = Refusal("why", reason=reason)
        assert await rig.refused(proof(rig.agent)) == reason

    run()


@in_virtual_time
async def test_one_cluster_is_answered_once_at_a_time_and_at_its_pace() -> None:
    rig = Rig()
    answers = await asyncio.gather(
        rig.recover(proof(rig.agent)), rig.recover(proof(rig.agent)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [Issued, Transient]
    await rig.recover(proof(rig.agent))
    began_s = rig.clock.monotonic_s()
    await rig.recover(proof(rig.agent))
    assert rig.clock.monotonic_s() - began_s > 50


def test_no_other_parts_give_the_same_statement() -> None:
    assert statement(b"ab", b"c", "d") != statement(b"a", b"c", "bd")
    assert statement(b"", b"c", "d") != statement(b"d", b"c", "")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("hub.example:7444", "hub.example"),
        ("Hub.Example:7444", "hub.example"),
        ("[::1]:7444", "::1"),
        ("127.0.0.1:1", "127.0.0.1"),
    ],
)
def test_the_server_is_named_as_it_is_dialled(address: str, name: str) -> None:
    assert server_name(address) == name


def test_keys_are_told_apart_by_their_fingerprint() -> None:
    authority = Authority(*make_authority(now=START))
    mine = with_certificate(new_key(), authority)
    holder = authority.holder(mine.certificate)
    assert holder.fingerprint == fingerprint(holder.key) == read_certificate(mine.certificate)[1]
    assert not holder.has_signed(new_key().sign(b"this"), b"this")
    assert holder.has_signed(mine.sign(b"this"), b"this")
