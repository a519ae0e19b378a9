"""A value that comes from a Secret is nowhere but in the cluster's own object: not in a log, an event, a status or a file of the hub."""

import json

from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp

CANARY = "canary-5f2b9c1d7e"
PIN = "918273645"
RESOURCES = """\
apiVersion: v1
kind: Secret
metadata: {{name: values, namespace: flux-system}}
stringData: {{PASSWORD: {canary}, PIN: "{pin}"}}
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
        # Refused by the API server, which quotes the values: a label, and a number where there must be text.
        "wrong.yaml": labelled("wrong", place, secret="${PASSWORD} ?"),
        "pin.yaml": config_map("pin", place, pin="${PIN}"),
    }
    repository.commit(files, "Begin")
    fleet.apply(RESOURCES.format(id=namespace, url=git_server.url(namespace), canary=CANARY, pin=PIN))
    fleet.until(
        lambda: fleet.ready(namespace)[1] == "ReconciliationFailed", lambda: str(fleet.ready(namespace))
    )
    message = fleet.ready(namespace)[2]
    assert 'metadata.labels: Invalid value: "***": a valid label must be' in message
    assert ".data.pin: expected string, got &value.valueUnstructured{Value:***}" in message
    commit = repository.commit({"wrong.yaml": None, "pin.yaml": None}, "Mend")
    fleet.hub("reconcile", "source", "git", namespace)
    # A delivery without a Fleet goes to the management cluster, as in Flux.
    fleet.until_ready(namespace, revision=commit)
    plane = fleet.management
    assert plane.get("configmap", "settings", "-n", place)["data"]["password"] == CANARY

    kinds = "events,kustomizations,gitrepositories,clusters,fleets,pods,deployments,leases"
    told = plane.kubectl("get", kinds, "-A", "-o", "yaml")
    told += "".join(
        plane.pods.logs("cartwheel-system", name) for name in ("cartwheel-hub", "cartwheel-agent")
    )
    files_ = [file.read_bytes() for file in (plane.folder / "pods").rglob("*") if file.is_file()]
    for value in (CANARY, PIN):
        assert value not in told
        assert not [data for data in files_ if value.encode() in data]


def labelled(name: str, namespace: str, **labels: str) -> str:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
