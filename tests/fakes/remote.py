"""A server behind an APIService, as one suite: it runs where the API server is in memory and where it is a real one.

A subclass brings the fixture `served`: a client, and the transport below it for what a client does not show.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import web

from agent.kit.clock import SystemClock
from agent.kube.api import Change, Object, PatchType, Resource
from agent.kube.client import Client
from agent.kube.errors import NotFound, ServerFailed
from agent.kube.transport import Outgoing, Reply, Transport
from hub.sandbox.ports import free_port
from hub.sandbox.tls import Identity, identity
from tests.fakes.contract import API_SERVICES

SERVICES = Resource(group="", version="v1", plural="services", kind="Service", namespaced=True)
THINGS = Resource(group="near.test", version="v1", plural="things", kind="Thing", namespaced=True)
CONFIGURATION = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
THING = "/apis/near.test/v1/namespaces/default/things"
PATIENCE_S = 15.0
_ENTRY = {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing"}
_STATUS = {"name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing", "verbs": ["get"]}
KINDS = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "near.test/v1",
    "resources": [{**_ENTRY, "verbs": ["get", "list", "watch"], "shortNames": ["th"]}, _STATUS],
}


@dataclass
class Extension:
    """The server behind. `asked` are the requests that came: method, path with query, and headers in order."""

    port: int
    known_by: Identity
    asked: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs, list(request.headers.items())))
        match request.path.removeprefix("/apis/near.test/v1"):
            case "":
                return web.json_response(KINDS)
            case "/namespaces/default/things" if "watch" in request.query:
                return await self._watched(request)
            case "/namespaces/default/things/teapot":
                return web.Response(status=418, text="short and stout", headers={"X-Own": "1"})
            case "/namespaces/default/things/away":
                raise web.HTTPFound("https://example.org/")
            case "/namespaces/default/things/one":
                return web.json_response(
                    {"metadata": {"name": "one"}, "body": (await request.read()).decode()}
                )
        return web.json_response({"kind": "Status", "message": "no such thing", "code": 404}, status=404)

    async def _watched(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        await stream.prepare(request)
        for name in ("one", "two"):
            await stream.write(b'{"type":"ADDED","object":{"metadata":{"name":"%s"}}}\n' % name.encode())
        return stream


@asynccontextmanager
async def extension() -> AsyncIterator[Extension]:
    """Serve until the end of the block."""
    clock = SystemClock()
    found = Extension(port=free_port(), known_by=identity("near", clock.now(), host="near.default.svc"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.known_by.into(context)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", found.port, ssl_context=context).start()
        yield found
    finally:
        await runner.cleanup()


@dataclass(frozen=True, kw_only=True)
class Served:
    """An API server whose groups another may answer for."""

    api: Client
    transport: Transport

    async def ask(self, path: str, query: Mapping[str, str] | None = None, **headers: str) -> Reply:
        """Send a GET as it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Outgoing(method="GET", path=path, query=query or {}, headers=named)
        return await self.transport.send(request, timeout_s=10.0)

    async def register(self, port: int, **spec: Any) -> None:
        """Have a port of this machine answer for near.test/v1."""
        external = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "near"}, "spec": external}
        await self.api.create(SERVICES, "default", service, field_manager="creator")
        await self.api.create(API_SERVICES, "", api_service(port, **spec), field_manager="creator")

    async def until(self, condition: Callable[[Object], bool]) -> Object:
        """Wait for what the APIService's condition says, and return it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.api.get(API_SERVICES, "", "v1.near.test")
                for one in found["status"].get("conditions") or ():
                    if one["type"] == "Available" and condition(one):
                        return dict(one)
                await asyncio.sleep(0.05)


def api_service(port: int, **spec: Any) -> Object:
    """Return the APIService of near.test/v1."""
    service = {"name": "near", "namespace": "default", "port": port}
    numbers = {"groupPriorityMinimum": 100, "versionPriority": 10}
    head = {
        "apiVersion": API_SERVICES.api_version,
        "kind": "APIService",
        "metadata": {"name": "v1.near.test"},
    }
    return head | {"spec": {"group": "near.test", "version": "v1", "service": service, **numbers, **spec}}


def trusting(one: Extension) -> dict[str, str]:
    """Return the part of a spec by which an extension's certificate is trusted."""
    return {"caBundle": base64.b64encode(one.known_by.certificate).decode()}


def is_available(condition: Object) -> bool:
    return bool(condition["status"] == "True")


def is_away(condition: Object) -> bool:
    return bool(condition["status"] == "False")


