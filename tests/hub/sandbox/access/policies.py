"""Roles and bindings for tests: those every cluster begins with, and the ones that a real server answered about."""

from collections.abc import Iterable
from typing import Any

from agent.kube.api import Object
from hub.sandbox.access.defaults import default_policies

GROUP = "rbac.authorization.k8s.io"


class StoredPolicies:
    """Policies in a list."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.objects = list(objects)

    def cluster_roles(self) -> Iterable[Object]:
        return self._of("ClusterRole")

    def cluster_role(self, name: str) -> Object | None:
        return next((one for one in self.cluster_roles() if one["metadata"]["name"] == name), None)

    def role(self, namespace: str, name: str) -> Object | None:
        found = (one for one in self._of("Role", namespace) if one["metadata"]["name"] == name)
        return next(found, None)

    def cluster_role_bindings(self) -> Iterable[Object]:
        return self._of("ClusterRoleBinding")

    def role_bindings(self, namespace: str) -> Iterable[Object]:
        return self._of("RoleBinding", namespace)

    def _of(self, kind: str, namespace: str | None = None) -> list[Object]:
        of_kind = [one for one in self.objects if one["kind"] == kind]
        return [one for one in of_kind if namespace in (None, one["metadata"].get("namespace"))]


def role(name: str, *rules: Object, namespace: str = "", **fields: Any) -> Object:
    kind = "Role" if namespace else "ClusterRole"
    return _policy(kind, name, namespace, rules=list(rules), **fields)


def binding(name: str, to: str, *subjects: Object, namespace: str = "") -> Object:
    """Build a binding to `Kind/name`."""
    kind, _, role_name = to.partition("/")
    reference = {"apiGroup": GROUP, "kind": kind, "name": role_name}
    of = "RoleBinding" if namespace else "ClusterRoleBinding"
    return _policy(of, name, namespace, roleRef=reference, subjects=list(subjects))


def subject(kind: str, name: str, namespace: str = "") -> Object:
    return {"kind": kind, "name": name, **({"namespace": namespace} if namespace else {})}


def rule(groups: str, resources: str, verbs: str, names: str = "") -> Object:
    """Build a rule of lists whose items are parted by blanks; the core group is written `core`."""
    listed = [group.replace("core", "") for group in groups.split()]
    named = {"resourceNames": names.split()} if names else {}
    return {"apiGroups": listed, "resources": resources.split(), "verbs": verbs.split(), **named}


def urls(paths: str, verbs: str) -> Object:
    return {"nonResourceURLs": paths.split(), "verbs": verbs.split()}


def _policy(kind: str, name: str, namespace: str, **fields: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **fields}


def known_policies() -> StoredPolicies:
    """Return what the real server held when it was asked for the answers in the tests."""
    return StoredPolicies(
        (
            *default_policies(),
            role(
                "reader",
                rule("core", "configmaps", "get list"),
                rule("core", "secrets", "*", names="one"),
                rule("apps", "*/scale", "update"),
                namespace="access",
            ),
            binding(
                "readers",
                "Role/reader",
                subject("ServiceAccount", "plain", "access"),
                subject("User", "access-bob"),
                subject("Group", "access-team"),
                namespace="access",
            ),
            binding("lost", "Role/missing", subject("User", "access-lost"), namespace="access"),
            binding("access-lost", "ClusterRole/access-missing", subject("User", "access-lost")),
            role("access-urls", urls("/metrics /logs/*", "get")),
            binding("access-urls", "ClusterRole/access-urls", subject("Group", "access-ops")),
            binding(
                "editors",
                "ClusterRole/admin",
                subject("ServiceAccount", "editor", "access"),
                namespace="access",
            ),
            role(
                "access-imp",
                rule("core", "users", "impersonate", names="access-bob"),
                rule("core", "groups", "impersonate", names="access-team"),
                rule("authentication.k8s.io", "userextras/scopes", "impersonate", names="a"),
                rule("core", "serviceaccounts", "impersonate"),
            ),
            binding("access-imp", "ClusterRole/access-imp", subject("ServiceAccount", "imp", "access")),
            role(
                "access-roles",
                rule(GROUP, "clusterroles clusterrolebindings", "get list create update patch delete"),
            ),
            binding("access-roles", "ClusterRole/access-roles", subject("ServiceAccount", "imp", "access")),
        )
    )
