"""Which certificate speaks for which Cluster: checked against the Clusters as they are stored, by a hub that may have begun a moment ago."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.kit.errors import Stalled
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.model.link import Hello
from agent.model.names import ClusterId
from hub.gateway.ca import Issued
from hub.gateway.registry import ClusterRegistry
from hub.gateway.session import Peer, Refusal
from hub.mirror import Collection
from hub.model import jointoken
from hub.model.jointoken import JoinToken
from hub.model.kinds import Kind
from hub.model.metadata import Metadata, Uid
from hub.store import Store
from tests.hub.hand import START, Hand, Middle, settle
from tests.hub.management import Management

ID = ClusterId("id-of-eu-1")
ENDS = START + timedelta(hours=24)


class Rig:
    """A hub's registry over an API server in memory."""

    def __init__(self, api: Management, store: Store, clock: Hand) -> None:
        self.api = api
        self.clock = clock
        self.registry = ClusterRegistry(store, clock=clock, hub="hub-0")

    @property
    def status(self) -> Any:
        return self.api.status("clusters", "eu-1")


@asynccontextmanager
async def registry() -> AsyncIterator[Rig]:
    clock = Hand()
    api = Management(clock)
    api.put_resource(Kind.CLUSTER, "eu-1", {"id": ID})
    store = Store(api, clock=clock, randomness=Middle(), backoff=Backoff())
    async with Tasks() as tasks:
        tasks.start(store.run(), name="store")
        await settle()
        rig = Rig(api, store, clock)
        await rig.registry.register(token(), "SHA256:1", "2026-01-02T00:00:00Z")
        yield rig


def peer(fingerprint: str = "SHA256:1", ends: datetime = ENDS) -> Peer:
    return Peer(cluster=ID, fingerprint=fingerprint, not_after=ends)


def hello(namespace_uid: str = "", term: int = 0) -> Hello:
    return Hello(
        protocol=1,
        agent_version="0.1.0",
        kubernetes_version="v1.36.3",
        term=term,
        held=(),
        instance="pod-1",
        namespace_uid=namespace_uid,
    )


def token(name: str = "eu-1") -> JoinToken:
    cluster = Metadata(namespace="apps", name=name, uid=Uid(f"uid-{name}"))
    return jointoken.make(id_="a", secret="b", cluster=cluster, now=START, valid_for=timedelta(hours=1))[1]


def refused(rig: Rig, one: Peer) -> str:
    with pytest.raises(Refusal, match="apps/eu-1") as refusal:
        rig.registry.check(one)
    return refusal.value.reason


def not_recoverable(rig: Rig) -> str:
    with pytest.raises(Refusal, match="removed from the fleet") as refusal:
        rig.registry.check_recoverable(peer())
    return refusal.value.reason


async def test_terms_rise_above_all_that_hub_and_agent_have_seen() -> None:
    async with registry() as rig:
        assert await rig.registry.begin_session(peer(), hello()) == 1
        assert await rig.registry.begin_session(peer(), hello(term=7)) == 8
        assert await rig.registry.begin_session(peer(), hello(term=3)) == 9
        assert (rig.status["session"]["term"], rig.status["session"]["hub"]) == (9, "hub-0")


async def test_another_key_than_the_registered_one_is_revoked() -> None:
    async with registry() as rig:
        rig.registry.check(peer())
        assert refused(rig, peer("SHA256:2")) == "Revoked"
        await rig.registry.register(token(), "SHA256:2", "2026-01-02T00:00:00Z")
        assert refused(rig, peer()) == "Revoked"


async def test_a_certificate_is_checked_without_a_look_at_all_clusters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every session is checked each two seconds: of a thousand that would be half a million looks a second.
    async with registry() as rig:
        monkeypatch.setattr(Collection, "__iter__", lambda _: pytest.fail("all Clusters were looked at"))
        rig.registry.check(peer())
        assert refused(rig, peer("SHA256:2")) == "Revoked"
        with pytest.raises(Refusal, match="removed from the fleet"):
            rig.registry.check(replace(peer(), cluster=ClusterId("id-of-nobody")))


