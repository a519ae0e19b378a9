"""A Secret that the real `sops` encrypted goes from a commit to the clusters that it is for, and its values are nowhere else."""

import base64
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.kube.api import Object
from agent.kube.errors import NotFound
from agent.kube.resources import EVENTS, SECRETS
from hub.model.installation import CLUSTERS_NAMESPACE
from hub.model.kinds import TYPES, Kind
from hub.resources import resource_of
from hub.sandbox.box import Box
from hub.sandbox.git import serving_git
from tests.hub.build.sops.sealing import identity
from tests.integration.boxed import Repository, git, small_box, until

VECTORS = Path(__file__).parent.parent / "hub" / "build" / "sops" / "vectors"
SEALED = VECTORS / "regex.yaml.sealed"
PASSWORD = "correct horse"
ENCODED = base64.b64encode(PASSWORD.encode()).decode()
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Box]:
    async with small_box(tmp_path, {"eu-1": {"region": "eu"}, "us-1": {"region": "us"}}) as found:
        yield found


async def put_key(fleet: Box, key: str) -> None:
    """Have the Secret with the age identity."""
    value: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys", "namespace": CLUSTERS_NAMESPACE, "labels": WATCHED},
        "data": {"one.agekey": base64.b64encode(key.encode()).decode()},
    }
    with suppress(NotFound):
        await fleet.management.api.delete(SECRETS, CLUSTERS_NAMESPACE, "keys")
    await fleet.management.api.create(SECRETS, CLUSTERS_NAMESPACE, value, field_manager="test")


async def deliver(fleet: Box, url: str) -> None:
    """Have the clusters in Europe get what the repository has, decrypted."""
    head = {"namespace": CLUSTERS_NAMESPACE, "name": "app"}
    wanted = {
        "interval": "10m",
        "retryInterval": "10m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "app"},
        "decryption": {"provider": "sops", "secretRef": {"name": "keys"}},
    }
    values: list[tuple[Kind, Object, Object]] = [
        (Kind.GIT_REPOSITORY, head, {"url": url, "interval": "10s", "ref": {"branch": "main"}}),
        (Kind.FLEET, head, {"clusterSelector": {"matchLabels": {"region": "eu"}}}),
        (Kind.KUSTOMIZATION, head | {"labels": {"fleet.cartwheel.dev/fleet": "app"}}, wanted),
    ]
    for kind, metadata, spec in values:
        value = {"apiVersion": TYPES[kind].api_version, "kind": str(kind), "metadata": metadata, "spec": spec}
        await fleet.management.api.create(resource_of(kind), CLUSTERS_NAMESPACE, value, field_manager="test")


def commit(repository: Repository, content: bytes) -> None:
    (repository.clone / "secret.yaml").write_bytes(content)
    git(repository.clone, "add", "--all")
    git(repository.clone, "commit", "--quiet", "--message", "Change")
    git(repository.clone, "push", "--quiet", "origin", "HEAD:main")


async def password(fleet: Box, cluster: str) -> str:
    try:
        found = await fleet.members[cluster].api.get(SECRETS, "default", "settings")
    except NotFound:
        return ""
    return base64.b64decode(found["data"]["password"]).decode()


async def ready(fleet: Box) -> dict[str, Any]:
    found = await fleet.management.api.get(resource_of(Kind.KUSTOMIZATION), CLUSTERS_NAMESPACE, "app")
    conditions = (found.get("status") or {}).get("conditions") or ()
    return next((dict(one) for one in conditions if one["type"] == "Ready"), {})


def everything(fleet: Box, cluster: str) -> dict[str, bytes]:
    """Return all objects of a cluster, by kind, namespace and name."""
    storage = fleet.members[cluster].server.storage
    return {
        f"{kind} {place}": msgspec.json.encode(value)
        for kind in storage.kinds
        for place, value in storage.all(kind)
    }


def holding(contents: dict[str, bytes]) -> set[str]:
    return {name for name, data in contents.items() if PASSWORD.encode() in data or ENCODED.encode() in data}


async def test_a_decrypted_value_is_in_its_clusters_secret_and_nowhere_else(
    fleet: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = Repository(tmp_path)
    # Without the key it is told what is missing, and nothing is delivered.
    commit(repository, SEALED.read_bytes())
    async with serving_git(tmp_path / "git") as address:
        await deliver(fleet, f"{address}/app")

        async def fails(text: str) -> bool:
            told = await ready(fleet)
            return told.get("reason") == "BuildFailed" and text in told["message"]

        await until(lambda: fails('secrets "keys" not found'))
        await put_key(fleet, (VECTORS / "one.agekey").read_text())

        async def has(text: str) -> bool:
            return await password(fleet, "eu-1") == text and (await ready(fleet)).get("status") == "True"

        await until(lambda: has(PASSWORD))
        # A key that does not fit any more takes nothing away; what is refused quotes nothing.
        await put_key(fleet, identity()[0])
        await until(lambda: fails("no identity matched any of the recipients"))
        assert await password(fleet, "eu-1") == PASSWORD
        await put_key(fleet, (VECTORS / "one.agekey").read_text())
        await until(lambda: has(PASSWORD))
        # What was changed after it was encrypted is delivered as in Flux, and told.
        commit(repository, SEALED.read_bytes().replace(b"name: more", b"name: much"))

        async def told_of_change() -> bool:
            events = (await fleet.management.api.list(EVENTS, CLUSTERS_NAMESPACE)).items
            return "MACMismatch" in {one["reason"] for one in events}

        await until(told_of_change)

    there = everything(fleet, "eu-1")
    assert holding(there) == {name for name in there if "'default', 'settings'" in name and "secrets" in name}
    assert holding(everything(fleet, "us-1")) == set()
    assert holding(everything(fleet, fleet.management.name)) == set()
    files = {str(file): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert files
    assert holding(files) == set()
    assert PASSWORD not in caplog.text
    assert ENCODED not in caplog.text
