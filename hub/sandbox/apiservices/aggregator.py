"""Keeps a server's remote groups: asks whether what stands behind an APIService answers and which kinds it has, and passes requests on to it.

    async with aggregating(server, clock=SystemClock(), routes={("apps", "metrics", 443): "127.0.0.1:40443"}):
        ...  # requests for the groups of APIServices go where their Services lead

State: connections, and which APIServices were found to answer. Whatever changes is looked at once, and all of it every half minute; where no
APIService names a Service, nothing runs. What is told of the schema of remote kinds (OpenAPI) is not asked for.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from agent.kit.clock import Clock
from agent.kit.tasks import Tasks
from agent.kube.api import Object
from agent.model.names import timestamp
from hub.sandbox.apiservices.backends import SERVICES, Away, Backend, Routes, backend_of
from hub.sandbox.apiservices.proxy import EXTRA, GROUP, PLAIN, UID, USER, Proxy
from hub.sandbox.drafts import Options
from hub.sandbox.kinds.remote import KIND, RemoteGroup
from hub.sandbox.refusals import Refused
from hub.sandbox.server import Server
from hub.sandbox.storage import Change, KindKey
from hub.sandbox.tls import Identity, identity
from hub.sandbox.wire import Answer, Caller, Request

_CLIENT = "front-proxy-client"
_CHECKER = Caller(name="system:kube-aggregator", groups=("system:masters",))
_SERVER = Options(manager="kube-apiserver", strictness="Ignore")
_CHECK_S = 30.0
_ANSWER_S = 5.0
_CONFIG = {"kind": "ConfigMap", "apiVersion": "v1"}
_CONFIG_NAME = "extension-apiserver-authentication"


class Aggregator:
    """The remote groups of one server."""

    def __init__(self, server: Server, *, clock: Clock, routes: Routes, proxy: Proxy) -> None:
        self._server = server
        self._clock = clock
        self._routes = routes
        self._proxy = proxy
        self._woken = asyncio.Event()

    async def answer(self, request: Request, group: str, version: str, caller: Caller) -> Answer:
        """Return what the server behind a group answers, or that it is away."""
        found = self._stored().get(f"{version}.{group}")
        if found is None or not _is_available(found):
            return Answer(status=503, text="service unavailable\n", media_type=PLAIN)
        try:
            return await self._proxy.pass_on(request, self._backend(found), caller)
        except Away as away:
            text = f"error trying to reach service: {away.message}"
            return Answer(status=503, text=text, media_type=PLAIN)

    async def run(self) -> None:
        """Follow the server until cancelled, beginning with all that is there."""
        storage = self._server.storage
        storage.follow(self._heard)
        try:
            while True:
                self._woken.clear()
                remote = [one for one in self._stored().values() if one["spec"].get("service")]
                for one in remote:
                    await self._check(one)
                await self._wait(_CHECK_S if remote else None)
        finally:
            storage.leave(self._heard)

    def _stored(self) -> Mapping[str, Object]:
        return {name: value for (_, name), value in self._server.storage.all(KIND)}

    def _backend(self, stored: Object) -> Backend:
        spec = stored["spec"]
        authority = base64.b64decode(spec.get("caBundle") or "")
        return backend_of(spec, self._server.storage, self._routes, authority=authority)

    def _heard(self, kind: KindKey, change: Change) -> None:
        before, after = change.before, change.after
        is_own = kind == KIND and before is not None and after is not None and before["spec"] == after["spec"]
        if kind in (KIND, SERVICES) and not is_own:
            self._woken.set()

    async def _wait(self, longest_s: float | None) -> None:
        try:
            async with asyncio.timeout(longest_s):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _check(self, stored: Object) -> None:
        """Ask a server for its kinds, and note what comes of it."""
        spec = stored["spec"]
        key = spec["group"], spec["version"]
        try:
            kinds = await self._kinds_of(self._backend(stored))
        except Away as away:
            self._server.kinds.note_remote(key, None)
            self._note(stored, "False", away.reason, away.message)
        else:
            self._server.kinds.note_remote(key, kinds)
            self._note(stored, "True", "Passed", "all checks passed")

    async def _kinds_of(self, backend: Backend) -> tuple[Object, ...]:
        request = Request(method="GET", path=backend.root, headers={"accept": "application/json"})
        url = f"https://{backend.host}{backend.root}"
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await self._proxy.pass_on(request, backend, _CHECKER)
        except (Away, TimeoutError) as problem:
            why = str(problem) or f"no answer within {_ANSWER_S:g} s"
            told = f'failing or missing response from {url}: Get "{url}": {why}'
            raise Away("FailedDiscoveryCheck", told) from problem
        if not 200 <= answer.status < 300:
            why = f"failing or missing response from {url}: bad status from {url}: {answer.status}"
            raise Away("FailedDiscoveryCheck", why)
        try:
            return RemoteGroup.kinds_in(answer.body)
        except msgspec.MsgspecError as problem:
            why = f"failing or missing response from {url}: no list of kinds: {problem}"
            raise Away("FailedDiscoveryCheck", why) from problem

    def _note(self, stored: Object, status: str, reason: str, message: str) -> None:
        """Write the condition that tells of it, when it is another."""
        name = stored["metadata"]["name"]
        live = self._server.storage.get(KIND, ("", name))
        if live is None or live["metadata"]["uid"] != stored["metadata"]["uid"]:
            return
        known = _available_of(live)
        if [known.get(key) for key in ("status", "reason", "message")] == [status, reason, message]:
            return
        since = known.get("lastTransitionTime") if known.get("status") == status else None
        condition = {
            "type": "Available",
            "status": status,
            "lastTransitionTime": since or timestamp(self._clock.now()),
            "reason": reason,
            "message": message,
        }
        target = self._server.target(KIND, ("", name), "status")
        shown = self._server.verbs.get(target)
        self._server.verbs.replace(target, {**shown, "status": {"conditions": [condition]}}, _SERVER)


@asynccontextmanager
async def aggregating(server: Server, *, clock: Clock, routes: Routes) -> AsyncIterator[None]:
    """Pass requests for remote groups on until the end of the block."""
    known_by = identity(_CLIENT, clock.now())
    _publish(server, known_by)
    proxy = Proxy(known_by)
    aggregator = Aggregator(server, clock=clock, routes=routes, proxy=proxy)
    async with Tasks() as tasks:
        tasks.start(aggregator.run(), name="APIServices")
        server.remote = aggregator
        try:
            yield
        finally:
            server.remote = None
            await proxy.close()


def _publish(server: Server, known_by: Identity) -> None:
    """Tell, where such servers look, by what certificate and headers they know who asks."""
    data = {
        "requestheader-allowed-names": json.dumps([_CLIENT]),
        "requestheader-client-ca-file": known_by.certificate.decode(),
        "requestheader-extra-headers-prefix": json.dumps([EXTRA]),
        "requestheader-group-headers": json.dumps([GROUP]),
        "requestheader-uid-headers": json.dumps([UID]),
        "requestheader-username-headers": json.dumps([USER]),
    }
    place = ("kube-system", _CONFIG_NAME)
    target = server.target(("", "configmaps"), place)
    metadata = {"name": place[1], "namespace": place[0]}
    try:
        server.verbs.create(target, {**_CONFIG, "metadata": metadata, "data": data}, _SERVER)
    except Refused as refusal:
        if refusal.reason != "AlreadyExists":
            raise
        shown = server.verbs.get(target)
        server.verbs.replace(target, {**shown, "data": data}, _SERVER)


def _available_of(stored: Object) -> Mapping[str, str]:
    conditions = (stored.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == "Available"), {})


def _is_available(stored: Object) -> bool:
    return _available_of(stored).get("status") == "True"
