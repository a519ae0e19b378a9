"""An artifact of a registry on its way to a cluster, under the rights of an installation: pushed, applied, moved, and kept."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.kube.api import Object
from agent.kube.errors import NotFound
from agent.kube.resources import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS
from hub.model.installation import CLUSTERS_NAMESPACE
from hub.model.kinds import TYPES, Kind
from hub.resources import resource_of
from hub.sandbox.box import Box
from tests.hub.sources.registry import Layer, RegistryStub, targz
from tests.integration import boxed
from tests.integration.boxed import small_box

until = partial(boxed.until, patience_s=60.0)
ENVIRONMENT = {
    # What is shown here is no leadership: a machine that is slow for a second is not to end one.
    "CARTWHEEL_LEASE_DURATION_S": "150",
    "CARTWHEEL_LEASE_DEADLINE_S": "100",
    "CARTWHEEL_LEASE_REQUEST_S": "40",
}
LOGIN = ("ada", "s3cret")
HEAD = {"namespace": CLUSTERS_NAMESPACE, "name": "app"}


def layer(text: str) -> Layer:
    greeting = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: default}}\ndata: {{greeting: {text}}}\n"
    return Layer(content=targz({"deploy/settings.yaml": greeting.encode(), "README.md": b"no manifest"}))


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Box]:
    async with small_box(tmp_path, {"eu-1": {"tier": "prod"}}, **ENVIRONMENT) as found:
        yield found


async def put(fleet: Box, kind: Kind, spec: Object, **metadata: Any) -> None:
    value = {
        "apiVersion": TYPES[kind].api_version,
        "kind": str(kind),
        "metadata": HEAD | metadata,
        "spec": spec,
    }
    await fleet.management.api.create(resource_of(kind), CLUSTERS_NAMESPACE, value, field_manager="test")


async def deliver(fleet: Box, registry: RegistryStub) -> None:
    """Have the cluster get what the registry has, with the pull secret of a ServiceAccount."""
    api = fleet.management.api
    config = {"auths": {registry.host: dict(zip(("username", "password"), LOGIN, strict=True))}}
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": HEAD | {"name": "pull"},
        "stringData": {".dockerconfigjson": json.dumps(config)},
    }
    account: Object = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": HEAD | {"name": "puller"},
        "imagePullSecrets": [{"name": "pull"}],
    }
    await api.create(SECRETS, CLUSTERS_NAMESPACE, secret, field_manager="test")
    await api.create(SERVICE_ACCOUNTS, CLUSTERS_NAMESPACE, account, field_manager="test")
    source = {"url": registry.url, "interval": "10s", "insecure": True, "serviceAccountName": "puller"}
    await put(fleet, Kind.OCI_REPOSITORY, source)
    await put(fleet, Kind.FLEET, {"clusterSelector": {"matchLabels": {"tier": "prod"}}})
    reference = {"kind": "OCIRepository", "name": "app"}
    wanted = {"interval": "10m", "prune": True, "path": "./deploy", "sourceRef": reference}
    await put(fleet, Kind.KUSTOMIZATION, wanted, labels={"fleet.cartwheel.dev/fleet": "app"})


async def test_an_artifact_comes_to_the_cluster_and_stays_when_its_registry_fails(fleet: Box) -> None:
    async def greeting() -> str:
        try:
            found = await fleet.members["eu-1"].api.get(CONFIG_MAPS, "default", "settings")
        except NotFound:
            return ""
        return str(found["data"]["greeting"])

    async def status(kind: Kind) -> Object:
        found = await fleet.management.api.get(resource_of(kind), CLUSTERS_NAMESPACE, "app")
        return dict(found.get("status") or {})

    async def says(text: str) -> bool:
        return await greeting() == text

    async with RegistryStub(login=LOGIN) as registry:
        registry.push(
            "latest", layer("hello"), annotations={"org.opencontainers.image.revision": "main@sha1:abc"}
        )
        await deliver(fleet, registry)
        await until(lambda: says("hello"))

        async def is_said_where_from() -> bool:
            return (await status(Kind.KUSTOMIZATION)).get("lastAppliedOriginRevision") == "main@sha1:abc"

        await until(is_said_where_from)
        moved = registry.push("latest", layer("goodbye"))
        await until(lambda: says("goodbye"))

        async def is_told() -> bool:
            return (await status(Kind.KUSTOMIZATION)).get("lastAppliedRevision") == f"latest@{moved}"

        await until(is_told)
        registry.push("latest", Layer(content=b"no archive"))

        async def is_refused() -> bool:
            conditions = (await status(Kind.OCI_REPOSITORY)).get("conditions", ())
            return any(one["reason"] == "OCIArtifactLayerOperationFailed" for one in conditions)

        await until(is_refused)
    assert (await status(Kind.OCI_REPOSITORY))["artifact"]["revision"] == f"latest@{moved}"
    assert await greeting() == "goodbye"
    await fleet.management.api.delete(resource_of(Kind.OCI_REPOSITORY), CLUSTERS_NAMESPACE, "app")

    async def is_gone() -> bool:
        return not (
            await fleet.management.api.list(resource_of(Kind.OCI_REPOSITORY), CLUSTERS_NAMESPACE)
        ).items

    await until(is_gone)
    assert await greeting() == "goodbye"
