"""The management cluster of a test: an API server in memory, and what people and other programs do there meanwhile.

    api = Management(clock)
    api.put_resource(Kind.CLUSTER, "eu-1", {"id": "abcdefgh"})
    store = Store(api, ...)

What is done by `put`, `put_resource` and `remove` is nobody's request: `writes` lists only what came through the door.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from agent.kube.client import Client
from agent.kube.errors import NotFound
from agent.kube.resources import NAMESPACES
from agent.model.names import timestamp
from hub.model.kinds import TYPES, Kind
from hub.sandbox.calls import Call
from hub.sandbox.local import LocalTransport
from hub.sandbox.wire import Answer
from tests.fakes.cluster import Cluster

SOMEBODY = "somebody"
NAMESPACE = "apps"
USER = "hub"
Key = tuple[str, str, str, str]
"""Group, plural, namespace and name."""


class _Dated:
    """A clock by which objects are made at another time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.at: datetime | None = None

    def now(self) -> datetime:
        return self.at or self.clock.now()

    def monotonic_s(self) -> float:
        return self.clock.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


class Management(Client):
    """The hub's client. A new object gets the UID `uid-NAME` (`uid-NAME-2` the second of that name) unless it brings one; everything else is the server's to give."""

    def __init__(self, clock: Clock, *, with_kinds: bool = True) -> None:
        self.dated = _Dated(clock)
        self.cluster = Cluster(self.dated, with_kinds=with_kinds, new_id=self._new_id)
        self.cluster.api(USER)
        super().__init__(LocalTransport(self.cluster.server, USER), clock=clock)
        self.version = "v1.36.0"
        self.interfere: list[Callable[[], object]] = []
        self.interfere_with = ""
        self._watched: Any = None
        self.cluster.interference = self
        self.cluster.server.traffic.listener = self._hear
        self._born: Counter[tuple[str, ...]] = Counter()
        self._making = ("", "", "")
        self._uid = ""
        self._is_old = False
        self._there = set(self._uids())

    def _hear(self, call: Call) -> None:
        self.cluster.calls.append(call)
        self._making = (call.resource, call.namespace, call.name)

    def _new_id(self) -> str:
        self._born[self._making] += 1
        again = f"-{self._born[self._making]}" if self._born[self._making] > 1 else ""
        return self._uid or f"uid-{self._making[2]}{again}"

    async def read(self, path: str, **query: str) -> bytes:
        if path == "/version":
            return msgspec.json.encode({"gitVersion": self.version})
        return await super().read(path, **query)

    async def before(self, call: Call) -> None:
        """Do the next thing of `interfere` before a patch, of objects of `interfere_with` when that names a plural."""
        if call.verb == "watch" and self._watched is not None:
            self._watched[0] -= 1
            if not self._watched[0]:
                loop = asyncio.get_running_loop()
                loop.call_later(0.05, self._watched[1])
                loop.call_later(0.2, _interrupt)
        if call.verb == "patch" and self.interfere and self.interfere_with in ("", call.resource):
            self.interfere.pop(0)()

    async def after(self, call: Call, answer: Answer) -> Answer:
        """Let every answer through."""
        return answer

    def while_watched(self, act: Callable[[], object], *, watches: int = 1) -> None:
        """Do something when so many watches are open, and a little later what a person does with Ctrl-C."""
        self._watched = [watches, act]

    @property
    def writes(self) -> list[str]:
        """Return the requests that could change something: `patch kustomizations apps/webapp status`."""
        return [_told(call) for call in self.cluster.writes]

    def resource(self, named: Resource | str) -> Resource:
        """Return a kind that is given by its plural."""
        if isinstance(named, Resource):
            return named
        kinds = self.cluster.server.kinds
        groups = ("", *(one.name for one in kinds.groups))
        return next(
            one.resource for one in (kinds.any_of(group, named) for group in groups) if one is not None
        )

    def add_namespace(self, name: str) -> None:
        """Have a namespace there."""
        self._making = (NAMESPACES.plural, "", name)
        self.cluster.add_namespace(name)
        self._there.add(self.cluster.get(NAMESPACES, "", name)["metadata"]["uid"])

    def put_resource(self, kind: Kind, name: str, spec: Mapping[str, Any], **more: Any) -> Object:
        """Have one of the hub's resources there; `status` is its status, the rest its metadata."""
        value: Object = {"spec": dict(spec), "metadata": {"namespace": NAMESPACE, "name": name, **more}}
        if (status := value["metadata"].pop("status", None)) is not None:
            value["status"] = status
        return self.put(TYPES[kind].plural, value)

    def put(self, kind: Resource | str, value: Mapping[str, Any]) -> Object:
        """Have an object there as if somebody had written it, its status too; one with a deletionTimestamp is being deleted."""
        resource = self.resource(kind)
        wanted: Object = {**value, "apiVersion": resource.api_version, "kind": resource.kind}
        metadata: dict[str, Any] = {
            name: part for name, part in wanted["metadata"].items() if name != "resourceVersion"
        }
        leaving = metadata.pop("deletionTimestamp", "")
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        self._date_conditions(wanted)
        before = self.find(resource, namespace, name)
        if before is not None and metadata.get("uid", before["metadata"]["uid"]) != before["metadata"]["uid"]:
            self.remove(resource, namespace, name)
            before = None
        if self._is_old:
            self._let_in(resource, {**wanted, "metadata": metadata}, before)
        elif before is None:
            self._create(resource, namespace, wanted, metadata)
        else:
            self._replace(resource, namespace, {**wanted, "metadata": metadata})
        if not self._is_old and wanted.get("status") and self._has_status(resource):
            self._replace(resource, namespace, {**wanted, "metadata": metadata}, "status")
        if leaving and self.find(resource, namespace, name) is not None:
            self.cluster.delete(resource, namespace, name)
        return self.find(resource, namespace, name) or wanted

    @contextmanager
    def older_schema(self) -> Iterator[None]:
        """Have objects put during the block as they are, as a schema did that knew less of what is wrong."""
        self._is_old = True
        try:
            yield
        finally:
            self._is_old = False

    def remove(self, kind: Resource | str, namespace: str, name: str) -> None:
        """Have an object gone, whatever held it."""
        resource = self.resource(kind)
        value = self.find(resource, namespace, name)
        assert value is not None
        metadata = {key: part for key, part in value["metadata"].items() if key != "finalizers"}
        self._replace(resource, namespace, {**value, "metadata": metadata})
        if self.find(resource, namespace, name) is not None:
            self.cluster.delete(resource, namespace, name)

    def find(self, kind: Resource | str, namespace: str, name: str) -> Object | None:
        """Return what is there, to look at."""
        try:
            return self.cluster.get(self.resource(kind), namespace, name)
        except NotFound:
            return None

    @property
    def objects(self) -> dict[Key, Object]:
        """Return all objects but those that were there from the beginning."""
        found: dict[Key, Object] = {}
        for resource in self.cluster.resources:
            for one in self.cluster.list(resource).items:
                metadata = one["metadata"]
                if metadata["uid"] not in self._there:
                    key = (resource.group, resource.plural, metadata.get("namespace", ""), metadata["name"])
                    found[key] = one
        return found

    def live(self, kind: Resource | str, namespace: str, name: str) -> Object | None:
        """Return an object as it is now."""
        return self.find(kind, namespace, name)

    @contextmanager
    def editing(self, kind: Resource | str, namespace: str, name: str) -> Iterator[Object]:
        """Give an object to change; as it is at the end of the block it is stored."""
        value = self.find(kind, namespace, name)
        assert value is not None
        value.setdefault("status", {})
        yield value
        self.put(kind, value)

    def get_now(self, kind: Resource | str, name: str) -> Object:
        """Return what is there in namespace `apps`. Raises NotFound."""
        return self.cluster.get(self.resource(kind), NAMESPACE, name)

    def status(self, kind: Resource | str, name: str) -> dict[str, Any]:
        """Return the status of an object of namespace `apps`, empty when it has none."""
        status: dict[str, Any] = self.get_now(kind, name).get("status") or {}
        return status

    def all(self, kind: Resource | str) -> list[Object]:
        """Return all objects of a kind."""
        return self.cluster.list(self.resource(kind)).items

    def _create(self, resource: Resource, namespace: str, value: Object, metadata: Mapping[str, Any]) -> None:
        if namespace and self.find(NAMESPACES, "", namespace) is None:
            self.add_namespace(namespace)
        self._uid, created = metadata.get("uid", ""), metadata.get("creationTimestamp")
        self.dated.at = datetime.fromisoformat(created) if created else None
        self._making = (resource.plural, namespace, metadata["name"])
        try:
            self.cluster.create(resource, namespace, {**value, "metadata": dict(metadata)}, manager=SOMEBODY)
        finally:
            self._uid, self.dated.at = "", None

    def _let_in(self, resource: Resource, value: Object, before: Object | None) -> None:
        metadata = value["metadata"]
        self._making = (resource.plural, metadata["namespace"], metadata["name"])
        if before is not None:
            given = {name: before["metadata"][name] for name in ("uid", "creationTimestamp")}
            given["generation"] = before["metadata"]["generation"] + 1
        else:
            now = timestamp(self.dated.now())
            given = {"uid": self._new_id(), "creationTimestamp": now, "generation": 1}
        stored: Object = {name: value[name] for name in ("spec", "status") if name in value}
        place = (metadata["namespace"], metadata["name"])
        storage = self.cluster.server.storage
        storage.put((resource.group, resource.plural), place, {**stored, "metadata": {**metadata, **given}})

    def _date_conditions(self, value: Object) -> None:
        """Have the conditions of a status say since when they are so, and why."""
        status = value.get("status") or {}
        if "conditions" in status and not self._is_old:
            since = {"lastTransitionTime": timestamp(self.dated.now()), "reason": "Told", "message": ""}
            dated = [{**since, **one} for one in status["conditions"]]
            value["status"] = {**status, "conditions": dated}

    def _has_status(self, resource: Resource) -> bool:
        served = self.cluster.server.kinds.find(resource.group, resource.version, resource.plural)
        return served is not None and served.subresource("status") is not None

    def _uids(self) -> Iterator[str]:
        storage = self.cluster.server.storage
        return (one["metadata"]["uid"] for kind in storage.kinds for _, one in storage.all(kind))

    def _replace(self, resource: Resource, namespace: str, value: Object, subresource: str = "") -> None:
        before = self.cluster.get(resource, namespace, value["metadata"]["name"])
        version = before["metadata"]["resourceVersion"]
        metadata = {**value["metadata"], "resourceVersion": version, "uid": before["metadata"]["uid"]}
        metadata.pop("managedFields", None)
        self.cluster.replace(
            resource, namespace, {**value, "metadata": metadata}, manager=SOMEBODY, subresource=subresource
        )


def _interrupt() -> None:
    raise KeyboardInterrupt


def _told(call: Call) -> str:
    place = f"{call.namespace}/{call.name}" if call.namespace else call.name
    return f"{call.verb} {call.resource} {place} {call.subresource}".strip()