async def test_a_session_goes_on_while_the_key_was_renewed_and_ends_with_the_last_certificate() -> None:
    async with registry() as rig:
        renewed = Issued(certificate=b"", fingerprint="SHA256:1", not_after=ENDS + timedelta(hours=16))
        await rig.registry.renewed(peer(), renewed)
        assert rig.status["certificate"]["notAfter"] == "2026-01-02T16:00:00Z"
        await rig.clock.pass_(39 * 3600)
        rig.registry.check(peer())
        await rig.clock.pass_(3600)
        assert refused(rig, peer()) == "CertificateExpired"


async def test_a_renewal_of_a_key_that_was_revoked_meanwhile_changes_nothing() -> None:
    async with registry() as rig:
        await rig.registry.register(token(), "SHA256:2", "2026-01-02T00:00:00Z")
        before = rig.status
        await rig.registry.renewed(peer(), Issued(certificate=b"", fingerprint="SHA256:1", not_after=ENDS))
        assert rig.status == before


async def test_a_certificate_that_has_ended_is_recovered_and_the_cluster_is_enrolled_again() -> None:
    async with registry() as rig:
        await rig.clock.pass_(48 * 3600)
        assert refused(rig, peer()) == "CertificateExpired"
        rig.registry.check_recoverable(peer())
        again = Issued(
            certificate=b"", fingerprint="SHA256:1", not_after=rig.clock.now() + timedelta(hours=24)
        )
        for _ in range(2):  # An answer may be lost.
            await rig.registry.recovered(peer(), again)
        assert rig.status["certificate"]["notAfter"] == "2026-01-04T00:00:00Z"
        enrolled = next(one for one in rig.status["conditions"] if one["type"] == "Enrolled")
        assert (enrolled["status"], enrolled["reason"]) == ("True", "Enrolled")
        rig.registry.check(peer())


async def test_the_namespace_of_the_key_outlives_its_recovery() -> None:
    async with registry() as rig:
        await rig.registry.begin_session(peer(), hello("uid-of-home"))
        await rig.registry.recovered(peer(), Issued(certificate=b"", fingerprint="SHA256:1", not_after=ENDS))
        with pytest.raises(Refusal, match="another cluster"):
            await rig.registry.begin_session(peer(), hello("uid-of-elsewhere"))


async def test_a_revoked_key_is_not_recovered_and_its_agent_hears_what_to_type() -> None:
    async with registry() as rig:
        await rig.registry.register(token(), "SHA256:2", "2026-01-02T00:00:00Z")
        before = rig.status
        with pytest.raises(Refusal, match="`hub cluster add eu-1 -n apps --context CONTEXT`") as refusal:
            rig.registry.check_recoverable(peer())
        assert refusal.value.reason == "Revoked"
        with pytest.raises(Refusal):
            await rig.registry.recovered(peer(), Issued(certificate=b"", fingerprint="", not_after=ENDS))
        assert rig.status == before


async def test_a_key_that_is_replaced_while_it_recovers_gets_nothing() -> None:
    async with registry() as rig:
        value = rig.api.get_now("clusters", "eu-1")
        status = {**value["status"], "certificate": {"keyFingerprint": "SHA256:2"}}
        rig.api.interfere.append(lambda: rig.api.put("clusters", {**value, "status": status}))
        later = Issued(certificate=b"", fingerprint="SHA256:1", not_after=ENDS + timedelta(hours=1))
        with pytest.raises(Refusal) as refusal:
            await rig.registry.recovered(peer(), later)
        assert refusal.value.reason == "Revoked"
        assert rig.status["certificate"] == {"keyFingerprint": "SHA256:2"}


