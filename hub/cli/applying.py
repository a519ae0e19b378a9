"""Writes rendered objects to a cluster, and takes them away again: server-side apply in the order given."""

import json
from collections.abc import Iterable, Sequence

from agent.kube.api import Api, Applied, Listing, Object, Resource
from agent.kube.errors import NotFound
from agent.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from hub.cli import output
from hub.cli.client import Failed
from hub.model import installation

_RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Resource(
    group=_RBAC, version="v1", plural="clusterroles", kind="ClusterRole", namespaced=False
)
CLUSTER_ROLE_BINDINGS = Resource(
    group=_RBAC, version="v1", plural="clusterrolebindings", kind="ClusterRoleBinding", namespaced=False
)
ROLES = Resource(group=_RBAC, version="v1", plural="roles", kind="Role", namespaced=True)
ROLE_BINDINGS = Resource(
    group=_RBAC, version="v1", plural="rolebindings", kind="RoleBinding", namespaced=True
)
NETWORK_POLICIES = Resource(
    group="networking.k8s.io", version="v1", plural="networkpolicies", kind="NetworkPolicy", namespaced=True
)

_WRITTEN = {
    resource.kind: resource
    for resource in (
        NAMESPACES,
        SECRETS,
        CONFIG_MAPS,
        SERVICES,
        SERVICE_ACCOUNTS,
        DEPLOYMENTS,
        CUSTOM_RESOURCE_DEFINITIONS,
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
        ROLES,
        ROLE_BINDINGS,
        NETWORK_POLICIES,
    )
}


def subject(one: Object) -> str:
    """Return `Kind/namespace/name`, as messages name an object."""
    metadata = one["metadata"]
    return "/".join(part for part in (one["kind"], metadata.get("namespace", ""), metadata["name"]) if part)


async def apply(api: Api, objects: Iterable[Object]) -> None:
    """Apply objects one after the other, saying what each was."""
    for one in objects:
        resource, metadata = _WRITTEN[one["kind"]], one["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        before = await find(api, resource, namespace, name)
        applied = await api.apply(
            resource, namespace, name, json.dumps(one).encode(), field_manager=installation.FIELD_MANAGER
        )
        output.success(f"{subject(one)} {_done(before, applied)}")


def _done(before: Object | None, applied: Applied) -> str:
    if applied.created:
        return "created"
    is_same = before is not None and _version(before) == _version(applied.object)
    return "unchanged" if is_same else "configured"


def _version(one: Object) -> str:
    return str(one["metadata"].get("resourceVersion"))


async def remove(api: Api, objects: Sequence[Object]) -> None:
    """Delete objects in the reverse order of applying; what is not there is gone already."""
    for one in reversed(objects):
        metadata = one["metadata"]
        try:
            await api.delete(_WRITTEN[one["kind"]], metadata.get("namespace", ""), metadata["name"])
        except NotFound:
            continue
        output.success(f"{subject(one)} deleted")


async def listed(api: Api, resource: Resource, namespace: str = "", **selectors: str) -> Listing:
    """List objects of one of the hub's kinds. Raises Failed where the kind is not served."""
    try:
        return await api.list(resource, namespace, **selectors)
    except NotFound as problem:
        raise Failed(
            f"the API server does not know {resource.kind}: the hub is not installed in this cluster; run `hub install`, or choose"
            " the management cluster with --context"
        ) from problem


async def find(api: Api, resource: Resource, namespace: str, name: str) -> Object | None:
    """Return an object, None when there is none (or no such kind)."""
    try:
        return await api.get(resource, namespace, name)
    except NotFound:
        return None
