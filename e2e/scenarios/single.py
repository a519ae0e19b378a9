"""One delivery in one cluster: what its objects make of it, and what it says of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import Fleet
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: {id}, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{place: {id}}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: {id}}}}}
spec: {spec}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A delivery of the repository's files to east, whose namespace `place` is there already."""

    fleet: Fleet
    repository: Repository
    name: str
    place: str

    @property
    def plane(self) -> Plane:
        return self.fleet.workloads["east"]

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Commit files, None for one that goes, and have the source fetched now."""
        commit = self.repository.commit({f"it/{name}.yaml": text for name, text in files.items()}, "Change")
        self.fleet.hub("reconcile", "source", "git", self.name)
        return commit

    def until(self, status: str, reason: str, *texts: str, timeout_s: float = 30.0) -> str:
        """Wait until Ready says so with all these texts in its message, and return that."""

        def says() -> bool:
            ready = self.fleet.ready(self.name)
            return ready[:2] == (status, reason) and all(text in ready[2] for text in texts)

        self.fleet.until(says, lambda: str(self.fleet.ready(self.name)), timeout_s=timeout_s)
        return self.fleet.ready(self.name)[2]

    def written(self, since: datetime) -> list[tuple[str, str, str]]:
        """Return verb, resource and name of the agent's writes that took effect in the namespace."""
        return [
            (one.verb, one.resource, one.name)
            for one in self.plane.audit(since)
            if one.namespace == self.place and one.user.endswith(":cartwheel-agent") and not one.dry_run
            if one.code < 300
        ]


@contextmanager
def delivered(
    fleet: Fleet, server: GitHttp, name: str, files: Mapping[str, str], **spec: Any
) -> Iterator[Single]:
    """Deliver files to east until the end of the block. `spec` is added to the Kustomization's."""
    place = f"{name}-work"
    found = Single(fleet=fleet, repository=server.repository(name), name=name, place=place)
    found.plane.kubectl("create", "namespace", place)
    begin = {f"it/{key}.yaml": text for key, text in files.items()}
    found.repository.commit({"it/README.md": "The folder stays when all files are gone."} | begin, "Begin")
    whole = {
        "interval": "10m",
        "retryInterval": "20s",
        "prune": True,
        "path": "./it",
        "sourceRef": {"kind": "GitRepository", "name": name},
    }
    fleet.management.kubectl("label", "cluster", "east", f"place={name}", "--overwrite", "-n", "flux-system")
    fleet.apply(RESOURCES.format(id=name, url=server.url(name), spec=json.dumps(whole | spec)))
    yield found
    fleet.management.kubectl(
        "delete", "kustomization,gitrepository", name, "-n", "flux-system", "--timeout=60s"
    )
    fleet.management.kubectl("delete", "fleet", name, "-n", "flux-system")


def of_pods(kind: str, name: str, namespace: str, image: str, **spec: Any) -> str:
    """Return a manifest of what runs one Pod with this image."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    whole = {"selector": {"matchLabels": labels}, "template": template} | spec
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": whole})


def job(name: str, namespace: str, image: str = "job:1", **spec: Any) -> str:
    """Return a manifest of a Job of one Pod."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    whole = {"template": {"spec": pod}, "backoffLimit": 0} | spec
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": whole})
