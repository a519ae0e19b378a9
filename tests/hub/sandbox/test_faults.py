"""What goes wrong between a client and a server in memory: the client of production tells it as it is, and takes no half answer for a whole.

Everything runs within the process and over HTTP: what is said of the one way is true of the other.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from agent.kit.clock import SystemClock
from agent.kube.access import Access
from agent.kube.api import Change, Object, WatchEvent
from agent.kube.client import Client
from agent.kube.errors import Expired, ServerFailed, TooManyRequests, Unreachable
from agent.kube.resources import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from agent.kube.transport import HttpTransport, Transport
from hub.sandbox.calls import Call
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.faults import Faults, busy
from hub.sandbox.http import served
from hub.sandbox.local import LocalTransport
from hub.sandbox.refusals import answer_of, internal_error, timed_out, unavailable
from hub.sandbox.server import Server
from hub.sandbox.tls import Loopback, loopback
from hub.sandbox.wire import Answer, Caller
from tests.fakes.contract import WIDGET_DEFINITION, WIDGETS, config_map, widget

TOKEN = "secret"
PROMPT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server, its faults, and a client that is patient for a moment only."""

    server: Server
    faults: Faults
    api: Client
    transport: Transport

    def impatient(self) -> Client:
        return Client(self.transport, clock=SystemClock(), timeout_s=0.05, watch_timeout_s=1.0)

    async def create(self, name: str = "settings") -> Object:
        return await self.api.create(CONFIG_MAPS, "default", config_map(name), field_manager="test")

    async def names(self) -> list[str]:
        return [one["metadata"]["name"] for one in (await self.api.list(CONFIG_MAPS, "default")).items]


