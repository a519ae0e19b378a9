"""What somebody does in a server in memory beside the program under test: at once, and nobody logs or disturbs it."""

from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from agent.kit.clock import Clock
from agent.kube.api import Api, Applied, Listing, Object, PatchType, Resource
from agent.kube.client import Client
from agent.kube.transport import Outgoing, Reply
from hub.sandbox.local import LocalTransport, reply_of, request_of
from hub.sandbox.server import Server

TOKEN = "nobody"
"""Whoever has it may do everything."""
T = TypeVar("T")


class Hands:
    """The verbs as `Api` has them, done when they return. What is asked of `door` never waits."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.door: Api = Client(_Direct(server), clock=clock)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return at_once(self.door.get(resource, namespace, name))

    def list(self, resource: Resource, namespace: str = "", **selectors: str) -> Listing:
        return at_once(self.door.list(resource, namespace, **selectors))

    def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str = "somebody"
    ) -> Object:
        return at_once(self.door.create(resource, namespace, value, field_manager=manager))

    def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        manager: str = "somebody",
        subresource: str = "",
    ) -> Object:
        doing = self.door.replace(resource, namespace, value, field_manager=manager, subresource=subresource)
        return at_once(doing)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: object,
        *,
        kind: PatchType = PatchType.MERGE,
        manager: str = "somebody",
        subresource: str = "",
    ) -> Object:
        doing = self.door.patch(
            resource,
            namespace,
            name,
            patch,
            kind=kind,
            field_manager=manager,
            subresource=subresource,
        )
        return at_once(doing)

    def apply(self, resource: Resource, namespace: str, value: Object, *, manager: str) -> Applied:
        body = msgspec.json.encode(value)
        name = value["metadata"]["name"]
        return at_once(self.door.apply(resource, namespace, name, body, field_manager=manager))

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        at_once(self.door.delete(resource, namespace, name))


class _Direct(LocalTransport):
    """A way to a server that takes no time, and that nobody sees."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, TOKEN)
        self._there = server

    async def send(self, request: Outgoing, *, timeout_s: float) -> Reply:
        return reply_of(self._there.answer(request_of(request, TOKEN)))


def at_once(doing: Coroutine[Any, Any, T]) -> T:
    """Return what comes of something that never waits."""
    try:
        doing.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("what was to happen at once waits")
