"""An API server in memory as small as the hub's own controllers need it, a clock moved by hand, and chance without surprises."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from agent.kube.api import Applied, Change, Listing, Object, PatchType, Propagation, Resource, WatchEvent
from agent.kube.errors import AlreadyExists, Conflict, Forbidden, NotFound
from hub.model.kinds import TYPES, Kind

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)


class Hand:
    """A clock that is moved by hand; sleepers wake when it passes them."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at_s)

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.at_s + seconds, event))
        await event.wait()

    async def pass_(self, seconds: float) -> None:
        await settle()
        until = self.at_s + seconds
        while due := [at for at, event in self._sleepers if at <= until and not event.is_set()]:
            self.at_s = max(min(due), self.at_s)
            for at, event in self._sleepers:
                if at <= self.at_s:
                    event.set()
            self._sleepers = [one for one in self._sleepers if not one[1].is_set()]
            await settle()
        self.at_s = until
        await settle()


class Middle:
    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


async def settle() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


async def at_once(work: Callable[[], T], /) -> T:
    """Do in turn what the hub does in a thread."""
    return work()


class MemoryApi:
    """Objects by resource, namespace and name. Every write gets the next resourceVersion; `writes` lists all that took effect."""

    def __init__(self) -> None:
        self.version = 0
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.log: list[tuple[str, WatchEvent]] = []
        self.writes: list[str] = []
        self.interfere: list[Any] = []
        self.interfere_with = ""
        self.refused_in: set[str] = set()
        self._changed = asyncio.Event()

    def put(self, plural: str, value: Mapping[str, Any]) -> Object:
        """Have an object there, as if somebody had applied it."""
        metadata = value["metadata"]
        key = (plural, metadata.get("namespace", ""), metadata["name"])
        return self._store(key, copy.deepcopy(dict(value)))

    def put_resource(self, kind: Kind, name: str, spec: Mapping[str, Any], **more: Any) -> Object:
        """Have one of the hub's resources there."""
        status = more.pop("status", {})
        metadata = {"name": name, "namespace": "apps", "uid": f"uid-{name}", "generation": 1} | more
        value = {
            "apiVersion": TYPES[kind].api_version,
            "kind": str(kind),
            "metadata": metadata,
            "spec": dict(spec),
            "status": status,
        }
        return self.put(TYPES[kind].plural, value)

    def remove(self, plural: str, namespace: str, name: str) -> None:
        gone = self.objects.pop((plural, namespace, name))
        self._tell(plural, Change.DELETED, gone)

    def find(self, plural: str, namespace: str, name: str) -> Object:
        return self.objects[(plural, namespace, name)]

    def all(self, plural: str) -> list[Object]:
        return [value for key, value in self.objects.items() if key[0] == plural]

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        try:
            return copy.deepcopy(self.objects[(resource.plural, namespace, name)])
        except KeyError:
            raise NotFound(f"{resource.plural} {name} not found", status=404, reason="NotFound") from None

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        items = [
            copy.deepcopy(value) for value in self.all(resource.plural) if _selected(value, label_selector)
        ]
        return Listing(items=items, resource_version=str(self.version))

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        position = int(resource_version)
        while True:
            for plural, event in list(self.log):
                version = int(event.object["metadata"]["resourceVersion"])
                if version <= position or plural != resource.plural:
                    continue
                position = version
                if _selected(event.object, label_selector):
                    yield WatchEvent(change=event.change, object=copy.deepcopy(event.object))
            self._changed.clear()
            await self._changed.wait()

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        key = (resource.plural, namespace, value["metadata"]["name"])
        if resource.plural in self.refused_in:
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise Forbidden(text, status=403, reason="Forbidden")
        if key in self.objects:
            raise AlreadyExists("there is one", status=409, reason="AlreadyExists")
        self.writes.append(f"create {resource.plural} {namespace}/{key[2]}")
        return self._store(key, copy.deepcopy(dict(value)))

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
        if self.interfere and self.interfere_with in ("", resource.plural):
            self.interfere.pop(0)()
        before = await self.get(resource, namespace, name)
        assert isinstance(patch, dict)
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted is not None and wanted != before["metadata"]["resourceVersion"]:
            raise Conflict("changed meanwhile", status=409, reason="Conflict")
        self.writes.append(f"patch {resource.plural} {namespace}/{name} {subresource}".strip())
        return self._store((resource.plural, namespace, name), merged(before, patch))

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        raise NotImplementedError

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
        raise NotImplementedError

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
        raise NotImplementedError

    async def read(self, path: str, **query: str) -> bytes:
        raise NotImplementedError

    def _store(self, key: tuple[str, str, str], value: Object) -> Object:
        self.version += 1
        change = Change.MODIFIED if key in self.objects else Change.ADDED
        value["metadata"]["resourceVersion"] = str(self.version)
        if value["metadata"].get("deletionTimestamp") and not value["metadata"].get("finalizers"):
            self.objects.pop(key, None)
            self._tell(key[0], Change.DELETED, value)
            return copy.deepcopy(value)
        self.objects[key] = value
        self._tell(key[0], change, value)
        return copy.deepcopy(value)

    def _tell(self, plural: str, change: Change, value: Object) -> None:
        if change is Change.DELETED:
            self.version += 1
            value["metadata"]["resourceVersion"] = str(self.version)
        self.log.append((plural, WatchEvent(change=change, object=copy.deepcopy(value))))
        self._changed.set()


def merged(before: Any, patch: Any) -> Any:
    """Apply a merge patch, RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _selected(value: Object, selector: str) -> bool:
    if not selector:
        return True
    name, _, text = selector.partition("=")
    return bool((value["metadata"].get("labels") or {}).get(name) == text)
