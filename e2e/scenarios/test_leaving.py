"""How deliveries leave clusters that are there and clusters that are away: what is deleted, what stays, who guards it afterwards."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository

pytestmark = pytest.mark.slow

SYSTEM = "cartwheel-system"
AGENT = "app.kubernetes.io/name=cartwheel-agent"
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
"""
FLEET = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: {id}, namespace: flux-system}}
spec: {{onLeave: {on_leave}, clusterSelector: {{matchLabels: {{group: {id}}}}}}}
"""
KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: {id}}}}}
spec: {{interval: 10m, prune: {prune}, path: ./{path}, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""
GUARDED = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}-guarded, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: prod}}}}
spec: {{interval: 10m, prune: true, path: ./guarded, sourceRef: {{kind: GitRepository, name: {id}}}}}
---
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: prod, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One delivery in east and west: Fleet, source and Kustomization of one name; its objects are in the namespace `place`."""

    fleet: Fleet
    repository: Repository
    name: str
    place: str
    url: str

    @property
    def east(self) -> Plane:
        return self.fleet.workloads["east"]

    @property
    def west(self) -> Plane:
        return self.fleet.workloads["west"]

    def commit(self, files: dict[str, str | bytes | None]) -> str:
        """Commit, and have the source fetched now."""
        commit = self.repository.commit(files, "Change something")
        self.fleet.hub("reconcile", "source", "git", self.name)
        return commit

    def apply(self, *templates: str, prune: bool = True, path: str = "one", on_leave: str = "Keep") -> None:
        """Apply resources, from their templates."""
        text = "---\n".join(templates)
        values = {"id": self.name, "url": self.url, "path": path, "on_leave": on_leave}
        self.fleet.apply(text.format(prune=json.dumps(prune), **values))

    def delete(self, kind: str) -> None:
        """Delete one of the resources, and wait until it is gone."""
        self.fleet.management.kubectl("delete", kind, self.name, "-n", "flux-system", "--timeout=30s")

    def found(self, plane: Plane) -> set[str]:
        """Return the names of the ConfigMaps that are in a cluster because of the delivery."""
        names = {one["metadata"]["name"] for one in _items(plane, "configmaps", "-n", self.place)}
        return names - {"kube-root-ca.crt"}

    def until_found(self, plane: Plane, names: set[str]) -> None:
        """Wait until exactly these ConfigMaps are in a cluster."""
        self.fleet.until(
            lambda: self.found(plane) == names,
            lambda: f"{self.found(plane)} {self.fleet.ready(self.name)}",
        )

    def label(self, cluster: str, *, is_in: bool) -> None:
        """Take a cluster into the Fleet, or out of it."""
        label = f"group={self.name}" if is_in else "group-"
        self.fleet.management.kubectl("label", "cluster", cluster, label, "--overwrite", "-n", "flux-system")

    def entries(self, cluster: str, part: str) -> list[dict[str, Any]]:
        """Return the tombstones or the released placements that the Cluster's status has of the delivery."""
        status = self.fleet.management.get("cluster", cluster, "-n", "flux-system").get("status", {})
        return [one for one in status.get(part, ()) if one["name"] == self.name]

    def until_told(self, cluster: str, part: str, count: int) -> None:
        """Wait until the Cluster's status has so many entries of the delivery."""
        self.fleet.until(
            lambda: len(self.entries(cluster, part)) == count, lambda: str(self.entries(cluster, part))
        )

    def is_on_desk(self, plane: Plane) -> bool:
        """Tell whether the cluster's agent holds the delivery."""
        heads = _items(plane, "secrets", "-n", SYSTEM, "-l", "fleet.cartwheel.dev/desk=head")
        homes = [one["metadata"]["annotations"]["fleet.cartwheel.dev/home"] for one in heads]
        return f"Kustomization/flux-system/{self.name}" in homes

    def has_logged(self, plane: Plane, event: str) -> bool:
        """Tell whether the cluster's agent has logged an event of the delivery."""
        lines = plane.pods.logs(SYSTEM, "cartwheel-agent").splitlines()
        return any(event in line and f"Kustomization/flux-system/{self.name}" in line for line in lines)

    def is_fleet_seen(self) -> bool:
        """Tell whether the hub knows the Fleet as it is now."""
        found = self.fleet.management.get("fleet", self.name, "-n", "flux-system")
        return bool(found["metadata"]["generation"] == found.get("status", {}).get("observedGeneration"))

    def text_of_b(self, plane: Plane) -> str:
        found = plane.get("configmap", "b", "-n", self.place)
        return str(found["data"]["text"]) if found else ""


