"""An API server in memory, as much of one as the commands need: names, labels, merge patches, preconditions."""

import copy
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from agent.kube.api import (
    Applied,
    Listing,
    Object,
    PatchType,
    Propagation,
    Resource,
    WatchEvent,
)
from agent.kube.errors import AlreadyExists, Conflict, NotFound

Key = tuple[str, str, str, str]


class MemoryApi:
    """Objects by group, plural, namespace and name. `missing` are plurals that the server does not serve."""

    def __init__(self, *objects: tuple[Resource, Object]) -> None:
        self.objects: dict[Key, Object] = {}
        self.missing: set[str] = set()
        self.writes: list[str] = []
        self.events: list[WatchEvent] = []
        self.version = "v1.36.0"
        self._numbers = itertools.count(1)
        for resource, one in objects:
            self.put(resource, one)

    def put(self, resource: Resource, one: Object) -> Object:
        """Put an object there, whatever was there, as somebody else would."""
        metadata = one["metadata"]
        key = self._key(resource, metadata.get("namespace", ""), metadata["name"])
        before = self.objects.get(key)
        metadata.setdefault("uid", before["metadata"]["uid"] if before else f"uid-{next(self._numbers)}")
        metadata["resourceVersion"] = str(next(self._numbers))
        one.setdefault("apiVersion", resource.api_version)
        one.setdefault("kind", resource.kind)
        self.objects[key] = one
        return copy.deepcopy(one)

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return what is there, to look at."""
        return self.objects.get(self._key(resource, namespace, name))

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return copy.deepcopy(self._held(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        if resource.plural in self.missing:
            raise NotFound(f"no {resource.plural}", status=404, reason="NotFound")
        name = field_selector.removeprefix("metadata.name=")
        terms = [part.partition("=") for part in label_selector.split(",") if part]
        wanted = {key: value for key, equals, value in terms if equals}
        present = {key for key, equals, _ in terms if not equals}
        items = [
            copy.deepcopy(one)
            for (group, plural, place, _), one in sorted(self.objects.items())
            if (group, plural) == (resource.group, resource.plural)
            and namespace in ("", place)
            and name in ("", one["metadata"]["name"])
            and wanted.items() <= (one["metadata"].get("labels") or {}).items()
            and present <= (one["metadata"].get("labels") or {}).keys()
        ]
        return Listing(items=items, resource_version="1")

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        for event in self.events:
            yield event
        raise KeyboardInterrupt

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        one = copy.deepcopy(dict(value))
        key = self._key(resource, namespace, one["metadata"]["name"])
        if key in self.objects:
            raise AlreadyExists(f"{key} exists", status=409, reason="AlreadyExists")
        self.writes.append(f"create {resource.plural}/{key[3]}")
        return self.put(resource, one)

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        self.writes.append(f"replace {resource.plural}/{value['metadata']['name']}")
        return self.put(resource, copy.deepcopy(dict(value)))

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
        held = self._held(resource, namespace, name)
        assert isinstance(patch, dict)
        assert kind is PatchType.MERGE
        asked = patch.get("metadata", {})
        for field in ("uid", "resourceVersion"):
            if asked.get(field, held["metadata"][field]) != held["metadata"][field]:
                raise Conflict(f"{name} is another", status=409, reason="Conflict")
        self.writes.append(f"patch {resource.plural}/{name}")
        return self.put(resource, _merged(held, patch))

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
        before = self.find(resource, namespace, name)
        self.writes.append(f"apply {resource.plural}/{name}")
        one = self.put(resource, _merged(before or {}, json.loads(body)))
        return Applied(object=one, created=before is None)

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
        held = self._held(resource, namespace, name)
        if uid not in ("", held["metadata"]["uid"]):
            raise Conflict(f"{name} is another", status=409, reason="Conflict")
        self.writes.append(f"delete {resource.plural}/{name}")
        if held["metadata"].get("finalizers"):
            held["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            return
        del self.objects[self._key(resource, namespace, name)]

    async def read(self, path: str, **query: str) -> bytes:
        return json.dumps({"gitVersion": self.version}).encode()

    def _key(self, resource: Resource, namespace: str, name: str) -> Key:
        return (resource.group, resource.plural, namespace if resource.namespaced else "", name)

    def _held(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self.find(resource, namespace, name)
        if found is None:
            raise NotFound(f'{resource.plural} "{name}" not found', status=404, reason="NotFound")
        return found


def _merged(before: Any, patch: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = {key: value for key, value in before.items() if key not in patch}
    for key, value in patch.items():
        if value is not None:
            merged[key] = _merged(before.get(key), value) if isinstance(value, dict) else copy.deepcopy(value)
    return copy.deepcopy(merged)
