"""The main job on real clusters: a commit becomes running objects in every cluster, and its status comes back."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from e2e.planes.plane import AuditEntry, Plane
from e2e.scenarios.fleet import USERS, Fleet, config_map, deployment, namespace_manifest
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: prod, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {id}-base
  namespace: flux-system
  labels: {{fleet.cartwheel.dev/fleet: prod}}
  annotations: {{fleet.cartwheel.dev/variables: enabled}}
spec: {{interval: 10m, prune: true, path: ./base, sourceRef: {{kind: GitRepository, name: {id}}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}-apps, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: prod}}}}
spec:
  interval: 10m
  prune: true
  wait: true
  path: ./apps
  sourceRef: {{kind: GitRepository, name: {id}}}
  dependsOn: [{{name: {id}-base}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One scenario's source and deliveries; `place` is the namespace of their objects in the workload clusters."""

    fleet: Fleet
    repository: Repository
    source: str
    base: str
    apps: str
    place: str

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change something") -> str:
        """Commit, and have the source fetched now."""
        commit = self.repository.commit(files, message)
        self.fleet.hub("reconcile", "source", "git", self.source)
        return commit


@pytest.fixture
def delivered(fleet: Fleet, git_server: GitHttp, namespace: str) -> Iterator[Delivered]:
    """Two Kustomizations, Ready in both clusters."""
    place, base, apps = f"{namespace}-work", f"{namespace}-base", f"{namespace}-apps"
    repository = git_server.repository(namespace)
    commit = repository.commit(
        {
            "base/namespace.yaml": namespace_manifest(place),
            "base/settings.yaml": config_map("settings", place, colour="red", cluster="${CLUSTER_NAME}"),
            "base/other.yaml": config_map("other", place, text="one"),
            "apps/web.yaml": deployment("web", place),
        },
        "Begin",
    )
    fleet.apply(RESOURCES.format(id=namespace, url=git_server.url(namespace)))
    fleet.until_ready(base, apps, revision=commit)
    yield Delivered(fleet=fleet, repository=repository, source=namespace, base=base, apps=apps, place=place)
    fleet.management.kubectl(
        "delete", "kustomization,gitrepository", "--all", "-n", "flux-system", "--timeout=60s"
    )


def test_both_clusters_run_what_git_says_with_values_of_their_own(delivered: Delivered) -> None:
    for name, plane in delivered.fleet.workloads.items():
        found = plane.get("configmap", "settings", "-n", delivered.place)
        assert found["data"] == {"colour": "red", "cluster": name}
        assert plane.get("deployment", "web", "-n", delivered.place)["status"]["availableReplicas"] == 2
    assert "2/2 ready" in delivered.fleet.hub("get", "kustomizations")


def test_a_changed_line_is_one_write_to_one_object_in_each_cluster(delivered: Delivered) -> None:
    fleet, since = delivered.fleet, datetime.now(UTC)
    commit = delivered.commit({"base/other.yaml": config_map("other", delivered.place, text="two")})
    fleet.until_ready(delivered.base, delivered.apps, revision=commit)
    quiet = fleet.until_quiet()
    for plane in fleet.workloads.values():
        writes = ours(plane, since, quiet)
        work = [one for one in writes if one.namespace == delivered.place]
        assert [(one.resource, one.name) for one in work] == [("configmaps", "other")]
        # What is on the desk and the inventory are one Secret: written ahead, and when it is applied. The rest are packs of content.
        desk = Counter("head" if "-head-" in one.name else "pack" for one in writes if one not in work)
        assert {one.resource for one in writes if one not in work} == {"secrets"}
        assert desk["head"] <= 3
        assert desk["pack"] <= 3
    written = Counter(subject(one) for one in ours(fleet.management, since, quiet))
    for name in (delivered.base, delivered.apps):
        assert 1 <= written.pop(("kustomizations", name)) <= 3
        assert 1 <= written.pop(("events", name)) <= 3
    assert written.pop(("gitrepositories", delivered.source)) <= 3
    # The poll may have come before the request, which is answered by an event of its own.
    assert 1 <= written.pop(("events", delivered.source)) <= 2
    for name in fleet.workloads:
        assert written.pop(("clusters", name), 0) <= 3
    assert written.pop(("fleets", "prod"), 0) <= 3
    assert not written


def test_a_quiet_time_writes_nothing(delivered: Delivered) -> None:
    fleet = delivered.fleet
    since = fleet.until_quiet()
    fleet.until_quiet(for_s=15.0)
    for plane in (fleet.management, *fleet.workloads.values()):
        assert ours(plane, since) == []


def ours(plane: Plane, since: datetime, until: datetime | None = None) -> list[AuditEntry]:
    """Return what the hub and the agents wrote, dry runs left out."""
    return [
        one
        for one in plane.audit(since)
        if USERS in one.user and not one.dry_run and (until is None or one.time <= until)
    ]


def subject(one: AuditEntry) -> tuple[str, str]:
    """Return what a write is about; events are about the object in their name."""
    return one.resource, one.name.rpartition(".")[0] if one.resource == "events" else one.name


