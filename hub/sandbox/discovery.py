"""What a server tells of the kinds it serves, in the old form and in the aggregated one. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds.catalogue import Served, Subresource
from hub.sandbox.kinds.served import Group, Kinds, rank

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
_CORE = Group(name="", versions=("v1",))


def discovery(kinds: Kinds, path: str, *, is_aggregated: bool = False) -> Object | None:
    """Return what is answered at a path of discovery, None when nothing is served there."""
    match path.strip("/").split("/"):
        case ["version"]:
            return dict(VERSION)
        case ["api"] if is_aggregated:
            return _aggregated(kinds, (_CORE,))
        case ["apis"] if is_aggregated:
            return _aggregated(kinds, kinds.groups)
        case ["api"]:
            return {"kind": "APIVersions", "versions": list(_CORE.versions), "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [_group(one) for one in kinds.groups]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", name] if versions := kinds.versions(name):
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(Group(name=name, versions=versions))
        case ["api", "v1"]:
            return _resources(kinds, "", "v1")
        case ["apis", name, version] if version in kinds.versions(name):
            return _resources(kinds, name, version)
    return None


def paths(kinds: Kinds) -> list[str]:
    """Return the paths at which something is served."""
    versions = [f"/apis/{group.name}/{version}" for group in kinds.groups for version in group.versions]
    groups = [f"/apis/{group.name}" for group in kinds.groups]
    rest = (
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    )
    return sorted((*rest, *groups, *versions))


def _group(group: Group) -> Object:
    entries = [{"groupVersion": f"{group.name}/{one}", "version": one} for one in group.versions]
    return {"name": group.name, "versions": entries, "preferredVersion": entries[0]}


def _resources(kinds: Kinds, group: str, version: str) -> Object:
    entries: list[Object] = []
    for served in kinds.of(group, version):
        entries.append(_resource(served))
        entries += [_old_subresource(served, one) for one in served.subresources]
    return {
        "kind": "APIResourceList",
        # The core's list is older than the field.
        **({"apiVersion": "v1"} if group else {}),
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": entries,
    }


def _resource(served: Served) -> Object:
    resource = served.resource
    return {
        "name": resource.plural,
        "singularName": served.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(served.verbs),
        **_named(shortNames=served.short_names, categories=served.categories),
        **({"storageVersionHash": served.storage_hash} if served.storage_hash else {}),
    }


def _old_subresource(served: Served, sub: Subresource) -> Object:
    kind = {"group": sub.group, "version": sub.version} if sub.version else {}
    return {
        "name": f"{served.resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": served.resource.namespaced,
        **kind,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }


def _aggregated(kinds: Kinds, groups: Iterable[Group]) -> Object:
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(kinds, one) for one in groups],
    }


def _aggregated_group(kinds: Kinds, group: Group) -> Object:
    versions = [
        _aggregated_version(kinds, group.name, version) for version in sorted(group.versions, key=rank)
    ]
    return {"metadata": {"name": group.name} if group.name else {}, "versions": versions}


def _aggregated_version(kinds: Kinds, group: str, version: str) -> Object:
    if remote := kinds.remote(group, version):
        return remote.told(version)
    resources = [_aggregated_resource(one) for one in kinds.of(group, version)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _aggregated_resource(served: Served) -> Object:
    resource = served.resource
    kind = {"group": "", "version": "", "kind": resource.kind}
    if served.is_custom:
        kind |= {"group": resource.group, "version": resource.version}
    return {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": served.singular,
        "verbs": list(served.verbs),
        **_named(shortNames=served.short_names, categories=served.categories),
        **_named(subresources=[_aggregated_subresource(one) for one in served.subresources]),
    }


def _aggregated_subresource(sub: Subresource) -> Object:
    kind = {"group": sub.group, "version": sub.version, "kind": sub.kind}
    return {"subresource": sub.name, "responseKind": kind, "verbs": list(sub.verbs)}


def _named(**lists: Iterable[Any]) -> Object:
    """Return the lists that have something in them."""
    return {name: list(values) for name, values in lists.items() if values}
