"""A fleet in a box: its agents are connected within seconds, what is committed comes to the clusters, and who was cut off catches up."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.kube.api import Object
from agent.kube.errors import NotFound
from agent.kube.resources import CONFIG_MAPS
from hub.model.installation import CLUSTERS_NAMESPACE
from hub.model.kinds import Kind
from hub.resources import resource_of
from hub.sandbox.box import Box
from hub.sandbox.git import serving_git
from tests.integration.boxed import Repository, small_box, until


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
async def fleet(tmp_path: Path, repository: Repository) -> AsyncIterator[Box]:
    async with small_box(tmp_path, {"eu-1": {"tier": "prod"}, "us-1": {"tier": "prod"}}) as found:
        yield found


async def deliver(fleet: Box, url: str) -> None:
    """Have all clusters get what the repository has."""
    head = {"namespace": CLUSTERS_NAMESPACE, "name": "app"}
    label = {"labels": {"fleet.cartwheel.dev/fleet": "app"}}
    source = {"url": url, "interval": "10s", "ref": {"branch": "main"}}
    wanted = {
        "interval": "10m",
        "prune": True,
        "path": "./",
        "sourceRef": {"kind": "GitRepository", "name": "app"},
    }
    values: list[tuple[Kind, Object, Object]] = [
        (Kind.GIT_REPOSITORY, head, source),
        (Kind.FLEET, head, {"clusterSelector": {"matchLabels": {"tier": "prod"}}}),
        (Kind.KUSTOMIZATION, head | label, wanted),
    ]
    for kind, metadata, spec in values:
        value = {
            "apiVersion": resource_of(kind).api_version,
            "kind": str(kind),
            "metadata": metadata,
            "spec": spec,
        }
        await fleet.management.api.create(resource_of(kind), CLUSTERS_NAMESPACE, value, field_manager="test")


async def greeting(fleet: Box, cluster: str) -> str:
    try:
        found = await fleet.members[cluster].api.get(CONFIG_MAPS, "default", "settings")
    except NotFound:
        return ""
    return str(found["data"]["greeting"])


async def test_a_commit_comes_to_every_cluster_and_later_to_one_that_was_cut_off(
    fleet: Box, repository: Repository, tmp_path: Path
) -> None:
    async def all_say(text: str) -> bool:
        return [await greeting(fleet, name) for name in ("eu-1", "us-1")] == [text, text]

    repository.commit("hello")
    async with serving_git(tmp_path / "git") as address:
        await deliver(fleet, f"{address}/app")
        await until(lambda: all_say("hello"))
        fleet.cut("us-1")
        repository.commit("goodbye")

        async def one_says() -> bool:
            return await greeting(fleet, "eu-1") == "goodbye"

        await until(one_says)
        assert await greeting(fleet, "us-1") == "hello"
        fleet.mend("us-1")
        await until(lambda: all_say("goodbye"))


async def test_every_cluster_is_registered_under_the_rights_of_an_installation(fleet: Box) -> None:
    async def connected() -> list[str]:
        found = (await fleet.management.api.list(resource_of(Kind.CLUSTER), CLUSTERS_NAMESPACE)).items
        return [
            one["metadata"]["name"]
            for one in found
            for condition in (one.get("status") or {}).get("conditions") or ()
            if (condition["type"], condition["status"]) == ("Connected", "True")
        ]

    async def all_connected() -> bool:
        return len(await connected()) == len(fleet.members)

    await until(all_connected)
    assert sorted(await connected()) == ["eu-1", "management", "us-1"]
