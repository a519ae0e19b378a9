"""The door to an API server as everything above it sees it. `client.py` goes through it for real, tests through memory."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote

from agent.kube.errors import NotFound

Object = dict[str, Any]
"""One object as the API server gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of objects in one version, as the server's paths name it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of the collection (all namespaces when none is given), of one object or of its subresource.

        Raises NotFound for what no object can be named: people write names, and as part of a path they would lead to another object.
        """
        for part in (namespace, name):
            if part and not is_segment(part):
                raise NotFound(
                    f"{self.plural} {part!r} not found: no object has such a name",
                    status=404,
                    reason="NotFound",
                )
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return "".join(
            (
                root,
                place,
                f"/{self.plural}",
                f"/{quote(name)}" * bool(name),
                f"/{subresource}" * bool(subresource),
            )
        )


def is_segment(text: str) -> bool:
    """Tell whether a text stays one segment of a path, by the rule of API servers."""
    return text not in ("", ".", "..") and not {"/", "%"} & set(text)


class PatchType(StrEnum):
    """How a patch is written; server-side apply has a method of its own."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"


class Propagation(StrEnum):
    """What happens to an object's dependents when it is deleted."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Every object of a collection as of one resourceVersion."""

    items: list[Object]
    resource_version: str


class Change(StrEnum):
    """What a watch says of an object. A BOOKMARK carries a resourceVersion only."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One change of a collection."""

    change: Change
    object: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a server-side apply left (or would leave), and whether the object is new."""

    object: Object
    created: bool


class Api(Protocol):
    """The verbs. All raise `agent.kube.errors`; none retries what may have taken effect."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return one object."""
        ...

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """Return a whole collection, read in pages."""
        ...

    async def metadata(self, resource: Resource, namespace: str = "") -> Listing:
        """Return a whole collection, of each object the metadata alone."""
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after a resourceVersion until the server ends the watch. Raises Expired when it is too old."""
        ...

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        """Create an object; its name may be generated."""
        ...

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        """Put an object; when it names a resourceVersion, only over that one."""
        ...

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: object,
        *,
        kind: PatchType,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        """Patch an object; a JSON patch that tests or a merge patch with a resourceVersion makes it conditional."""
        ...

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Applied:
        """Server-side apply a manifest (JSON bytes, sent as they are)."""
        ...

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> None:
        """Delete an object, with a UID only that very one, with a resourceVersion only as it is there."""
        ...

    async def read(self, path: str, **query: str) -> bytes:
        """Return what a path answers: discovery, version, logs."""
        ...
