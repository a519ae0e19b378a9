"""Reduces a plane's roles and bindings to what the in-memory API servers begin with: `python -m e2e.controlplane.policies`."""

import json
from pathlib import Path
from typing import Any

from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane

TARGET = Path(__file__).parents[2] / "hub" / "sandbox" / "access" / "defaults.json"
_API = "/apis/rbac.authorization.k8s.io/v1"
_KINDS = {
    "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding",
    "roles": "Role",
    "rolebindings": "RoleBinding",
}
# What people meet and bind to. Of a cluster's own parts only the API server is in memory: roles of the others are left out.
_NAMES = frozenset(
    {
        "admin",
        "cluster-admin",
        "edit",
        "view",
        "extension-apiserver-authentication-reader",
        "system::extension-apiserver-authentication-reader",
        "system:aggregate-to-admin",
        "system:aggregate-to-edit",
        "system:aggregate-to-view",
        "system:auth-delegator",
        "system:basic-user",
        "system:discovery",
        "system:kube-aggregator",
        "system:monitoring",
        "system:public-info-viewer",
        "system:service-account-issuer-discovery",
    }
)
_METADATA = ("name", "namespace", "labels", "annotations")


def policies_of(plane: Plane) -> list[dict[str, Any]]:
    """Return the default roles and bindings; what a role gathers from others is left out."""
    return [
        _reduced(kind, value)
        for plural, kind in _KINDS.items()
        for value in json.loads(plane.read(f"{_API}/{plural}"))["items"]
        if value["metadata"]["name"] in _NAMES
    ]


def written(policies: list[dict[str, Any]]) -> str:
    """Return the text of the file: an object a line."""
    return "[\n" + ",\n".join(json.dumps(one) for one in policies) + "\n]\n"


def _reduced(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value["metadata"][key] for key in _METADATA if key in value["metadata"]}
    fields = ("aggregationRule",) if "aggregationRule" in value else ("rules", "roleRef", "subjects")
    kept = {key: value[key] for key in fields if key in value}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, **kept}


def main() -> None:
    """Write the policies of a plane that is started for it."""
    with memory_folder() as folder, Plane("policies", folder) as plane:
        TARGET.write_text(written(policies_of(plane)))


if __name__ == "__main__":
    main()
