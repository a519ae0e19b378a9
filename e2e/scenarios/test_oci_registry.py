"""Artifacts of a real registry that wants to know who asks and is known by an authority of its own."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.servers.certificates import Authority
from e2e.servers.registry import LOGIN, Registry
from tests.hub.sources.registry import Layer, targz

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: prod, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {id}, namespace: flux-system}}
imagePullSecrets: [{{name: {id}-pull}}]
---
apiVersion: source.toolkit.fluxcd.io/v1beta2
kind: OCIRepository
metadata: {{name: {id}, namespace: flux-system}}
spec:
  interval: 1m
  url: "{url}"
  ref: {{semver: 1.x}}
  serviceAccountName: {id}
  certSecretRef: {{name: {id}-ca}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: prod}}}}
spec: {{interval: 10m, prune: true, path: deploy, sourceRef: {{kind: OCIRepository, name: {id}}}}}
"""
ORIGIN = "main@sha1:5394cb7f48332b2de7c17dd8b8384bbc84b7e738"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One OCIRepository, delivered to both clusters."""

    fleet: Fleet
    registry: Registry
    name: str

    @property
    def place(self) -> str:
        return f"{self.name}-work"

    def push(self, tag: str, text: str) -> str:
        files = {
            "deploy/namespace.yaml": namespace_manifest(self.place).encode(),
            "deploy/settings.yaml": config_map("settings", self.place, text=text).encode(),
        }
        annotations = {"org.opencontainers.image.revision": ORIGIN}
        return self.registry.push(self.name, tag, Layer(content=targz(files)), annotations=annotations)

    def put_secret(self, name: str, **data: str) -> None:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        metadata = {"name": f"{self.name}-{name}", "namespace": "flux-system"}
        self.fleet.apply(
            json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})
        )

    def log_in(self, password: str) -> None:
        config = {"auths": {self.registry.host: {"username": LOGIN[0], "password": password}}}
        self.put_secret("pull", **{".dockerconfigjson": json.dumps(config)})

    def pull(self) -> None:
        self.fleet.hub("reconcile", "source", "oci", self.name, check=False)

    def texts(self) -> set[str]:
        """Return what the clusters have."""
        found = [
            plane.get("configmap", "settings", "-n", self.place) for plane in self.fleet.workloads.values()
        ]
        return {one["data"]["text"] if one else "" for one in found}

    def artifact(self) -> str:
        found = self.fleet.management.get("ocirepository", self.name, "-n", "flux-system")
        return str(found["status"]["artifact"]["revision"])


@pytest.fixture
def pushed(fleet: Fleet, memory: Path, namespace: str) -> Iterator[Pushed]:
    authority = Authority(memory / f"{namespace}-tls")
    with Registry(memory / f"{namespace}-registry", tls=authority, guarded=True) as registry:
        found = Pushed(fleet=fleet, registry=registry, name=namespace)
        first = found.push("1.0.0", "one")
        found.log_in(LOGIN[1])
        found.put_secret("ca", **{"ca.crt": authority.ca.read_text()})
        fleet.apply(RESOURCES.format(id=namespace, url=f"oci://{registry.host}/{namespace}"))
        fleet.until_ready(namespace, revision=f"1.0.0@{first}")
        yield found
        for kind in ("kustomization", "ocirepository"):
            fleet.management.kubectl("delete", kind, namespace, "-n", "flux-system", "--timeout=60s")


def test_a_version_that_is_pushed_comes_to_all_clusters_and_what_fails_leaves_it_there(
    pushed: Pushed,
) -> None:
    fleet = pushed.fleet
    assert pushed.texts() == {"one"}
    assert "stored artifact with revision '1.0.0@sha256:" in fleet.hub(
        "events", "--for", f"OCIRepository/{pushed.name}"
    )
    assert fleet.hub("get", "sources", "oci", pushed.name).count(pushed.name) == 1

    delivery = fleet.management.get("kustomization", pushed.name, "-n", "flux-system")
    assert delivery["status"]["lastAppliedOriginRevision"] == ORIGIN

    second = pushed.push("1.1.0", "two")
    pushed.pull()
    fleet.until_ready(pushed.name, revision=f"1.1.0@{second}")
    assert pushed.texts() == {"two"}

    pushed.log_in("wrong")
    pushed.push("1.2.0", "three")
    pushed.pull()
    status, reason, message = fleet.condition("ocirepository", pushed.name, "FetchFailed")
    assert (status, reason) == ("True", "ReadOperationFailed")
    assert "UNAUTHORIZED" in message
    assert "wrong" not in message
    assert pushed.artifact() == f"1.1.0@{second}"
    assert pushed.texts() == {"two"}

    pushed.log_in(LOGIN[1])
    pushed.pull()
    fleet.until(
        lambda: pushed.texts() == {"three"},
        lambda: str(fleet.condition("ocirepository", pushed.name, "Ready")),
    )
