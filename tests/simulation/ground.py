"""What a simulation asks of a cluster, whatever that is made of: a dict, or an API server in memory."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from agent.kube.api import Api, Listing, Object, Resource

Key = tuple[str, str, str]
"""Plural, namespace and name."""
Heard = Callable[[Key, Object | None, Object | None], None]
"""Is told of every change: the object before (None: new) and after (None: gone)."""


class Ground(Protocol):
    """One cluster. What is asked of it here happens at once, by somebody whom nothing disturbs; objects are never changed in place."""

    @property
    def version(self) -> int:
        """Return the version of the newest change."""
        ...

    @property
    def objects(self) -> Mapping[Key, Object]:
        """Return what is stored now, of the kinds that a simulation looks at."""
        ...

    def follow(self, heard: Heard) -> None:
        """Tell somebody of every change from now on, instead of who was told before."""
        ...

    def door(self) -> Api:
        """Return the way in for requests, which take no time."""
        ...

    def list(self, resource: Resource, namespace: str = "") -> Listing: ...

    def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str
    ) -> Object: ...

    def replace(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str, subresource: str
    ) -> Object: ...

    def merge(
        self, resource: Resource, namespace: str, name: str, patch: Any, *, manager: str, subresource: str
    ) -> Object:
        """Carry out a merge patch."""
        ...

    def delete(self, resource: Resource, namespace: str, name: str) -> None: ...

    def compact(self) -> None:
        """Forget what happened, and end all watches: who watches on from before is told Expired."""
        ...

    def snapshot(self) -> object:
        """Return a copy of everything."""
        ...

    def restore(self, snapshot: object) -> None:
        """Have everything as it was at a snapshot; who watches has to list anew."""
        ...
