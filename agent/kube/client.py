"""The thin client: `Api` over a transport. Sends manifests' bytes as they are, reads JSON once, maps every refusal to `agent.kube.errors`.

State: none but the transport's. A busy server's refusal is waited for; nothing that may have taken effect is sent again.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import msgspec

from agent.kit.clock import Clock
from agent.kit.loops import still_moving
from agent.kit.telemetry import Telemetry
from agent.kube.api import (
    Applied,
    Change,
    Listing,
    Object,
    PatchType,
    Propagation,
    Resource,
    WatchEvent,
)
from agent.kube.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotActing,
    NotFound,
    ServerFailed,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from agent.kube.transport import Outgoing, Reply, Transport

PAGE = 500
BUSY_ATTEMPTS = 4
BOOKMARK_S = 60.0
NO_ANSWER = "<error>"
"""The code of a request that was not answered, as client-go words it."""
WATCH_GRACE_S = 5.0
_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}


def _always() -> bool:
    return True


class Verb(StrEnum):
    """What a request asks for, as metrics say it."""

    GET = "get"
    LIST = "list"
    LIST_METADATA = "list-metadata"
    WATCH = "watch"
    READ = "read"
    CREATE = "create"
    REPLACE = "replace"
    PATCH = "patch"
    DRY_RUN = "dry-run"
    APPLY = "apply"
    DELETE = "delete"

    @property
    def method(self) -> str:
        return _METHODS.get(self, "GET")


_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METHODS: Mapping[Verb, str] = {
    Verb.CREATE: "POST",
    Verb.REPLACE: "PUT",
    Verb.PATCH: "PATCH",
    Verb.DRY_RUN: "PATCH",
    Verb.APPLY: "PATCH",
    Verb.DELETE: "DELETE",
}


class Client:
    """One API server under one identity. `may_write` is asked before each write: of two processes only the acting one may."""

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock,
        timeout_s: float = 30.0,
        watch_timeout_s: float = 300.0,
        user_agent: str = "cartwheel",
        may_write: Callable[[], bool] = _always,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._requests = (telemetry or Telemetry()).counter(
            "rest_client_requests", "Requests to the API server.", verb=(), method=(), code=()
        )
        self._transport = transport
        self._clock = clock
        self._may_write = may_write
        self._timeout_s = timeout_s
        self._watch_timeout_s = watch_timeout_s
        # Bookmarks come about once a minute, and the server ends the watch in time; only a frozen one is silent for longer.
        self._silence_s = min(watch_timeout_s + WATCH_GRACE_S, BOOKMARK_S * 2)
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return _object(await self._send(Verb.GET, resource.path(namespace, name)))

    async def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        return await self._pages(Verb.LIST, resource, namespace, _selectors(label_selector, field_selector))

    async def metadata(self, resource: Resource, namespace: str = "") -> Listing:
        return await self._pages(Verb.LIST_METADATA, resource, namespace, {})

    async def _pages(
        self, verb: Verb, resource: Resource, namespace: str, selectors: Mapping[str, str]
    ) -> Listing:
        query = {**selectors, "limit": str(PAGE)}
        path = resource.path(namespace)
        items: list[Object] = []
        restarted = False
        while True:
            try:
                page = _object(await self._send(verb, path, query))
            except Expired:
                if restarted or "continue" not in query:
                    raise
                # The pages were read too slowly; once more from the beginning.
                restarted, items = True, []
                del query["continue"]
                continue
            for item in page.get("items") or ():
                # Items of a list carry no kind of their own.
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
                items.append(item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listing(items=items, resource_version=str(metadata.get("resourceVersion", "")))
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(int(self._watch_timeout_s), 1)),
        }
        path = resource.path(namespace)
        request = Outgoing(method="GET", path=path, query=query, headers=self._headers)
        try:
            async with self._transport.stream(request, silence_s=self._silence_s) as answer:
                self._count(Verb.WATCH, answer.status)
                if answer.status >= 400:
                    refusal = Reply(status=answer.status, headers=answer.headers, body=await answer.read())
                    raise _refusal("watch", path, refusal)
                async for line in answer:
                    yield _watch_event(path, line)
        except Unreachable:
            self._count(Verb.WATCH, NO_ANSWER)
            raise

    async def create(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, field_manager: str
    ) -> Object:
        body = msgspec.json.encode(value)
        path = resource.path(namespace)
        return _object(await self._send(Verb.CREATE, path, {"fieldManager": field_manager}, body))

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Object:
        path = resource.path(namespace, value["metadata"]["name"], subresource)
        body = msgspec.json.encode(value)
        return _object(await self._send(Verb.REPLACE, path, {"fieldManager": field_manager}, body))

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
        path = resource.path(namespace, name, subresource)
        body = msgspec.json.encode(patch)
        return _object(await self._send(Verb.PATCH, path, {"fieldManager": field_manager}, body, kind.value))

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
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        path = resource.path(namespace, name, subresource)
        verb = Verb.DRY_RUN if dry_run else Verb.APPLY
        status, data = await self._exchange(verb, path, query, body, "application/apply-patch+yaml")
        return Applied(object=_object(data), created=status == 201)

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
        wanted = {"uid": uid, "resourceVersion": resource_version}
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation.value}
        if conditions := {key: value for key, value in wanted.items() if value}:
            body["preconditions"] = conditions
        await self._send(Verb.DELETE, resource.path(namespace, name), {}, msgspec.json.encode(body))

    async def read(self, path: str, **query: str) -> bytes:
        return await self._send(Verb.READ, path, query)

    async def _send(
        self,
        verb: Verb,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        return (await self._exchange(verb, path, query or {}, body, content_type))[1]

    async def _exchange(
        self, verb: Verb, path: str, query: Mapping[str, str], body: bytes | None, content_type: str
    ) -> tuple[int, bytes]:
        """Send, and send again when the server was busy, which it says before it does anything."""
        attempt = 1
        while True:
            try:
                return await self._once(verb, path, query, body, content_type)
            except TooManyRequests as busy:
                if attempt == BUSY_ATTEMPTS:
                    raise
                await self._clock.sleep(min(busy.after_s, 10.0))
                attempt += 1

    async def _once(
        self, verb: Verb, path: str, query: Mapping[str, str], body: bytes | None, content_type: str
    ) -> tuple[int, bytes]:
        # Asked at the last moment: a process that was stopped goes on in the middle, long after another took its place.
        if verb.method != "GET" and not self._may_write():
            raise NotActing(f"{verb.method} {path}: not sent, since another process may be acting")
        headers = self._headers | ({"Content-Type": content_type} if body is not None else {})
        if verb is Verb.LIST_METADATA:
            headers["Accept"] = _METADATA
        request = Outgoing(method=verb.method, path=path, query=query, headers=headers, body=body)
        try:
            reply = await self._transport.send(request, timeout_s=self._timeout_s)
        except Unreachable:
            self._count(verb, NO_ANSWER)
            raise
        self._count(verb, reply.status)
        if reply.status >= 400:
            raise _refusal(verb.method, path, reply)
        return reply.status, reply.body

    def _count(self, verb: Verb, code: int | str) -> None:
        self._requests.labels(verb, verb.method, code).inc()
        still_moving()


def _selectors(label: str, field: str) -> dict[str, str]:
    wanted = {"labelSelector": label, "fieldSelector": field}
    return {key: value for key, value in wanted.items() if value}


def _object(data: bytes) -> Object:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as problem:
        raise ServerFailed(
            f"the API server's answer is no object: {problem}", status=200, reason="Malformed"
        ) from problem


def _watch_event(path: str, line: bytes) -> WatchEvent:
    event = _object(line)
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        code = int(status.get("code") or 500)
        raise _error(f"watch {path}", code, status)
    try:
        return WatchEvent(change=Change(event["type"]), object=event["object"])
    except (KeyError, ValueError) as problem:
        raise ServerFailed(
            f"watch {path}: the API server sent what is no event, of {len(line)} bytes",
            status=200,
            reason="Malformed",
        ) from problem


def _refusal(doing: str, path: str, reply: Reply) -> ApiError:
    try:
        status = _object(reply.body)
    except ServerFailed:
        status = {"message": reply.body[:300].decode(errors="replace").strip()}
    if not isinstance(status.get("details"), dict):
        status["details"] = {}
    if after := reply.headers.get("retry-after", ""):
        status["details"].setdefault("retryAfterSeconds", float(after) if after.isdecimal() else 1.0)
    return _error(f"{doing} {path}", reply.status, status)


def _error(doing: str, code: int, status: Mapping[str, Any]) -> ApiError:
    message = str(status.get("message") or f"HTTP {code}")
    reason = str(status.get("reason") or "Unknown")
    details = status.get("details") or {}
    causes = tuple(cause for cause in details.get("causes") or () if isinstance(cause, dict))
    if code == 429:
        after_s = float(details.get("retryAfterSeconds") or 1.0)
        return TooManyRequests(message, status=code, reason=reason, causes=causes, after_s=after_s)
    kind = _BY_STATUS.get(code, ServerFailed if code >= 500 else ApiError)
    if code == 409 and reason == "AlreadyExists":
        kind = AlreadyExists
    if code >= 500 or not (details.get("name") or causes):
        # The server's words alone do not say what was asked of which object.
        message = f"{doing}: {message}"
    return kind(message, status=code, reason=reason, causes=causes)
