"""Two environments from one repository: a base with an overlay each, infrastructure before apps, and all of it told in Git.

One Kustomization of the management cluster brings the Kustomizations of both environments, in a namespace for each that says which cluster
is meant. The repository is in `data/two-environments`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.planes.plane import AuditEntry, Plane
from e2e.scenarios.fleet import Fleet
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository

DATA = Path(__file__).parent / "data" / "two-environments"
NAME = "two-environments"
ENVIRONMENTS = {"staging": "east", "production": "west"}
DELIVERIES = ("infra-controllers", "infra-configs", "apps")
ROOT = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 10m, prune: true, path: ./clusters, sourceRef: {{kind: GitRepository, name: {name}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """Staging in east, production in west."""

    fleet: Fleet
    repository: Repository

    def plane(self, environment: str) -> Plane:
        return self.fleet.workloads[ENVIRONMENTS[environment]]

    def until_ready(self, revision: str) -> None:
        """Wait until every delivery of both environments has applied a revision."""

        def waiting() -> list[str]:
            return [
                f"{environment}/{name}"
                for environment in ENVIRONMENTS
                for name in DELIVERIES
                if not self._is_ready(environment, name, revision)
            ]

        self.fleet.until(lambda: not waiting(), lambda: str(waiting()), timeout_s=60.0)

    def _is_ready(self, environment: str, name: str, revision: str) -> bool:
        found = self.fleet.management.get("kustomization", name, "-n", environment) or {}
        status = found.get("status", {})
        ready = {one["type"]: one["status"] for one in status.get("conditions", ())}.get("Ready")
        return ready == "True" and status.get("lastAppliedRevision", "").endswith(revision)

    def commit(self, path: str, before: str, after: str) -> str:
        """Replace a text in one file, and have the source fetched now."""
        old = (DATA / path).read_text()
        assert before in old
        commit = self.repository.commit({path: old.replace(before, after)}, "Change something")
        self.fleet.hub("reconcile", "source", "git", NAME)
        return commit

    def writes(self, environment: str, since: datetime | None = None) -> list[AuditEntry]:
        """Return what the environment's agent wrote, its own namespace left out."""
        return [
            one
            for one in self.plane(environment).audit(since)
            if one.user.endswith(":cartwheel-agent")
            and not one.dry_run
            and one.namespace != "cartwheel-system"
        ]

    def left(self) -> set[str]:
        """Return which namespaces of the environments are left somewhere."""
        planes = (self.fleet.management, *self.fleet.workloads.values())
        there = {one["metadata"]["name"] for plane in planes for one in plane.get("namespaces")["items"]}
        return there & {*ENVIRONMENTS, "shop", "ingress", "certificates"}

    def settings(self, environment: str) -> dict[str, str]:
        found: dict[str, str] = self.plane(environment).get("configmap", "settings", "-n", "shop")["data"]
        return found


@pytest.fixture
def environments(fleet: Fleet, git_server: GitHttp, namespace: str) -> Iterator[Environments]:
    """Both environments as the repository says it."""
    repository = git_server.repository(namespace)
    files: dict[str, str | bytes | None] = {
        file.relative_to(DATA).as_posix(): file.read_bytes() for file in DATA.rglob("*.yaml")
    }
    commit = repository.commit(files, "Begin")
    fleet.apply(ROOT.format(name=NAME, url=git_server.url(namespace)))
    found = Environments(fleet=fleet, repository=repository)
    found.until_ready(commit)
    yield found
    for kind in ("kustomization", "gitrepository"):
        fleet.management.kubectl("delete", kind, NAME, "-n", "flux-system", "--timeout=60s")
    fleet.until(lambda: not found.left(), lambda: str(found.left()), timeout_s=60.0)


def test_two_environments_of_one_repository(environments: Environments) -> None:
    for environment, replicas, image in (("staging", 1, "shop:2-rc"), ("production", 3, "shop:1")):
        plane = environments.plane(environment)
        web = plane.get("deployment", "web", "-n", "shop")["spec"]
        assert (web["replicas"], web["template"]["spec"]["containers"][0]["image"]) == (replicas, image)
        assert environments.settings(environment) == {
            "motto": "open day and night",
            "host": f"{environment}.shop.example.com",
        }
        server = plane.get("configmap", "issuer", "-n", "certificates")["data"]["server"]
        assert server == f"https://certificates.example.com/{environment}"
        _assert_infrastructure_came_first(environments.writes(environment))

    since = datetime.now(UTC)
    commit = environments.commit("apps/base/settings.yaml", "open day and night", "open all week")
    environments.until_ready(commit)
    for environment in ENVIRONMENTS:
        assert environments.settings(environment)["motto"] == "open all week"
        assert [one.name for one in environments.writes(environment, since)] == ["settings"]

    since = datetime.now(UTC)
    commit = environments.commit("apps/staging/web.yaml", "replicas: 1", "replicas: 2")
    environments.until_ready(commit)
    assert environments.plane("staging").get("deployment", "web", "-n", "shop")["spec"]["replicas"] == 2
    assert [one.name for one in environments.writes("staging", since)] == ["web"]
    assert environments.writes("production", since) == []


def test_what_leaves_the_repository_leaves_its_environment_alone(environments: Environments) -> None:
    files = {f"clusters/staging/{name}.yaml": None for name in ("apps", "infrastructure", "namespace")}
    environments.repository.commit(dict(files), "No staging any more")
    environments.fleet.hub("reconcile", "source", "git", NAME)
    staging, production = environments.plane("staging"), environments.plane("production")
    environments.fleet.until(lambda: staging.get("deployment", "web", "-n", "shop") is None, timeout_s=60.0)
    environments.fleet.until(
        lambda: environments.fleet.management.get("namespace", "staging") is None, timeout_s=60.0
    )
    assert production.get("deployment", "web", "-n", "shop")["spec"]["replicas"] == 3


def _assert_infrastructure_came_first(writes: list[AuditEntry]) -> None:
    """Compare times: controllers, then what configures them, then apps."""
    controllers = [one.time for one in writes if one.name == "controller"]
    configs = [one.time for one in writes if one.name == "issuer"]
    apps = [one.time for one in writes if one.namespace == "shop"]
    assert max(controllers) < min(configs)
    assert max(configs) < min(apps)
