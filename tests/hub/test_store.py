"""The store mirrors resources, sees its own writes at once, and writes only what differs over what it saw."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.watch import Key
from hub.model.cluster import Cluster, ClusterStatus
from hub.model.events import Severity, event
from hub.model.kinds import Kind
from hub.model.kustomization import VariablesKind
from hub.model.value import MalformedResource
from hub.store import Store
from tests.hub.hand import Hand, Middle, settle
from tests.hub.management import Management
from tests.hub.model.samples import kustomization

NOW = "2026-01-01T00:00:00Z"
KEY = ("apps", "eu-1")


@asynccontextmanager
async def running(api: Management) -> AsyncIterator[Store]:
    store = Store(api, clock=Hand(), randomness=Middle(), backoff=Backoff())
    async with Tasks() as tasks:
        tasks.start(store.run(), name="store")
        await settle()
        yield store


def seen(cluster: Cluster, text: str) -> ClusterStatus:
    return msgspec.structs.replace(cluster.status, last_seen=text)


async def test_it_is_complete_when_every_kind_was_listed() -> None:
    api = Management(Hand())
    api.put_resource(Kind.CLUSTER, "eu-1", {"id": "abcdefgh"})
    store = Store(api, clock=Hand(), randomness=Middle(), backoff=Backoff())
    assert not store.is_complete
    async with running(api) as store:
        assert store.is_complete
        found = store.clusters.get(KEY)
        assert found is not None
        assert found.spec.id == "abcdefgh"


async def test_listeners_hear_of_changes_and_removals() -> None:
    api, heard = Management(Hand()), list[Key]()
    async with running(api) as store:
        store.kustomizations.listen(heard.append)
        api.put_resource(Kind.KUSTOMIZATION, "webapp", kustomization())
        await settle()
        api.remove("kustomizations", "apps", "webapp")
        await settle()
        assert heard == [("apps", "webapp")] * 2
        assert store.kustomizations.get(("apps", "webapp")) is None


async def test_a_malformed_resource_is_told_apart_from_an_absent_one() -> None:
    api = Management(Hand())
    with api.older_schema():
        api.put_resource(Kind.KUSTOMIZATION, "webapp", kustomization(interval="soon"))
    async with running(api) as store:
        with pytest.raises(MalformedResource, match="interval"):
            store.kustomizations.get(("apps", "webapp"))
        assert list(store.kustomizations) == []
        assert store.kustomizations.keys == (("apps", "webapp"),)


async def test_a_read_after_a_write_sees_it_before_the_watch_tells() -> None:
    api = Management(Hand())
    api.put_resource(Kind.CLUSTER, "eu-1", {})
    async with running(api) as store:
        assert await store.update_status(store.clusters, KEY, lambda one: seen(one, NOW))
        found = store.clusters.get(KEY)
        assert found is not None
        assert found.status.last_seen == NOW


async def test_news_older_than_our_own_write_is_left_out() -> None:
    api = Management(Hand())
    old = api.put_resource(Kind.CLUSTER, "eu-1", {})
    async with running(api) as store:
        await store.update_status(store.clusters, KEY, lambda one: seen(one, NOW))
        store.clusters.changed(old)
        found = store.clusters.get(KEY)
        assert found is not None
        assert found.status.last_seen == NOW


async def test_an_equal_status_is_not_written() -> None:
    api = Management(Hand())
    api.put_resource(Kind.CLUSTER, "eu-1", {}, status={"lastSeen": NOW})
    async with running(api) as store:
        assert not await store.update_status(store.clusters, KEY, lambda one: seen(one, NOW))
        assert api.writes == []


async def test_a_change_is_made_again_on_what_somebody_else_wrote_meanwhile() -> None:
    api = Management(Hand())
    before = api.put_resource(Kind.CLUSTER, "eu-1", {})
    other = {**before, "status": {"lastHandledReconcileAt": "theirs"}}
    async with running(api) as store:
        api.interfere.append(lambda: api.put("clusters", other))
        assert await store.update_status(store.clusters, KEY, lambda one: seen(one, NOW))
    status = api.status("clusters", "eu-1")
    assert status == {"lastHandledReconcileAt": "theirs", "lastSeen": NOW}


async def test_a_resource_that_is_gone_is_not_written() -> None:
    async with running(Management(Hand())) as store:
        assert not await store.set_finalizer(store.clusters, KEY, present=True)


async def test_the_last_finalizer_removed_leaves_nothing_in_the_mirror() -> None:
    api = Management(Hand())
    api.put_resource(
        Kind.CLUSTER,
        "eu-1",
        {},
        deletionTimestamp="2026-01-01T00:00:00Z",
        finalizers=["finalizers.fluxcd.io"],
    )
    async with running(api) as store:
        assert await store.set_finalizer(store.clusters, KEY, present=False)
        await settle()
        assert store.clusters.get(KEY) is None


async def test_secrets_are_read_exactly_and_missing_ones_are_none() -> None:
    api = Management(Hand())
    values = {"TOKEN": "gr\u00fc\u00dfe\n".encode(), "KEY": b"\xff\x00\xfe", "EMPTY": b""}
    data = {name: base64.b64encode(value).decode() for name, value in values.items()}
    api.put("secrets", {"metadata": {"name": "vars", "namespace": "apps"}, "data": data})
    async with running(api) as store:
        assert await store.secret("apps", "vars") == values
        assert await store.secret("apps", "gone") is None
        read = await store.variables(VariablesKind.SECRET, "apps", "vars")
        assert read is not None
        assert {name: text.encode("utf-8", "surrogateescape") for name, text in read.items()} == values
        assert await store.variables(VariablesKind.CONFIG_MAP, "apps", "vars") is None


async def test_changed_variables_are_told_when_they_carry_the_label() -> None:
    api, heard = Management(Hand()), list[tuple[VariablesKind, Key]]()
    labelled = {"labels": {"reconcile.fluxcd.io/watch": "Enabled"}}
    async with running(api) as store:
        store.listen_to_variables(lambda kind, key: heard.append((kind, key)))
        api.put("configmaps", {"metadata": {"name": "mine", "namespace": "apps", **labelled}})
        api.put("configmaps", {"metadata": {"name": "other", "namespace": "apps"}})
        await settle()
    assert heard == [(VariablesKind.CONFIG_MAP, ("apps", "mine"))]


async def test_the_same_event_again_counts_up() -> None:
    api = Management(Hand())
    api.put_resource(Kind.CLUSTER, "eu-1", {})
    async with running(api) as store:
        found = store.clusters.get(KEY)
        assert found is not None
        told = event(
            "fleet.cartwheel.dev/v1alpha1",
            "Cluster",
            found.metadata,
            severity=Severity.ERROR,
            reason="Lost",
            message="not heard of",
        )
        await store.record_event(told)
        await store.record_event(told)
    (recorded,) = api.all("events")
    assert (recorded["count"], recorded["type"], recorded["involvedObject"]["name"]) == (2, "Warning", "eu-1")
