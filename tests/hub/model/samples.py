"""Resources as people write them, each with the field that is refused in it, if any."""

from typing import Any

from hub.model.kinds import FLEET_GROUP, KUSTOMIZE_GROUP, SOURCE_GROUP, Kind

VERSIONS = {
    Kind.GIT_REPOSITORY: f"{SOURCE_GROUP}/v1",
    Kind.OCI_REPOSITORY: f"{SOURCE_GROUP}/v1",
    Kind.KUSTOMIZATION: f"{KUSTOMIZE_GROUP}/v1",
    Kind.CLUSTER: f"{FLEET_GROUP}/v1alpha1",
    Kind.FLEET: f"{FLEET_GROUP}/v1alpha1",
}


def resource(kind: Kind, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": VERSIONS[kind],
        "kind": str(kind),
        "metadata": {"name": "webapp", "namespace": "apps", "generation": 2, "uid": "u-1"} | metadata,
        "spec": spec,
    }


def git(**spec: Any) -> dict[str, Any]:
    return {"url": "https://example.com/webapp", "interval": "1m"} | spec


def oci(**spec: Any) -> dict[str, Any]:
    return {"url": "oci://example.com/webapp", "interval": "1m"} | spec


def kustomization(**spec: Any) -> dict[str, Any]:
    source = {"kind": "GitRepository", "name": "webapp"}
    return {"interval": "10m", "prune": True, "sourceRef": source} | spec


def fleet(**spec: Any) -> dict[str, Any]:
    return {"clusterSelector": {"matchLabels": {"tier": "prod"}}} | spec