def _items(plane: Plane, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (plane.get(*arguments) or {"items": []})["items"]
    return found


@pytest.fixture
def placed(fleet: Fleet, git_server: GitHttp, namespace: str) -> Iterator[Placed]:
    """A delivery that is Ready in east and west."""
    found = Placed(
        fleet=fleet,
        repository=git_server.repository(namespace),
        name=namespace,
        place=f"{namespace}-work",
        url=git_server.url(namespace),
    )
    place = found.place
    commit = found.repository.commit(
        {
            "one/a.yaml": config_map("a", place, text="one"),
            "one/b.yaml": config_map("b", place, text="one"),
            "two/b.yaml": config_map("b", place, text="two"),
            "two/c.yaml": config_map("c", place, text="two"),
            "homed/namespace.yaml": namespace_manifest(f"{place}-own"),
            "homed/c.yaml": config_map("c", f"{place}-own", text="one"),
            "guarded/guarded.yaml": config_map(f"{namespace}-guarded", "default", text="one"),
        },
        "Begin",
    )
    for cluster, plane in fleet.workloads.items():
        plane.kubectl("create", "namespace", place)
        found.label(cluster, is_in=True)
    found.apply(SOURCE, FLEET, KUSTOMIZATION)
    fleet.until_ready(namespace, revision=commit)
    yield found
    kinds = "kustomization,gitrepository,fleet"
    fleet.management.kubectl("delete", kinds, "--all", "-n", "flux-system", "--timeout=60s")


def away(plane: Plane) -> AbstractContextManager[None]:
    """Have a cluster's agent silent for a while: its connections stay open, nobody is told. Another Pod comes back in its place."""

    @contextmanager
    def silent() -> Iterator[None]:
        plane.pods.freeze(SYSTEM, AGENT)
        try:
            yield
        finally:
            plane.kubectl("delete", "pod", "-n", SYSTEM, "-l", AGENT, "--force", "--grace-period=0")

    return silent()


west_is_away = pytest.mark.parametrize("is_away", [False, True], ids=["connected", "away"])


@west_is_away
@pytest.mark.parametrize("prune", [True, False], ids=["prune", "keep"])
def test_a_deleted_kustomization_takes_its_objects_along_where_it_prunes(
    placed: Placed, prune: bool, is_away: bool
) -> None:
    placed.apply(KUSTOMIZATION, prune=prune)
    placed.fleet.until_ready(placed.name)
    left = set() if prune else {"a", "b"}
    with away(placed.west) if is_away else nullcontext():
        placed.delete("kustomization")
        assert placed.found(placed.east) == left
        if is_away:
            assert placed.found(placed.west) == {"a", "b"}
            assert len(placed.entries("west", "tombstones")) == 1
    placed.until_told("west", "tombstones", 0)
    assert placed.found(placed.west) == left
    assert not placed.is_on_desk(placed.west)


def test_a_tombstone_is_not_for_what_was_created_anew_under_the_name(placed: Placed) -> None:
    before = placed.west.get("configmap", "b", "-n", placed.place)["metadata"]["uid"]
    with away(placed.west):
        placed.delete("kustomization")
        placed.apply(KUSTOMIZATION, path="two")
        placed.until_found(placed.east, {"b", "c"})
        assert len(placed.entries("west", "tombstones")) == 1
    placed.until_found(placed.west, {"b", "c"})
    placed.until_told("west", "tombstones", 0)
    placed.fleet.until_ready(placed.name)
    assert placed.west.get("configmap", "b", "-n", placed.place)["metadata"]["uid"] == before


def test_a_delivery_that_is_made_anew_at_once_gets_its_namespace_back(placed: Placed) -> None:
    own = f"{placed.place}-own"

    def uids() -> set[str]:
        found = [plane.get("configmap", "c", "-n", own) for plane in (placed.east, placed.west)]
        return {one["metadata"]["uid"] for one in found if one is not None}

    placed.apply(KUSTOMIZATION, path="homed")
    placed.fleet.until(lambda: len(uids()) == 2)
    before = uids()
    placed.delete("kustomization")
    placed.apply(KUSTOMIZATION, path="homed")
    placed.fleet.until(lambda: len(uids() - before) == 2, lambda: str(placed.fleet.ready(placed.name)))
    placed.fleet.until_ready(placed.name)


@west_is_away
def test_what_a_cluster_is_released_from_stays_and_is_guarded_no_more(placed: Placed, is_away: bool) -> None:
    fleet, west = placed.fleet, placed.west
    guarded = ("configmap", f"{placed.name}-guarded", "-n", "default")
    placed.apply(GUARDED)
    fleet.until_ready(f"{placed.name}-guarded")
    with away(west) if is_away else nullcontext():
        placed.label("west", is_in=False)
        placed.until_told("west", "released", 1)
    fleet.until(lambda: placed.has_logged(west, "delivery released"))
    west.kubectl("delete", "configmap", "a", "-n", placed.place)
    # The agent has seen this one after the other, and puts it back.
    west.kubectl("patch", *guarded, "--type=merge", "-p", '{"data": {"text": "changed"}}')
    fleet.until(lambda: west.get(*guarded)["data"]["text"] == "one")
    assert placed.found(west) == {"b"}
    status = fleet.hub("status")
    assert f"hub placement prune|forget Kustomization/flux-system/{placed.name} --cluster west" in status
    placed.label("west", is_in=True)
    placed.until_found(west, {"a", "b"})
    placed.until_told("west", "released", 0)


@west_is_away
@pytest.mark.parametrize(("verb", "left"), [("prune", set()), ("forget", {"a", "b"})])
def test_a_person_decides_on_what_was_released(
    placed: Placed, verb: str, left: set[str], is_away: bool
) -> None:
    placed.label("west", is_in=False)
    placed.until_told("west", "released", 1)
    with away(placed.west) if is_away else nullcontext():
        placed.fleet.hub("placement", verb, placed.name, "--cluster", "west")
        placed.until_told("west", "released", 0)
        if is_away:
            assert placed.found(placed.west) == {"a", "b"}
            placed.until_told("west", "tombstones", 1)
    placed.until_told("west", "tombstones", 0)
    assert placed.found(placed.west) == left
    assert not placed.is_on_desk(placed.west)
    assert placed.found(placed.east) == {"a", "b"}


@west_is_away
def test_a_fleet_may_prune_what_leaves_it(placed: Placed, is_away: bool) -> None:
    placed.apply(FLEET, on_leave="Prune")
    placed.fleet.until(placed.is_fleet_seen)
    with away(placed.west) if is_away else nullcontext():
        placed.label("west", is_in=False)
        if is_away:
            placed.until_told("west", "tombstones", 1)
            assert placed.found(placed.west) == {"a", "b"}
    placed.until_found(placed.west, set())
    placed.until_told("west", "tombstones", 0)
    assert placed.found(placed.east) == {"a", "b"}


@west_is_away
@pytest.mark.parametrize(("lost", "reason"), [("fleet", "FleetNotFound"), ("label", "PlacementLost")])
def test_a_delivery_that_lost_its_fleet_is_kept_and_guarded_until_it_is_deleted(
    placed: Placed, lost: str, reason: str, is_away: bool
) -> None:
    fleet = placed.fleet
    with away(placed.west) if is_away else nullcontext():
        if lost == "fleet":
            placed.delete("fleet")
        else:
            label = "fleet.cartwheel.dev/fleet-"
            fleet.management.kubectl("label", "kustomization", placed.name, label, "-n", "flux-system")
        fleet.until(lambda: fleet.ready(placed.name)[1] == reason, lambda: str(fleet.ready(placed.name)))
    for plane in (placed.east, placed.west):
        plane.kubectl("delete", "configmap", "a", "-n", placed.place)
        placed.until_found(plane, {"a", "b"})
    with away(placed.west) if is_away else nullcontext():
        placed.delete("kustomization")
        assert placed.found(placed.east) == set()
    placed.until_found(placed.west, set())
    placed.until_told("west", "tombstones", 0)


def test_a_removed_cluster_is_pruned_of_all_that_its_agent_has(placed: Placed) -> None:
    fleet, west = placed.fleet, placed.west
    guarded = ("configmap", f"{placed.name}-guarded", "-n", "default")
    placed.apply(GUARDED)
    fleet.until_ready(f"{placed.name}-guarded")
    placed.label("west", is_in=False)
    placed.until_told("west", "released", 1)
    fleet.until(lambda: placed.has_logged(west, "delivery released"))
    # An agent that has just begun has reported nothing yet, and never does of what was released.
    west.pods.kill9(SYSTEM, AGENT)
    fleet.remove("west", "--prune")
    try:
        assert placed.found(west) == set()
        assert west.get(*guarded) is None
        assert placed.east.get(*guarded) is not None
        assert _items(west, "deployments,serviceaccounts,roles,secrets", "-n", SYSTEM, "-l", AGENT) == []
        assert not placed.is_on_desk(west)
        assert west.get("clusterrolebinding", "cartwheel-agent") is None
        assert fleet.management.get("cluster", "west", "-n", "flux-system") is None
    finally:
        fleet.add("west")


@pytest.mark.parametrize(
    ("options", "left"), [((), {"a", "b"}), (("--prune",), set())], ids=["keep", "prune"]
)
def test_a_cluster_that_is_removed_while_it_is_away_lets_go_when_it_comes_back(
    placed: Placed, options: tuple[str, ...], left: set[str]
) -> None:
    fleet, west = placed.fleet, placed.west
    try:
        with away(west):
            fleet.hub("cluster", "remove", "west", *options)
            assert "RemovedUnreachable" in fleet.management.kubectl("get", "events", "-n", "flux-system")
            fleet.until(lambda: "removed while its agent was away" in fleet.hub("status"))
            commit = placed.commit({"one/b.yaml": config_map("b", placed.place, text="two")})
            fleet.until_ready(placed.name, revision=commit)
            assert placed.found(west) == {"a", "b"}
        fleet.until(lambda: fleet.management.get("cluster", "west", "-n", "flux-system") is None)
        assert placed.found(west) == left
        assert not placed.is_on_desk(west)
        assert placed.has_logged(west, "delivery left")
        fleet.until(lambda: "ClusterRemoved" in west.pods.logs(SYSTEM, "cartwheel-agent"))
    finally:
        fleet.add("west")
    placed.label("west", is_in=True)
    fleet.until(lambda: placed.text_of_b(west) == "two")