class Hurried(SystemClock):
    """Notes how long is waited, and does not wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await super().sleep(0)


@pytest.fixture(scope="module")
def certificate() -> Loopback:
    return loopback(SystemClock().now())


@asynccontextmanager
async def reached(server: Server, way: str, certificate: Loopback) -> AsyncIterator[Transport]:
    if way == "local":
        yield LocalTransport(server, TOKEN)
        return
    async with served(server, certificate.context) as address:
        trust = ssl.create_default_context(cadata=certificate.ca)
        transport = HttpTransport(Access(server=address, tls=trust, authorization=lambda: f"Bearer {TOKEN}"))
        yield transport
        await transport.close()


@pytest.fixture(params=["local", "http"])
async def place(request: pytest.FixtureRequest, certificate: Loopback) -> AsyncIterator[Place]:
    clock = SystemClock()
    server = new_cluster(clock, {TOKEN: admin(), "guest": Caller(name="guest")})
    faults = Faults(clock)
    server.traffic.interference = faults
    async with reached(server, request.param, certificate) as transport:
        api = Client(transport, clock=clock)
        yield Place(server=server, faults=faults, api=api, transport=transport)


def of(verb: str) -> Callable[[Call], bool]:
    return lambda call: call.verb == verb


async def following(place: Place, since: str) -> tuple[asyncio.Task[list[WatchEvent]], asyncio.Event]:
    """Watch ConfigMaps until the watch ends; the event is set when something has come."""
    came = asyncio.Event()

    async def follow() -> list[WatchEvent]:
        found: list[WatchEvent] = []
        async for event in place.api.watch(CONFIG_MAPS, resource_version=since):
            found.append(event)
            came.set()
        return found

    task = asyncio.ensure_future(follow())
    await until(lambda: place.server.traffic.watches == 1)
    return task, came


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PROMPT_S):
        while not is_so():
            await asyncio.sleep(0)


async def version(place: Place) -> str:
    return (await place.api.list(CONFIG_MAPS)).resource_version


async def test_a_request_that_is_cut_off_has_done_nothing(place: Place) -> None:
    place.faults.cuts = of("create")
    with pytest.raises(Unreachable):
        await place.create()
    assert await place.names() == []


async def test_a_lost_answer_leaves_what_was_written(place: Place) -> None:
    place.faults.loses_answers = of("create")
    with pytest.raises(Unreachable):
        await place.create()
    assert await place.names() == ["settings"]


async def test_half_an_answer_to_a_write_is_no_answer_and_it_took_effect(place: Place) -> None:
    place.faults.halves = of("create")
    with pytest.raises(Unreachable):
        await place.create()
    assert await place.names() == ["settings"]


@pytest.mark.parametrize("is_seen", [True, False], ids=["the connection breaks", "half passes for the whole"])
async def test_half_a_list_is_an_error_never_a_shorter_list(place: Place, is_seen: bool) -> None:
    await place.create()
    if is_seen:
        place.faults.halves = of("list")
    else:
        place.faults.clips = of("list")
    with pytest.raises(Unreachable if is_seen else ServerFailed):
        await place.api.list(CONFIG_MAPS)


async def test_a_list_whose_second_page_is_cut_off_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.kube.client.PAGE", 2)
    for number in range(3):
        await place.create(f"settings-{number}")
    asked: list[Call] = []
    place.server.traffic.listener = asked.append
    place.faults.halves = lambda call: call.verb == "list" and len(asked) > 1
    with pytest.raises(Unreachable):
        await place.api.list(CONFIG_MAPS)


async def test_a_server_that_is_busy_is_asked_again_when_it_says_and_told_as_busy_in_the_end(
    place: Place,
) -> None:
    clock = Hurried()
    api = Client(place.transport, clock=clock)
    refusals = [busy(7)]
    place.faults.refuses = lambda call: refusals.pop() if call.verb == "create" and refusals else None
    await api.create(CONFIG_MAPS, "default", config_map(), field_manager="test")
    assert (await place.names(), clock.waits) == (["settings"], [7.0])
    place.faults.refuses = lambda call: busy()
    with pytest.raises(TooManyRequests, match="Too many requests, please try again later"):
        await api.get(CONFIG_MAPS, "default", "settings")


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (answer_of(internal_error("etcdserver: request timed out")), 500, "InternalError"),
        (answer_of(unavailable()), 503, "ServiceUnavailable"),
        (answer_of(timed_out()), 504, "Timeout"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
async def test_a_failing_server_is_told_as_one(
    place: Place, answer: Answer, status: int, reason: str
) -> None:
    place.faults.refuses = lambda call: answer if call.verb in ("create", "list", "watch") else None
    for failing in (
        place.create(),
        place.api.list(CONFIG_MAPS),
        anext(place.api.watch(CONFIG_MAPS, resource_version="1")),
    ):
        with pytest.raises(ServerFailed) as failed:
            await failing
        assert (failed.value.status, failed.value.reason) == (status, reason)


@pytest.mark.parametrize("fault", ["latency", "hang"])
async def test_what_takes_too_long_is_no_answer(place: Place, fault: str) -> None:
    if fault == "hang":
        place.faults.hangs = of("list")
    else:
        place.faults.latency_s = lambda call: 30.0 if call.verb == "list" else 0.0
    with pytest.raises(Unreachable):
        await place.impatient().list(CONFIG_MAPS)


async def test_a_short_latency_only_delays(place: Place) -> None:
    place.faults.latency_s = lambda call: 0.01
    await place.create()
    assert await place.names() == ["settings"]


async def test_a_watch_that_breaks_in_the_middle_of_a_line_tells_nothing_of_it(place: Place) -> None:
    place.faults.halves = of("watch")
    task, came = await following(place, await version(place))
    await place.create()
    with pytest.raises(Unreachable):
        await task
    assert not came.is_set()


async def test_a_watch_breaks_or_ends_as_the_server_has_it(place: Place) -> None:
    task, came = await following(place, await version(place))
    await place.create()
    await until(came.is_set)
    place.server.traffic.break_watches()
    with pytest.raises(Unreachable):
        await task
    task, came = await following(place, "1")
    await until(came.is_set)
    place.server.traffic.end_watches()
    assert [event.change for event in await task] == [Change.ADDED]
    await until(lambda: place.server.traffic.watches == 0)


async def test_a_bookmark_comes_when_it_is_sent(place: Place) -> None:
    task, came = await following(place, await version(place))
    namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    made = await place.api.create(NAMESPACES, "", namespace, field_manager="test")
    place.server.traffic.bookmark()
    await until(came.is_set)
    place.server.traffic.end_watches()
    events = await task
    told = [(event.change, event.object["metadata"]["resourceVersion"]) for event in events]
    assert told == [(Change.BOOKMARK, made["metadata"]["resourceVersion"])]


async def test_an_open_watch_outlives_a_compaction_and_an_older_version_has_expired(place: Place) -> None:
    old = await version(place)
    await place.create("first")
    task, came = await following(place, await version(place))
    namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    await place.api.create(NAMESPACES, "", namespace, field_manager="test")
    place.server.storage.compact()
    with pytest.raises(Expired):
        await anext(place.api.watch(CONFIG_MAPS, resource_version=old))
    await place.create("second")
    await until(came.is_set)
    place.server.traffic.end_watches()
    assert [event.object["metadata"]["name"] for event in await task] == ["second"]


async def test_a_crash_ends_everything_and_what_was_stored_is_served_again(place: Place) -> None:
    await place.api.create(CUSTOM_RESOURCE_DEFINITIONS, "", WIDGET_DEFINITION, field_manager="test")
    await place.api.create(WIDGETS, "default", widget(), field_manager="test")
    old = await version(place)
    await place.create()
    task, _ = await following(place, await version(place))
    place.server.crash()
    with pytest.raises(Unreachable):
        await task
    with pytest.raises(Unreachable):
        await place.create("meanwhile")
    place.server.restart()
    assert await place.names() == ["settings"]
    assert [one["metadata"]["name"] for one in (await place.api.list(WIDGETS)).items] == ["one"]
    with pytest.raises(Expired):
        await anext(place.api.watch(CONFIG_MAPS, resource_version=old))


async def test_a_request_on_its_way_when_the_server_crashes_is_not_answered(place: Place) -> None:
    arrived = asyncio.Event()

    def crashes(call: Call) -> float:
        if call.verb != "create":
            return 0.0
        arrived.set()
        return 0.05

    place.faults.latency_s = crashes
    writing = asyncio.ensure_future(place.create())
    await arrived.wait()
    place.server.restart()
    with pytest.raises(Unreachable):
        await writing
    assert await place.names() == []


async def test_every_request_that_arrives_is_told_with_what_it_supposes(place: Place) -> None:
    calls: list[Call] = []
    place.server.traffic.listener = calls.append
    place.faults.cuts = lambda call: call.verb == "update"
    made = await place.create()
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other"}}'
    await place.api.apply(CONFIG_MAPS, "default", "other", body, field_manager="m", dry_run=True)
    with pytest.raises(Unreachable):
        await place.api.replace(CONFIG_MAPS, "default", made, field_manager="m")
    uid, newest = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    await place.api.delete(CONFIG_MAPS, "default", "settings", uid=uid, resource_version=newest)
    await place.api.read("/version")
    one = "/api/v1/namespaces/default/configmaps"
    common = Call(verb="", user="admin", path=one, resource="configmaps", namespace="default")
    assert calls == [
        replace(common, verb="create", name="settings"),
        replace(common, verb="apply", path=f"{one}/other", name="other", is_dry_run=True),
        replace(
            common, verb="delete", path=f"{one}/settings", name="settings", uid=uid, resource_version=newest
        ),
        Call(verb="get", path="/version", user="admin"),
    ]
    assert [call.is_write for call in calls] == [True, False, True, False]
