"""An object that a commit moves from one delivery to another stays the object that it is, although the one that loses it is built first."""

from datetime import UTC, datetime

from e2e.scenarios.fleet import Fleet, config_map
from e2e.servers.git_http import GitHttp

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: {id}, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}-loses, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: {id}}}}}
spec: {{interval: 10m, prune: true, path: ./loses, sourceRef: {{kind: GitRepository, name: {id}}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}-gains, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: {id}}}}}
spec:
  interval: 10m
  prune: true
  path: ./gains
  sourceRef: {{kind: GitRepository, name: {id}}}
  dependsOn: [{{name: {id}-loses}}]
"""
MANY = 600


def test_an_object_that_moves_keeps_its_uid_whoever_is_built_first(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place, loses, gains = f"{namespace}-work", f"{namespace}-loses", f"{namespace}-gains"
    repository = git_server.repository(namespace)
    # So large a tree takes a while to build, while the other is on its way.
    many = "\n---\n".join(config_map(f"many-{number}", place, text="one") for number in range(MANY))
    moves, stays = config_map("moves", place, text="one"), config_map("stays", place, text="one")
    commit = repository.commit(
        {
            "loses/moves.yaml": moves,
            "loses/goes.yaml": config_map("goes", place, text="one"),
            "loses/stays.yaml": stays,
            "gains/many.yaml": many,
        },
        "Begin",
    )
    for plane in fleet.workloads.values():
        plane.kubectl("create", "namespace", place)
    fleet.apply(RESOURCES.format(id=namespace, url=git_server.url(namespace)))
    fleet.until(
        lambda: fleet.is_ready(loses, commit) and fleet.is_ready(gains, commit),
        lambda: f"{fleet.ready(loses)} {fleet.ready(gains)}",
        timeout_s=90.0,
    )
    uids = {name: _uid(fleet, name, place) for name in fleet.workloads}

    since = datetime.now(UTC)
    changed = many.replace('"one"', '"two"', 50)
    commit = repository.commit(
        {
            "loses/moves.yaml": None,
            "loses/goes.yaml": None,
            "gains/moves.yaml": moves,
            "gains/many.yaml": changed,
        },
        "Move one, delete another",
    )
    fleet.hub("reconcile", "source", "git", namespace)
    fleet.until(
        lambda: fleet.is_ready(loses, commit) and fleet.is_ready(gains, commit),
        lambda: f"{fleet.ready(loses)} {fleet.ready(gains)}",
        timeout_s=90.0,
    )
    assert {name: _uid(fleet, name, place) for name in fleet.workloads} == uids
    for plane in fleet.workloads.values():
        deleted = [
            one.name
            for one in plane.audit(since)
            if (one.verb, one.resource, one.namespace) == ("delete", "configmaps", place)
        ]
        assert deleted == ["goes"]
        owner = plane.get("configmap", "moves", "-n", place)["metadata"]["labels"]
        assert owner["kustomize.toolkit.fluxcd.io/name"] == gains
    kinds = "kustomization,gitrepository,fleet"
    fleet.management.kubectl("delete", kinds, "--all", "-n", "flux-system", "--timeout=60s")


def _uid(fleet: Fleet, cluster: str, place: str) -> str:
    return str(fleet.workloads[cluster].get("configmap", "moves", "-n", place)["metadata"]["uid"])
