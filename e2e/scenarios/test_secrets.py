"""A value that comes from a Secret, or that `sops` encrypted, is nowhere but in the cluster's own object: not in a log, an event, a status or a file of the hub."""

import base64
import json
from pathlib import Path

from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp
from e2e.sops.foreign import Sops, new_identity

CANARY = "canary-5f2b9c1d7e"
PIN = "918273645"
SEALED = "canary-9d41e07b22"
RESOURCES = """\
apiVersion: v1
kind: Secret
metadata: {{name: values, namespace: flux-system}}
stringData: {{PASSWORD: {canary}, PIN: "{pin}"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: flux-system}}
data: {{one.agekey: {key}}}
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
  decryption: {{provider: sops, secretRef: {{name: keys}}}}
"""


def test_a_secret_value_is_found_only_in_the_clusters_object(
    fleet: Fleet, git_server: GitHttp, namespace: str, tmp_path: Path
) -> None:
    place = f"{namespace}-work"
    identity, recipient = new_identity()
    sops = Sops(folder=tmp_path, identities=identity)

    def sealed(text: str, part: str) -> str:
        """Encrypt what a part of an object says."""
        rule = f"age: {recipient}, encrypted_regex: ^{part}$"
        return sops.encrypt(text.encode(), "yaml", rule).decode()

    repository = git_server.repository(namespace)
    files = {
        "namespace.yaml": namespace_manifest(place),
        "settings.yaml": config_map("settings", place, password="${PASSWORD}"),
        # Refused by the API server, which quotes the values: a label, and a number where there must be text.
        "wrong.yaml": labelled("wrong", place, secret="${PASSWORD} ?"),
        "pin.yaml": config_map("pin", place, pin="${PIN}"),
        "sealed.yaml": sealed(labelled("sealed", place, secret=f"{SEALED} ?"), "labels"),
    }
    repository.commit(files, "Begin")
    key = base64.b64encode(identity.encode()).decode()
    url = git_server.url(namespace)
    fleet.apply(RESOURCES.format(id=namespace, url=url, canary=CANARY, pin=PIN, key=key))
    fleet.until(
        lambda: fleet.ready(namespace)[1] == "ReconciliationFailed", lambda: str(fleet.ready(namespace))
    )
    message = fleet.ready(namespace)[2]
    assert 'metadata.labels: Invalid value: "***": a valid label must be' in message
    assert ".data.pin: expected string, got &value.valueUnstructured{Value:***}" in message
    assert message.count('metadata.labels: Invalid value: "***": a valid label must be') == 2
    mended = {"sealed.yaml": sealed(config_map("sealed", place, password=SEALED), "data")}
    commit = repository.commit({"wrong.yaml": None, "pin.yaml": None, **mended}, "Mend")
    fleet.hub("reconcile", "source", "git", namespace)
    # A delivery without a Fleet goes to the management cluster, as in Flux.
    fleet.until_ready(namespace, revision=commit)
    plane = fleet.management
    assert plane.get("configmap", "settings", "-n", place)["data"]["password"] == CANARY
    assert plane.get("configmap", "sealed", "-n", place)["data"]["password"] == SEALED

    kinds = "events,kustomizations,gitrepositories,clusters,fleets,pods,deployments,leases"
    told = plane.kubectl("get", kinds, "-A", "-o", "yaml")
    told += "".join(
        plane.pods.logs("cartwheel-system", name) for name in ("cartwheel-hub", "cartwheel-agent")
    )
    files_ = [file.read_bytes() for file in (plane.folder / "pods").rglob("*") if file.is_file()]
    for value in (CANARY, PIN, SEALED):
        assert value not in told
        assert not [data for data in files_ if value.encode() in data]


def labelled(name: str, namespace: str, **labels: str) -> str:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
