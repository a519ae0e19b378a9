"""Sources over the real store: objects appear, change and go, and their work follows."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from hub.artifacts.contents import SUFFIX, Contents
from hub.artifacts.storage import ArtifactStorage
from hub.model.kinds import Kind
from hub.sources.controller import SourceSettings
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.kinds.git import GitRepositories
from hub.sources.service import ServiceSettings, SourceService, StoredSecrets
from hub.sources.shelf import Shelf
from hub.store import Store
from tests.hub.hand import Hand, Middle, settle
from tests.hub.management import Management
from tests.hub.sources.fakes import ScriptedRemote

SPEC = {"url": "https://example.com/app.git", "interval": "1m", "ref": {"branch": "main"}}


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock, self.remote = Hand(), ScriptedRemote()
        self.api = Management(self.clock)
        self.store = Store(self.api, clock=self.clock, randomness=Middle(), backoff=Backoff())
        self.service = SourceService(
            self.store,
            [GitRepositories(self.remote, StoredSecrets(self.store))],
            Shelf(ArtifactStorage(root), Contents(root), address="hub:9090"),
            clock=self.clock,
            randomness=Middle(),
            settings=ServiceSettings(sources=SourceSettings(), backoff=Backoff(first_s=1.0)),
        )

    def put(self, **more: Any) -> None:
        self.api.put_resource(Kind.GIT_REPOSITORY, "app", SPEC, **more)

    def found(self) -> dict[str, Any]:
        return self.api.get_now("gitrepositories", "app")

    async def until_fetched(self, times: int) -> None:
        """Wait until so many fetches were asked for and what follows them is done; files are written in real threads."""
        for _ in range(500):
            await settle()
            if len(self.remote.requests) >= times:
                break
            await asyncio.sleep(0.005)
        for _ in range(20):
            await asyncio.sleep(0.005)
            await settle()
        assert len(self.remote.requests) == times

    async def until_swept(self) -> None:
        await self.clock.pass_(3601)
        for _ in range(20):
            await asyncio.sleep(0.005)
            await settle()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = World(tmp_path)
    async with Tasks() as tasks:
        tasks.start(found.store.run(), name="store")
        await settle()
        tasks.start(found.service.run(), name="sources")
        await settle()
        yield found


async def test_an_object_that_appears_is_fetched_and_polled(world: World) -> None:
    world.put()
    await world.until_fetched(1)
    assert world.found()["status"]["artifact"]["revision"] == f"main@sha1:{'1' * 40}"
    assert world.found()["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert [event["reason"] for event in world.api.all("events")] == ["NewArtifact"]
    written = len(world.api.writes)
    await world.clock.pass_(61)
    await world.until_fetched(2)
    assert len(world.api.writes) == written


async def test_a_change_of_spec_is_acted_on_at_once(world: World) -> None:
    world.put()
    await world.until_fetched(1)
    changed = world.found() | {"spec": SPEC | {"ref": {"branch": "other"}}}
    changed["metadata"]["generation"] = 2
    world.api.put("gitrepositories", changed)
    await world.until_fetched(2)
    assert world.found()["status"]["observedGeneration"] == 2


async def test_a_failure_is_tried_again_after_a_while(world: World) -> None:
    world.remote.failure = FetchFailure(FailureKind.NETWORK, "no route to host")
    world.put()
    await world.until_fetched(1)
    world.remote.failure = None
    await world.clock.pass_(1.1)
    await world.until_fetched(2)
    assert world.found()["status"]["conditions"][0]["status"] == "True"


async def test_a_secret_is_read_when_it_is_needed(world: World) -> None:
    world.api.put(
        "secrets", {"metadata": {"name": "git", "namespace": "apps"}, "data": {"bearerToken": "Y2FuYXJ5"}}
    )
    world.api.put_resource(Kind.GIT_REPOSITORY, "app", SPEC | {"secretRef": {"name": "git"}})
    await world.until_fetched(1)
    assert world.remote.requests[0].auth.bearer_token == "canary"


async def test_a_credential_arrives_byte_for_byte(world: World) -> None:
    key = b"-----BEGIN\xff\xfe-----"
    data = {"username": "Z2l0", "password": "eA==", "ca.crt": base64.b64encode(key).decode()}
    world.api.put("secrets", {"metadata": {"name": "git", "namespace": "apps"}, "data": data})
    world.api.put_resource(Kind.GIT_REPOSITORY, "app", SPEC | {"secretRef": {"name": "git"}})
    await world.until_fetched(1)
    assert world.remote.requests[0].auth.ca == key


async def test_a_deleted_object_is_let_go(world: World) -> None:
    world.put()
    await world.until_fetched(1)
    going = world.found()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.api.put("gitrepositories", going)
    await world.until_fetched(1)
    assert world.api.all("gitrepositories") == [] or world.found()["metadata"]["finalizers"] == []
    assert world.service.depth == 0


async def test_no_tree_is_swept_while_a_source_cannot_be_read(world: World) -> None:
    world.put()
    await world.until_fetched(1)
    (file,) = world.root.rglob(f"*{SUFFIX}")
    file = file.rename(file.with_name(f"{'0' * 64}{SUFFIX}"))
    os.utime(file, (0, 0))
    with world.api.older_schema():
        world.api.put_resource(Kind.GIT_REPOSITORY, "app", SPEC | {"timeout": "soon"})
    await world.until_swept()
    assert file.exists()
    world.api.remove("gitrepositories", "apps", "app")
    await world.until_swept()
    assert not file.exists()
