"""The management cluster of a test: an API server in memory, and what people and other programs do there meanwhile.

    api = Management(clock)
    api.put_resource(Kind.CLUSTER, "eu-1", {"id": "abcdefgh"})
    store = Store(api, ...)

What is done by `put`, `put_resource` and `remove` is nobody's request: `writes` lists only what came through the door.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from agent.kube.errors import NotFound
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from hub.crds import packaged
from hub.model.kinds import TYPES, Kind
from tests.fakes.door import Call, FakeApi
from tests.fakes.kube import FakeCluster
from tests.fakes.rules import Key, key_in

SOMEBODY = "somebody"
NAMESPACE = "apps"


class Management(FakeApi):
    """The hub's door. A new object gets the UID `uid-NAME` (`uid-NAME-2` the second of that name) unless it brings one; everything else is the server's to give."""

    def __init__(self, clock: Clock, *, with_kinds: bool = True) -> None:
        super().__init__(FakeCluster(clock), "hub")
        self.version = "v1.36.0"
        self.interfere: list[Callable[[], object]] = []
        self.interfere_with = ""
        self._watched: Any = None
        self._given: Mapping[str, Any] = {}
        self.cluster.interference = self
        self._born: Counter[tuple[str, ...]] = Counter()
        self.cluster.born = self._identity
        if with_kinds:
            for crd in packaged():
                self.put(CUSTOM_RESOURCE_DEFINITIONS, crd)
        self._there = {one["metadata"]["uid"] for one in self.cluster.stored.values()}

    def _identity(self, value: Object) -> Mapping[str, Any]:
        metadata = value["metadata"]
        key = (value["kind"], metadata.get("namespace", ""), metadata["name"])
        self._born[key] += 1
        again = f"-{self._born[key]}" if self._born[key] > 1 else ""
        return {"uid": f"uid-{metadata['name']}{again}", **self._given}

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

    def while_watched(self, act: Callable[[], object], *, watches: int = 1) -> None:
        """Do something when so many watches are open, and a little later what a person does with Ctrl-C."""
        self._watched = [watches, act]

    async def after(self, call: Call) -> None:
        """Let every answer through."""

    @property
    def writes(self) -> list[str]:
        """Return the requests that could change something: `patch kustomizations apps/webapp status`."""
        return [_told(call) for call in self.cluster.writes]

    def resource(self, named: Resource | str) -> Resource:
        """Return a kind that is given by its plural."""
        if isinstance(named, Resource):
            return named
        return next(served.resource for key, served in self.cluster.kinds.items() if key[2] == named)

    def add_namespace(self, name: str) -> None:
        """Have a namespace there."""
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
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        before = self.find(resource, namespace, name)
        if before is not None and metadata.get("uid", before["metadata"]["uid"]) != before["metadata"]["uid"]:
            self.remove(resource, namespace, name)
            before = None
        if before is None:
            self._create(resource, namespace, wanted, metadata)
        else:
            self._replace(resource, namespace, {**wanted, "metadata": metadata})
        if "status" in wanted and self.cluster.served(resource).has_status:
            self._replace(resource, namespace, {**wanted, "metadata": metadata}, "status")
        if metadata.get("deletionTimestamp") and self.find(resource, namespace, name) is not None:
            self.cluster.delete(resource, namespace, name)
        return self.find(resource, namespace, name) or wanted

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
        """Return all objects themselves but for the namespaces that were there: what is changed in one is so without a word."""
        stored = self.cluster.stored
        return {key: one for key, one in stored.items() if one["metadata"]["uid"] not in self._there}

    def live(self, kind: Resource | str, namespace: str, name: str) -> Object | None:
        """Return an object itself."""
        return self.cluster.stored.get(key_in(self.resource(kind), namespace, name))

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
        self._given = {key: metadata[key] for key in ("uid", "creationTimestamp") if key in metadata}
        self.cluster.create(resource, namespace, {**value, "metadata": dict(metadata)}, manager=SOMEBODY)
        self._given = {}

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