def test_a_deleted_file_is_pruned_unless_its_object_opted_out(delivered: Delivered) -> None:
    east = delivered.fleet.workloads["east"]
    kept = "kustomize.toolkit.fluxcd.io/prune=disabled"
    east.kubectl("annotate", "configmap", "other", kept, "-n", delivered.place)
    commit = delivered.commit({"base/other.yaml": None})
    delivered.fleet.until_ready(delivered.base, revision=commit)
    assert east.get("configmap", "other", "-n", delivered.place) is not None
    assert delivered.fleet.workloads["west"].get("configmap", "other", "-n", delivered.place) is None


def test_all_files_gone_deletes_nothing_until_a_person_approves(delivered: Delivered) -> None:
    fleet = delivered.fleet
    delivered.commit({"apps/web.yaml": None, "apps/README.md": "Nothing here."})

    def is_held() -> bool:
        return fleet.condition("kustomization", delivered.apps, "PruneHeld")[0] == "True"

    fleet.until(lambda: is_held() and "0/2 ready, 2 held (east; west)" in fleet.ready(delivered.apps)[2])
    status, reason, message = fleet.ready(delivered.apps)
    assert (status, reason) == ("False", "PruneHeld")
    assert (
        f"east, west: 1 object would be deleted and stay until that is approved with `hub approve prune {delivered.apps}`"
        in message
    )
    for plane in fleet.workloads.values():
        assert plane.get("deployment", "web", "-n", delivered.place) is not None
    fleet.hub("approve", "prune", delivered.apps)
    fleet.until(
        lambda: all(
            plane.get("deployment", "web", "-n", delivered.place) is None
            for plane in fleet.workloads.values()
        )
    )
    fleet.until(lambda: fleet.is_ready(delivered.apps) and not is_held())


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"apps/web.yaml": "a: [1"}, id="broken-file"),
        pytest.param({"apps/kustomization.yaml": "resources: [missing.yaml]"}, id="failing-kustomize"),
        pytest.param({"apps/kustomization.yaml": "resources: [/etc/hostname]"}, id="absolute-path"),
        pytest.param({"apps/web.yaml": None}, id="missing-path"),
    ],
)
def test_what_does_not_build_is_told_and_deletes_nothing(
    delivered: Delivered, files: dict[str, str | bytes | None]
) -> None:
    fleet = delivered.fleet
    delivered.commit(files)
    fleet.until(
        lambda: fleet.ready(delivered.apps)[:2] in {("False", "BuildFailed"), ("False", "ArtifactFailed")},
        lambda: str(fleet.ready(delivered.apps)),
    )
    east = fleet.workloads["east"]
    east.kubectl("scale", "deployment", "web", "--replicas=5", "-n", delivered.place)
    fleet.until(lambda: east.get("deployment", "web", "-n", delivered.place)["spec"]["replicas"] == 2)


def test_drift_is_put_back_and_told(delivered: Delivered) -> None:
    fleet, west = delivered.fleet, delivered.fleet.workloads["west"]
    west.kubectl("delete", "configmap", "other", "-n", delivered.place)
    patch = '{"data": {"colour": "blue", "mine": "kept"}}'
    west.kubectl("patch", "configmap", "settings", "--type=merge", "-p", patch, "-n", delivered.place)
    fleet.until(lambda: west.get("configmap", "other", "-n", delivered.place), timeout_s=2.0)
    settings = ("configmap", "settings", "-n", delivered.place)
    fleet.until(lambda: west.get(*settings)["data"]["colour"] == "red", timeout_s=2.0)
    assert west.get(*settings)["data"]["mine"] == "kept"

    def told() -> str:
        return fleet.management.kubectl("get", "events", "-n", "flux-system")

    fleet.until(lambda: "DriftCorrected" in told(), told)


def test_a_deleted_kustomization_takes_its_objects_along(delivered: Delivered) -> None:
    fleet = delivered.fleet
    fleet.management.kubectl("delete", "kustomization", delivered.apps, "-n", "flux-system", "--timeout=60s")
    for plane in fleet.workloads.values():
        assert plane.get("deployment", "web", "-n", delivered.place) is None
        assert plane.get("configmap", "other", "-n", delivered.place) is not None


@pytest.mark.slow
def test_a_removed_cluster_keeps_its_workloads_and_may_come_back(delivered: Delivered) -> None:
    fleet, west = delivered.fleet, delivered.fleet.workloads["west"]
    fleet.remove("west")
    try:
        assert fleet.management.get("cluster", "west", "-n", "flux-system") is None
        assert west.get("deployment", "web", "-n", delivered.place) is not None
        assert west.get("deployment", "cartwheel-agent", "-n", "cartwheel-system") is None
        heads = west.get("secrets", "-n", "cartwheel-system", "-l", "fleet.cartwheel.dev/desk=head")
        assert heads is None
        fleet.until_ready(delivered.base)
    finally:
        fleet.add("west")
    commit = delivered.commit({"base/other.yaml": config_map("other", delivered.place, text="back")})
    fleet.until_ready(delivered.base, delivered.apps, revision=commit)
    assert west.get("configmap", "other", "-n", delivered.place)["data"]["text"] == "back"
