"""An agent that may work in one namespace only: what it may apply is applied, and everything that it may not is named."""

from collections.abc import Iterator

import pytest

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import Fleet, config_map
from e2e.servers.git_http import GitHttp

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
spec: {{interval: 10m, retryInterval: 20s, prune: true, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""
ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {id}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get]}}]
"""
WIDGET = """\
apiVersion: {id}.example.com/v1
kind: Widget
metadata: {{name: one, namespace: {place}}}
spec: {{size: 1}}
"""
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{id}.example.com}}
spec:
  group: {id}.example.com
  scope: Namespaced
  names: {{kind: Widget, plural: widgets, singular: widget}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
RIGHTS = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {id}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: cartwheel-agent, namespace: {place}}}]
"""


@pytest.fixture
def edge(fleet: Fleet, namespace: str) -> Iterator[Plane]:
    """The west plane, with a second agent that may work in one namespace only, as Cluster `edge`."""
    plane, place = fleet.workloads["west"], f"{namespace}-work"
    plane.kubectl("create", "namespace", place)
    where = (
        "--cluster-kubeconfig",
        str(plane.kubeconfig()),
        "--context",
        plane.name,
        "--namespace-only",
        place,
    )
    fleet.hub(
        "cluster", "add", "edge", *where, "--label", f"place={namespace}", *fleet.settings, "--timeout", "90s"
    )
    yield plane
    kinds = "kustomization,gitrepository,fleet"
    fleet.management.kubectl("delete", kinds, namespace, "-n", "flux-system", "--timeout=60s")
    fleet.hub("cluster", "remove", "edge", *where)
    assert (
        plane.get("serviceaccount,role,deployment", "-n", place, "-l", "app.kubernetes.io/part-of=cartwheel")
        is None
    )


def test_what_is_forbidden_or_unknown_is_named_and_holds_nothing_back(
    fleet: Fleet, edge: Plane, git_server: GitHttp, namespace: str
) -> None:
    place, values = f"{namespace}-work", {"id": namespace, "place": f"{namespace}-work"}
    git_server.repository(namespace).commit(
        {
            "here.yaml": config_map("here", place, text="one"),
            "elsewhere.yaml": config_map(f"{namespace}-elsewhere", "default", text="one"),
            "role.yaml": ROLE.format(**values),
            "widget.yaml": WIDGET.format(**values),
            "there.yaml": config_map("there", place, text="one"),
        },
        "Begin",
    )
    fleet.apply(RESOURCES.format(url=git_server.url(namespace), **values))
    named = (f"ConfigMap/default/{namespace}-elsewhere", f"ClusterRole/{namespace}", f"Widget/{place}/one")

    def all_are_named() -> bool:
        status, reason, message = fleet.ready(namespace)
        return (status, reason) == ("False", "ReconciliationFailed") and all(one in message for one in named)

    fleet.until(all_are_named, lambda: str(fleet.ready(namespace)))
    for name in ("here", "there"):
        assert edge.get("configmap", name, "-n", place)["data"] == {"text": "one"}
    message = fleet.ready(namespace)[2]
    assert "ConfigMap/" + place not in message
    assert edge.get("configmap", f"{namespace}-elsewhere", "-n", "default") is None

    edge.kubectl("apply", "-f", "-", input=DEFINITION.format(**values))
    edge.kubectl("apply", "-f", "-", input=RIGHTS.format(**values))
    fleet.until_ready(namespace)
    assert edge.get("configmap", f"{namespace}-elsewhere", "-n", "default")["data"] == {"text": "one"}
    assert edge.get("clusterrole", namespace) is not None
    assert edge.get(f"widgets.{namespace}.example.com", "one", "-n", place)["spec"] == {"size": 1}
