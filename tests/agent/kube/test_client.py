"""The thin client: what it sends, what it sends again, and what it makes of answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from agent.kit.clock import SystemClock
from agent.kit.telemetry import Telemetry
from agent.kube import errors
from agent.kube.access import Access
from agent.kube.api import Change, PatchType, Propagation
from agent.kube.client import Client
from agent.kube.resources import CONFIG_MAPS, DEPLOYMENTS
from agent.kube.transport import HttpTransport

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NotingClock:
    """Sleeps no longer than a moment, and notes how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return SystemClock().now()

    def monotonic_s(self) -> float:
        return SystemClock().monotonic_s()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Server:
    """A server that answers requests one after the other as it was told; the last answer repeats."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], bytes, dict[str, str]]] = []
        self.clock = NotingClock()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.path, dict(request.query), body, dict(request.headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@asynccontextmanager
async def served(server: Server, *, connections: int = 64, **settings: Any) -> AsyncIterator[Client]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    access = Access(server=f"http://127.0.0.1:{port}", tls=None, authorization=lambda: "Bearer secret")
    try:
        transport = HttpTransport(access, connections=connections)
        async with Client(transport, clock=server.clock, **settings) as client:
            yield client
    finally:
        await runner.cleanup()


def says(value: Any, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        return web.json_response(value, status=status, headers=sent)

    return answer


def refuses(code: int, reason: str, message: str = "no", **details: Any) -> Answer:
    return says(
        {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}, code
    )


def streams(*chunks: bytes) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0.01)
        return response

    return answer


async def breaks(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


def event(change: str, name: str) -> bytes:
    value = {"type": change, "object": {"metadata": {"name": name, "resourceVersion": "2"}}}
    return json.dumps(value).encode() + b"\n"


def page(*names: str, token: str = "") -> Answer:
    items = [{"metadata": {"name": name}} for name in names]
    return says({"metadata": {"resourceVersion": "7", "continue": token}, "items": items})


@pytest.mark.parametrize("name", ["../../other/secrets/theirs", "..", ".", "%2e%2e", "a/b"])
async def test_a_name_that_would_lead_to_another_object_is_not_found(name: str) -> None:
    server = Server(says({"data": {"password": "c2VjcmV0"}}))
    async with served(server) as client:
        with pytest.raises(errors.NotFound, match="no object has such a name"):
            await client.get(CONFIG_MAPS, "mine", name)
        with pytest.raises(errors.NotFound, match="no object has such a name"):
            await client.get(CONFIG_MAPS, f"mine/{name}", "one")
        with pytest.raises(errors.NotFound, match="no object has such a name"):
            await client.delete(CONFIG_MAPS, "mine", name)
    assert server.requests == []


async def test_a_name_with_signs_of_an_address_stays_a_name() -> None:
    server = Server(says({}))
    async with served(server) as client:
        await client.get(CONFIG_MAPS, "mine", "one?watch=true#:x")
    assert server.requests[0][1:3] == ("/api/v1/namespaces/mine/configmaps/one?watch=true#:x", {})


async def test_an_apply_sends_the_bytes_as_they_are() -> None:
    server = Server(says({"kind": "ConfigMap"}, 201), says({"kind": "ConfigMap"}))
    body = b'{"b":1,  "a":2}'
    async with served(server) as client:
        first = await client.apply(CONFIG_MAPS, "apps", "x", body, field_manager="m", dry_run=True)
        second = await client.apply(CONFIG_MAPS, "apps", "x", body, field_manager="m", force=False)
    assert (first.created, second.created) == (True, False)
    method, path, query, sent, headers = server.requests[0]
    assert (method, path, sent) == ("PATCH", "/api/v1/namespaces/apps/configmaps/x", body)
    assert query == {"fieldManager": "m", "force": "true", "dryRun": "All"}
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["Authorization"] == "Bearer secret"
    assert server.requests[1][2] == {"fieldManager": "m", "force": "false"}


async def test_patches_and_deletions_are_written_as_asked() -> None:
    server = Server(says({}))
    async with served(server) as client:
        await client.patch(
            DEPLOYMENTS, "apps", "x", [], kind=PatchType.JSON, field_manager="m", subresource="status"
        )
        await client.delete(DEPLOYMENTS, "apps", "x", uid="u", propagation=Propagation.ORPHAN)
    (_, path, _, body, headers), (_, _, _, deletion, _) = server.requests
    assert path == "/apis/apps/v1/namespaces/apps/deployments/x/status"
    assert (body, headers["Content-Type"]) == (b"[]", "application/json-patch+json")
    asked = json.loads(deletion)
    assert (asked["propagationPolicy"], asked["preconditions"]) == ("Orphan", {"uid": "u"})


async def test_a_list_is_read_page_by_page_and_names_its_kind() -> None:
    server = Server(page("a", "b", token="more"), page("c"))
    async with served(server) as client:
        listing = await client.list(CONFIG_MAPS, "apps", label_selector="x=y")
    assert [one["metadata"]["name"] for one in listing.items] == ["a", "b", "c"]
    assert {one["kind"] for one in listing.items} == {"ConfigMap"}
    assert listing.resource_version == "7"
    assert [request[2].get("continue") for request in server.requests] == [None, "more"]
    assert {request[2]["labelSelector"] for request in server.requests} == {"x=y"}


async def test_a_list_whose_pages_expire_begins_once_more() -> None:
    expired = refuses(410, "Expired")
    server = Server(page("a", token="more"), expired, page("a", token="more"), page("b"))
    async with served(server) as client:
        listing = await client.list(CONFIG_MAPS)
    assert [one["metadata"]["name"] for one in listing.items] == ["a", "b"]
    server = Server(page("a", token="more"), expired, page("a", token="more"), expired)
    async with served(server) as client:
        with pytest.raises(errors.Expired):
            await client.list(CONFIG_MAPS)


async def test_a_read_over_a_dead_connection_is_sent_again_and_a_write_is_not() -> None:
    server = Server(says({}), breaks, says({"kind": "ConfigMap"}))
    async with served(server) as client:
        await client.get(CONFIG_MAPS, "apps", "x")
        assert await client.get(CONFIG_MAPS, "apps", "x") == {"kind": "ConfigMap"}
    server = Server(says({}), breaks, says({}))
    async with served(server) as client:
        await client.get(CONFIG_MAPS, "apps", "x")
        with pytest.raises(errors.Unreachable, match="PATCH /api/v1/namespaces/apps/configmaps/x"):
            await client.apply(CONFIG_MAPS, "apps", "x", b"{}", field_manager="m")
    assert [request[0] for request in server.requests] == ["GET", "PATCH"]


async def test_a_busy_server_is_asked_again_after_the_time_it_names() -> None:
    busy = says({"kind": "Status", "reason": "TooManyRequests"}, 429, Retry_After="3")
    server = Server(busy, says({"kind": "ConfigMap"}))
    async with served(server) as client:
        await client.apply(CONFIG_MAPS, "apps", "x", b"{}", field_manager="m")
    assert server.clock.slept == [3.0]
    server = Server(busy)
    async with served(server) as client:
        with pytest.raises(errors.TooManyRequests) as refusal:
            await client.get(CONFIG_MAPS, "apps", "x")
    assert refusal.value.after_s == 3.0
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequest),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Expired),
        (422, "Invalid", errors.Invalid),
        (500, "InternalError", errors.ServerFailed),
        (503, "ServiceUnavailable", errors.ServerFailed),
        (418, "Teapot", errors.ApiError),
    ],
)
async def test_a_refusal_has_its_class_and_says_what_was_asked(
    code: int, reason: str, kind: type[errors.ApiError]
) -> None:
    async with served(Server(refuses(code, reason, "because"))) as client:
        with pytest.raises(
            errors.ApiError, match="GET /api/v1/namespaces/apps/configmaps/x: because"
        ) as refusal:
            await client.get(CONFIG_MAPS, "apps", "x")
    assert (type(refusal.value), refusal.value.status, refusal.value.reason) == (kind, code, reason)


async def test_a_refusal_that_names_the_object_is_told_in_the_servers_words() -> None:
    causes = [{"field": "spec.selector", "message": "field is immutable"}]
    server = Server(refuses(422, "Invalid", 'Deployment "x" is invalid', name="x", causes=causes))
    async with served(server) as client:
        with pytest.raises(errors.Invalid, match=r'^Deployment "x" is invalid$') as refusal:
            await client.get(DEPLOYMENTS, "apps", "x")
    assert refusal.value.causes == tuple(causes)


async def test_an_answer_of_something_in_between_is_told_as_a_failure() -> None:
    async def page_of_a_proxy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html>Bad Gateway</html>")

    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Welcome</html>")

    async with served(Server(page_of_a_proxy)) as client:
        with pytest.raises(errors.ServerFailed, match="Bad Gateway"):
            await client.get(CONFIG_MAPS, "apps", "x")
    async with served(Server(nonsense)) as client:
        with pytest.raises(errors.ServerFailed, match="no object"):
            await client.get(CONFIG_MAPS, "apps", "x")


async def test_a_silent_server_is_unreachable_after_the_timeout() -> None:
    async with served(Server(hangs), timeout_s=0.1) as client:
        with pytest.raises(errors.Unreachable, match="TimeoutError"):
            await client.get(CONFIG_MAPS, "apps", "x")


async def test_nobody_listening_is_unreachable() -> None:
    access = Access(server="http://127.0.0.1:1", tls=None, authorization=lambda: "")
    async with Client(HttpTransport(access), clock=SystemClock()) as client:
        with pytest.raises(errors.Unreachable, match="GET /version"):
            await client.read("/version")


async def test_a_watch_yields_events_however_they_are_cut() -> None:
    whole = event("ADDED", "a") + event("BOOKMARK", "") + event("DELETED", "x" * 100_000)
    server = Server(streams(whole[:10], whole[10:150], whole[150:]))
    async with served(server) as client:
        found = [one async for one in client.watch(CONFIG_MAPS, "apps", resource_version="5")]
    assert [one.change for one in found] == [Change.ADDED, Change.BOOKMARK, Change.DELETED]
    assert len(found[2].object["metadata"]["name"]) == 100_000
    query = server.requests[0][2]
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == ("5", "true")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuses(410, "Expired"), errors.Expired),
        (streams(b'{"type":"ERROR","object":{"code":410,"reason":"Expired"}}\n'), errors.Expired),
        (streams(b'{"type":"ERROR","object":{"code":500}}\n'), errors.ServerFailed),
        (streams(b'{"type":"STRANGE","object":{}}\n'), errors.ServerFailed),
        (streams(b"<html>\n"), errors.ServerFailed),
        (breaks, errors.Unreachable),
    ],
    ids=["refused", "expired-within", "failed-within", "unknown-event", "no-json", "cut"],
)
async def test_a_watch_that_fails_says_how(answer: Answer, kind: type[errors.ApiError]) -> None:
    async with served(Server(answer)) as client:
        with pytest.raises(errors.ApiError) as problem:
            async for _ in client.watch(CONFIG_MAPS, resource_version="5"):
                pass
    assert type(problem.value) is kind


async def test_open_watches_keep_no_request_waiting() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(5)
        return response

    server = Server(silent, silent, silent, says({"kind": "ConfigMap"}))
    async with served(server, connections=1, timeout_s=2.0) as client:

        async def watch() -> None:
            async for _ in client.watch(CONFIG_MAPS, resource_version="5"):
                pass

        watching = [asyncio.create_task(watch()) for _ in range(3)]
        while len(server.requests) < 3:
            await asyncio.sleep(0.01)
        assert await client.get(CONFIG_MAPS, "apps", "x") == {"kind": "ConfigMap"}
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def test_whoever_may_not_act_reads_but_sends_no_write() -> None:
    server = Server(says({"metadata": {"name": "a"}}))
    async with served(server, may_write=lambda: False) as client:
        await client.get(CONFIG_MAPS, "apps", "a")
        for write in (
            client.create(CONFIG_MAPS, "apps", {"metadata": {"name": "a"}}, field_manager="us"),
            client.replace(CONFIG_MAPS, "apps", {"metadata": {"name": "a"}}, field_manager="us"),
            client.patch(CONFIG_MAPS, "apps", "a", {}, kind=PatchType.MERGE, field_manager="us"),
            client.apply(CONFIG_MAPS, "apps", "a", b"{}", field_manager="us"),
            client.delete(CONFIG_MAPS, "apps", "a"),
        ):
            with pytest.raises(errors.NotActing):
                await write
    assert [method for method, *_ in server.requests] == ["GET"]


async def test_a_write_that_is_tried_again_is_asked_for_again() -> None:
    server = Server(refuses(429, "TooManyRequests"))
    answers = [True, False]
    async with served(server, may_write=lambda: answers.pop(0)) as client:
        with pytest.raises(errors.NotActing):
            await client.delete(CONFIG_MAPS, "apps", "a")
    assert len(server.requests) == 1


async def test_every_answer_is_counted_by_verb_and_code_and_no_answer_as_that() -> None:
    telemetry = Telemetry()
    server = Server(
        says({"kind": "ConfigMap"}),
        says({"kind": "ConfigMap"}, 201),
        refuses(409, "Conflict"),
        says({"kind": "ConfigMap"}),
        page("a", token="more"),
        page("b"),
        breaks,
    )
    async with served(server, telemetry=telemetry) as client:
        for dry_run in (True, False):
            await client.apply(CONFIG_MAPS, "apps", "a", b"{}", field_manager="m", dry_run=dry_run)
        with pytest.raises(errors.Conflict):
            await client.delete(CONFIG_MAPS, "apps", "a")
        await client.get(CONFIG_MAPS, "apps", "a")
        await client.list(CONFIG_MAPS, "apps")
        with pytest.raises(errors.Unreachable):
            await client.create(CONFIG_MAPS, "apps", {}, field_manager="m")
    counted = {
        tuple(sample.labels.values()): sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "rest_client_requests_total"
    }
    assert counted == {
        ("dry-run", "PATCH", "200"): 1,
        ("apply", "PATCH", "201"): 1,
        ("delete", "DELETE", "409"): 1,
        ("get", "GET", "200"): 1,
        ("list", "GET", "200"): 2,
        ("create", "POST", "<error>"): 1,
    }
