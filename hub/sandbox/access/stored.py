"""Reads what decides about access from where a server stores it."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.kube.api import Object
from hub.sandbox.access.rbac import GROUP
from hub.sandbox.storage import Storage


@dataclass(frozen=True, slots=True)
class StoredPolicies:
    """The roles and bindings of one server, and the objects that its tokens name."""

    storage: Storage

    def cluster_roles(self) -> Iterable[Object]:
        return self._all("clusterroles")

    def cluster_role(self, name: str) -> Object | None:
        return self.storage.get((GROUP, "clusterroles"), ("", name))

    def role(self, namespace: str, name: str) -> Object | None:
        return self.storage.get((GROUP, "roles"), (namespace, name))

    def cluster_role_bindings(self) -> Iterable[Object]:
        return self._all("clusterrolebindings")

    def role_bindings(self, namespace: str) -> Iterable[Object]:
        return self._all("rolebindings", namespace)

    def read(self, plural: str, namespace: str, name: str) -> Object | None:
        """Return an object of the core group."""
        return self.storage.get(("", plural), (namespace, name))

    def _all(self, plural: str, namespace: str = "") -> Iterable[Object]:
        return (value for _, value in self.storage.all((GROUP, plural), namespace))