async def test_the_agent_of_a_cluster_that_goes_or_is_gone_hears_that_it_was_removed() -> None:
    async with registry() as rig:
        value = rig.api.get_now("clusters", "eu-1")
        metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["f"]}
        rig.api.put("clusters", {**value, "metadata": value["metadata"] | metadata})
        await settle()
        assert not_recoverable(rig) == "ClusterRemoved"
        rig.api.remove("clusters", "apps", "eu-1")
        await settle()
        assert not_recoverable(rig) == "ClusterRemoved"


async def test_the_key_is_used_from_the_namespace_of_its_first_session_only() -> None:
    async with registry() as rig:
        await rig.registry.begin_session(peer(), hello("uid-of-home"))
        assert rig.status["certificate"]["namespaceUid"] == "uid-of-home"
        with pytest.raises(Refusal, match="apps/eu-1 is shown by agent pod-1 of another cluster") as refusal:
            await rig.registry.begin_session(peer(), hello("uid-of-elsewhere"))
        assert refusal.value.reason == "OtherCluster"
        assert rig.status["session"]["term"] == 1
        assert await rig.registry.begin_session(peer(), hello("uid-of-home")) == 2
        assert await rig.registry.begin_session(peer(), hello()) == 3


async def test_a_new_key_may_live_elsewhere() -> None:
    async with registry() as rig:
        await rig.registry.begin_session(peer(), hello("uid-of-home"))
        await rig.registry.register(token(), "SHA256:2", "2026-01-02T00:00:00Z")
        await rig.registry.begin_session(peer("SHA256:2"), hello("uid-of-elsewhere"))
        assert rig.status["certificate"]["namespaceUid"] == "uid-of-elsewhere"


async def test_to_a_cluster_that_is_being_removed_nothing_but_a_session_is_open() -> None:
    async with registry() as rig:
        rig.registry.check_open(peer())
        value = rig.api.get_now("clusters", "eu-1")
        metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["f"]}
        rig.api.put("clusters", {**value, "metadata": value["metadata"] | metadata})
        await settle()
        rig.registry.check(peer())
        with pytest.raises(Refusal, match="is being removed"):
            rig.registry.check_open(peer())


async def test_a_cluster_that_is_gone_is_let_in_nowhere() -> None:
    async with registry() as rig:
        rig.api.remove("clusters", "apps", "eu-1")
        await settle()
        with pytest.raises(Refusal, match="removed from the fleet"):
            rig.registry.check(peer())


async def test_two_clusters_of_one_id_may_both_not_speak() -> None:
    async with registry() as rig:
        rig.api.put_resource(Kind.CLUSTER, "copy", {"id": ID})
        await settle()
        with pytest.raises(Refusal) as refusal:
            rig.registry.check(peer())
        assert refusal.value.reason == "IdentityConflict"


async def test_a_cluster_that_cannot_be_read_is_not_taken_for_one_that_was_removed() -> None:
    async with registry() as rig:
        with rig.api.older_schema():
            rig.api.put_resource(Kind.CLUSTER, "eu-1", {"id": ID, "suspend": "perhaps"})
        await settle()
        with pytest.raises(Refusal, match=r"spec\.suspend") as refusal:
            rig.registry.check(peer())
        assert refusal.value.reason == "ClusterUnreadable"


async def test_a_cluster_that_is_not_there_takes_no_key() -> None:
    async with registry() as rig:
        with pytest.raises(Stalled) as stalled:
            await rig.registry.register(token("unknown"), "SHA256:2", "2026-01-02T00:00:00Z")
        assert stalled.value.reason == "ClusterUnknown"


async def test_a_token_of_an_earlier_cluster_of_that_name_opens_nothing() -> None:
    async with registry() as rig:
        rig.api.remove("clusters", "apps", "eu-1")
        rig.api.put_resource(Kind.CLUSTER, "eu-1", {"id": "another-id"}, uid="another")
        await settle()
        with pytest.raises(Stalled, match="earlier Cluster apps/eu-1"):
            await rig.registry.register(token(), "SHA256:thief", "2026-01-02T00:00:00Z")
        assert "certificate" not in rig.status
