"""Which kinds an API server in memory serves, and what is particular to each."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.kube.api import Object, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One kind in one version. `immutable` are the fields that no update may change."""

    resource: Resource
    has_status: bool = False
    counts_generations: bool = True
    is_custom: bool = False
    needs_version: bool = False
    immutable: tuple[tuple[str, ...], ...] = ()


_SELECTOR = (("spec", "selector"),)
_BUILT_IN: tuple[tuple[str, str, bool, bool, tuple[tuple[str, ...], ...]], ...] = (
    # group/version, plural Kind, namespaced, has status, immutable fields
    ("v1", "namespaces Namespace", False, True, ()),
    ("v1", "nodes Node", False, True, ()),
    ("v1", "persistentvolumes PersistentVolume", False, True, ()),
    ("v1", "configmaps ConfigMap", True, False, ()),
    ("v1", "secrets Secret", True, False, (("type",),)),
    ("v1", "services Service", True, True, ()),
    ("v1", "serviceaccounts ServiceAccount", True, False, ()),
    ("v1", "pods Pod", True, True, ()),
    ("v1", "events Event", True, False, ()),
    ("v1", "persistentvolumeclaims PersistentVolumeClaim", True, True, ()),
    ("apps/v1", "deployments Deployment", True, True, _SELECTOR),
    ("apps/v1", "statefulsets StatefulSet", True, True, _SELECTOR),
    ("apps/v1", "daemonsets DaemonSet", True, True, _SELECTOR),
    ("apps/v1", "replicasets ReplicaSet", True, True, _SELECTOR),
    ("batch/v1", "jobs Job", True, True, (*_SELECTOR, ("spec", "template"))),
    ("batch/v1", "cronjobs CronJob", True, True, ()),
    ("networking.k8s.io/v1", "ingresses Ingress", True, True, ()),
    ("networking.k8s.io/v1", "networkpolicies NetworkPolicy", True, False, ()),
    ("policy/v1", "poddisruptionbudgets PodDisruptionBudget", True, True, ()),
    ("coordination.k8s.io/v1", "leases Lease", True, False, ()),
    ("rbac.authorization.k8s.io/v1", "roles Role", True, False, ()),
    ("rbac.authorization.k8s.io/v1", "rolebindings RoleBinding", True, False, (("roleRef",),)),
    ("rbac.authorization.k8s.io/v1", "clusterroles ClusterRole", False, False, ()),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings ClusterRoleBinding", False, False, (("roleRef",),)),
    ("storage.k8s.io/v1", "storageclasses StorageClass", False, False, ()),
    ("scheduling.k8s.io/v1", "priorityclasses PriorityClass", False, False, (("value",),)),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions CustomResourceDefinition", False, True, ()),
    ("apiregistration.k8s.io/v1", "apiservices APIService", False, True, ()),
)
_UNCOUNTED = frozenset(
    {
        "",
        "apiregistration.k8s.io",
        "coordination.k8s.io",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "scheduling.k8s.io",
    }
)


def built_in() -> Iterator[Served]:
    """Yield what every server serves."""
    for api_version, names, namespaced, has_status, immutable in _BUILT_IN:
        group, _, version = api_version.rpartition("/")
        plural, kind = names.split()
        yield Served(
            resource=Resource(group=group, version=version, plural=plural, kind=kind, namespaced=namespaced),
            has_status=has_status,
            counts_generations=group not in _UNCOUNTED,
            needs_version=kind in ("Lease", "CustomResourceDefinition"),
            immutable=immutable,
        )


def defined_by(definition: Object) -> Iterator[Served]:
    """Yield what a CustomResourceDefinition adds."""
    spec = definition["spec"]
    for version in spec["versions"]:
        if version.get("served"):
            yield Served(
                resource=Resource(
                    group=spec["group"],
                    version=version["name"],
                    plural=spec["names"]["plural"],
                    kind=spec["names"]["kind"],
                    namespaced=spec["scope"] == "Namespaced",
                ),
                has_status="status" in (version.get("subresources") or {}),
                is_custom=True,
                needs_version=True,
            )


def discovery(
    kinds: Mapping[tuple[str, str, str], Served], away: Iterable[tuple[str, str]], path: str
) -> dict[str, Any] | None:
    """Return what discovery answers at a path, None when there is nothing; `away` are groups with versions whose server is."""
    parts = path.strip("/").split("/")
    versions = {(served.resource.group, served.resource.version) for served in kinds.values()} | {*away}
    match parts:
        case ["version"]:
            return {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}
        case ["apis"]:
            groups = sorted({group for group, _ in versions} - {""})
            return {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [_group(versions, group) for group in groups],
            }
        case ["apis", group] if any(group == one for one, _ in versions):
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(versions, group)
        case ["api", version]:
            return _resources(kinds, "", version)
        case ["apis", group, version]:
            return _resources(kinds, group, version)
    return None


def _group(versions: set[tuple[str, str]], group: str) -> dict[str, Any]:
    ranked = sorted((version for one, version in versions if one == group), key=_rank)
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in ranked]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _rank(version: str) -> tuple[int, int, int]:
    """Return where a version stands: stable ones first, then beta, then alpha, the highest number before the others."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return (3, 0, 0)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0))


def _resources(
    kinds: Mapping[tuple[str, str, str], Served], group: str, version: str
) -> dict[str, Any] | None:
    entries: list[dict[str, Any]] = []
    for served in kinds.values():
        one = served.resource
        if (one.group, one.version) != (group, version):
            continue
        entry = {
            "name": one.plural,
            "singularName": "",
            "namespaced": one.namespaced,
            "kind": one.kind,
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        }
        entries.append(entry)
        if served.has_status:
            entries.append(entry | {"name": f"{one.plural}/status"})
    if not entries:
        return None
    api_version = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": entries,
    }
