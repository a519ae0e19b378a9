"""A value that comes from a Secret is nowhere but in the cluster's own object: not in a log, an event, a status or a file of the hub."""

from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp

CANARY = "canary-5f2b9c1d7e"
RESOURCES = """\
apiVersion: v1
kind: Secret
metadata: {{name: values, namespace: flux-system}}
stringData: {{PASSWORD: {canary}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system}}
spec:
  interval: 10m
  prune: true
  sourceRef: {{kind: GitRepository, name: {id}}}
  postBuild: {{substituteFrom: [{{kind: Secret, name: values}}]}}
"""


def test_a_secret_value_is_found_only_in_the_clusters_object(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place = f"{namespace}-work"
    repository = git_server.repository(namespace)
    files = {
        "namespace.yaml": namespace_manifest(place),
        "settings.yaml": config_map("settings", place, password="${PASSWORD}"),
        # Refused by the API server, whose message must not carry the value either.
        "wrong.yaml": config_map("Wrong_Name", place, password="${PASSWORD}"),
    }
    repository.commit(files, "Begin")
    fleet.apply(RESOURCES.format(id=namespace, url=git_server.url(namespace), canary=CANARY))
    fleet.until(
        lambda: fleet.ready(namespace)[1] == "ReconciliationFailed", lambda: str(fleet.ready(namespace))
    )
    commit = repository.commit({"wrong.yaml": None}, "Mend")
    fleet.hub("reconcile", "source", "git", namespace)
    # A delivery without a Fleet goes to the management cluster, as in Flux.
    fleet.until_ready(namespace, revision=commit)
    plane = fleet.management
    assert plane.get("configmap", "settings", "-n", place)["data"]["password"] == CANARY

    kinds = "events,kustomizations,gitrepositories,clusters,fleets,pods,deployments,leases"
    assert CANARY not in plane.kubectl("get", kinds, "-A", "-o", "yaml")
    for prefix in ("cartwheel-hub", "cartwheel-agent"):
        assert CANARY not in plane.pods.logs("cartwheel-system", prefix)
    for file in (plane.folder / "pods").rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file