class RemoteGroupContract:
    """The behaviours."""

    async def test_what_stands_behind_answers_as_who_asks(self, served: Served) -> None:
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            told = await served.until(is_available)
            assert (told["reason"], told["message"]) == ("Passed", "all checks passed")
            behind.asked.clear()
            sent = {
                "Impersonate_User": "bob",
                "Impersonate_Group": "system:masters",
                "Impersonate_Extra_Scopes%2fmine": "view",
                "X_Remote_User": "evil",
                "X_Own": "kept",
                "Accept": "application/json",
            }
            reply = await served.ask(f"{THING}/one", {"x": "1", "y": "a/b"}, **sent)
            assert reply.status == 200
            assert b'"name": "one"' in reply.body
            method, path, headers = next(one for one in behind.asked if "things/one" in one[1])
            assert (method, path) in (("GET", f"{THING}/one?x=1&y=a/b"), ("GET", f"{THING}/one?x=1&y=a%2Fb"))
            names = [name.lower() for name, _ in headers]
            assert not {"authorization", "impersonate-user", "impersonate-group"} & set(names)
            known = sorted((name.lower(), value) for name, value in headers if name.lower().startswith("x-"))
            assert [one for one in known if one[0] != "x-forwarded-for"] == [
                ("x-forwarded-host", f"localhost:{behind.port}"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-uri", f"{THING}/one"),
                ("x-own", "kept"),
                ("x-remote-extra-scopes%2fmine", "view"),
                ("x-remote-group", "system:authenticated"),
                ("x-remote-group", "system:masters"),
                ("x-remote-user", "bob"),
            ]
            assert ("Accept", "application/json") in headers

    async def test_who_may_not_is_refused_before_anybody_is_asked(self, served: Served) -> None:
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            await served.until(is_available)
            behind.asked.clear()
            refused = await served.ask("/apis/near.test/v1/namespaces/a/things", Impersonate_User="bob")
            assert refused.status == 403
            assert b'things.near.test is forbidden: User \\"bob\\" cannot list resource' in refused.body
            assert not [one for one in behind.asked if "/namespaces/" in one[1]]

    async def test_answers_of_all_kinds_come_back_as_they_are(self, served: Served) -> None:
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            await served.until(is_available)
            teapot = await served.ask(f"{THING}/teapot")
            assert (teapot.status, teapot.body) == (418, b"short and stout")
            assert (teapot.headers["x-own"], teapot.headers["content-type"]) == (
                "1",
                "text/plain; charset=utf-8",
            )
            redirected = await served.ask(f"{THING}/away")
            assert redirected.status == 502
            told = b"the backend attempted to redirect this request, which is not permitted"
            assert redirected.body == told
            with pytest.raises(NotFound, match="no such thing"):
                await served.api.get(THINGS, "default", "absent")

    async def test_a_watch_goes_on_through_it(self, served: Served) -> None:
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            await served.until(is_available)
            found = [
                (event.change, event.object["metadata"]["name"])
                async for event in served.api.watch(THINGS, "default", resource_version="1")
            ]
            assert found == [(Change.ADDED, "one"), (Change.ADDED, "two")]

    async def test_its_kinds_are_discovered(self, served: Served) -> None:
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            await served.until(is_available)
            accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            async with asyncio.timeout(PATIENCE_S):
                while b'"things"' not in (await served.ask("/apis", Accept=accept)).body:
                    await asyncio.sleep(0.05)
            told = await served.ask("/apis", Accept=accept)
            assert near_in(told)["versions"] == [
                {
                    "version": "v1",
                    "resources": [
                        {
                            "resource": "things",
                            "responseKind": {"group": "", "version": "", "kind": "Thing"},
                            "scope": "Namespaced",
                            "singularResource": "thing",
                            "verbs": ["get", "list", "watch"],
                            "shortNames": ["th"],
                            "subresources": [
                                {
                                    "subresource": "status",
                                    "responseKind": {"group": "", "version": "", "kind": "Thing"},
                                    "verbs": ["get"],
                                }
                            ],
                        }
                    ],
                    "freshness": "Current",
                }
            ]

    async def test_a_certificate_that_is_not_trusted_or_of_another_name_is_refused(
        self, served: Served
    ) -> None:
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            await served.until(is_available)
            other = base64.b64encode(identity("x", SystemClock().now()).certificate).decode()
            await self._patched(served, {"caBundle": other})
            told = await served.until(is_away)
            assert told["reason"] == "FailedDiscoveryCheck"
            url = f"https://localhost:{behind.port}/apis/near.test/v1"
            assert told["message"].startswith(f'failing or missing response from {url}: Get "{url}": ')
            await self._patched(served, {"caBundle": None, "insecureSkipTLSVerify": True})
            await served.until(is_available)

    async def test_nobody_behind_is_said_and_heals(self, served: Served) -> None:
        await served.api.create(API_SERVICES, "", api_service(443), field_manager="creator")
        told = await served.until(is_away)
        assert told["reason"] == "ServiceNotFound"
        assert told["message"] == 'service/near in "default" is not present'
        with pytest.raises(ServerFailed, match="service unavailable"):
            await served.api.get(THINGS, "default", "one")
        await served.api.delete(API_SERVICES, "", "v1.near.test")
        async with extension() as behind:
            await served.register(behind.port, **trusting(behind))
            await served.until(is_available)
            assert (await served.api.get(THINGS, "default", "one"))["metadata"]["name"] == "one"
        with pytest.raises(ServerFailed, match="error trying to reach service: "):
            await served.api.get(THINGS, "default", "one")

    async def _patched(self, served: Served, spec: Object) -> None:
        await served.api.patch(
            API_SERVICES, "", "v1.near.test", {"spec": spec}, kind=PatchType.MERGE, field_manager="creator"
        )


def near_in(told: Reply) -> Object:
    """Return the group near.test of an aggregated discovery."""
    groups = msgspec.json.decode(told.body)["items"]
    return dict(next(one for one in groups if one["metadata"].get("name") == "near.test"))
