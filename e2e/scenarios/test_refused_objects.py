"""What an API server refuses is named, in the words of Flux, and stops what it must stop and nothing else."""

import json
from datetime import UTC, datetime

from e2e.scenarios.fleet import Fleet, config_map
from e2e.scenarios.single import Single, delivered, of_pods
from e2e.servers.git_http import GitHttp

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: gadgets.{id}.example.org}}
spec:
  group: {id}.example.org
  scope: Namespaced
  names: {{kind: Gadget, plural: gadgets, singular: gadget}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
AWAY = [
    {"op": "remove", "path": "/metadata/labels/kube-aggregator.kubernetes.io~1automanaged"},
    {"op": "add", "path": "/spec/service", "value": {"namespace": "default", "name": "nobody", "port": 443}},
    {"op": "add", "path": "/spec/insecureSkipTLSVerify", "value": True},
]


def test_an_invalid_object_stops_its_stage_before_the_first_write(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place, since = f"{namespace}-work", datetime.now(UTC)
    files = {"a": config_map("a", place, text="one"), "bad": config_map("Not_A_Name", place)}
    with delivered(fleet, git_server, namespace, files) as single:
        message = single.until("False", "ReconciliationFailed")
        assert message.startswith(f"ConfigMap/{place}/Not_A_Name dry-run failed (Invalid): ")
        assert single.written(since) == []
        fleet.until_ready(namespace, revision=single.commit({"bad": None}))
        assert single.written(since) == [("patch", "configmaps", "a")]


def test_a_change_of_what_is_immutable_stops_the_stage_until_it_may_be_made_anew(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place = f"{namespace}-work"
    files = {"a": config_map("a", place, text="one"), "web": of_pods("Deployment", "web", place, "web:1")}
    with delivered(fleet, git_server, namespace, files) as single:
        fleet.until_ready(namespace)
        since = datetime.now(UTC)
        changed = json.loads(files["web"])
        changed["spec"]["selector"]["matchLabels"] = {"app": "other"}
        changed["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        single.commit({"a": config_map("a", place, text="two"), "web": json.dumps(changed)})
        message = single.until("False", "ReconciliationFailed", "field is immutable")
        assert message.startswith(f"Deployment/{place}/web dry-run failed (Invalid): ")
        assert single.written(since) == []
        changed["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/force": "enabled"}
        commit = single.commit({"web": json.dumps(changed)})
        fleet.until_ready(namespace, revision=commit)
        assert single.written(since) == [
            ("patch", "configmaps", "a"),
            ("delete", "deployments", "web"),
            ("patch", "deployments", "web"),
        ]


def test_what_an_absent_server_serves_stays_held_and_leaves_when_it_is_back(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place = f"{namespace}-work"
    files = {"a": config_map("a", place, text="one"), "gadget": gadget(namespace, place)}
    fleet.workloads["east"].kubectl("apply", "-f", "-", input=DEFINITION.format(id=namespace))
    with delivered(fleet, git_server, namespace, files) as single:
        fleet.until_ready(namespace)
        service = f"v1.{namespace}.example.org"
        single.plane.kubectl("patch", "apiservice", service, "--type=json", "-p", json.dumps(AWAY))
        fleet.until(lambda: is_away(single, service))
        single.commit({"gadget": None, "a": config_map("a", place, text="two")})
        message = single.until("False", "PruneFailed")
        assert message.startswith(f"delete failed, errors: Gadget/{place}/one delete failed: ")
        assert single.plane.get("configmap", "a", "-n", place)["data"] == {"text": "two"}
        entries = fleet.management.get("kustomization", namespace, "-n", "flux-system")["status"]["inventory"]
        assert f"{place}_one_{namespace}.example.org_Gadget" in {one["id"] for one in entries["entries"]}
        single.plane.kubectl("delete", "apiservice", service)
        fleet.until_ready(namespace)
        assert single.plane.get(f"gadgets.{namespace}.example.org", "one", "-n", place) is None
    fleet.workloads["east"].kubectl("delete", "crd", f"gadgets.{namespace}.example.org")


def gadget(group: str, place: str) -> str:
    metadata = {"name": "one", "namespace": place}
    return json.dumps({"apiVersion": f"{group}.example.org/v1", "kind": "Gadget", "metadata": metadata})


def is_away(single: Single, service: str) -> bool:
    conditions = single.plane.get("apiservice", service)["status"]["conditions"]
    return any((one["type"], one["status"]) == ("Available", "False") for one in conditions)
