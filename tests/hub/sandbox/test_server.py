"""The server in memory does what Cartwheel relies on of any API server."""

import itertools

import pytest

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from agent.kube.client import Client
from agent.kube.discovery import Discovery
from agent.kube.errors import ServerFailed
from agent.kube.resources import CONFIG_MAPS, NAMESPACES
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.local import LocalTransport
from hub.sandbox.server import Server
from hub.sandbox.wire import Caller
from tests.fakes.clock import FakeClock, in_virtual_time
from tests.fakes.contract import ApiServerContract, World

_NUMBERS = itertools.count()


def client(server: Server, clock: Clock, token: str = "secret") -> Client:
    return Client(LocalTransport(server, token), clock=clock)


@pytest.fixture
async def world() -> World:
    clock = FakeClock()
    server = new_cluster(clock, {"secret": admin(), "guest": Caller(name="guest")})
    api = client(server, clock)
    namespace = f"contract-{next(_NUMBERS)}"
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await api.create(NAMESPACES, "", place, field_manager="contract")
    for resource, value in guest_rights(namespace):
        await api.create(resource, namespace, value, field_manager="contract")
    return World(
        api=api,
        restricted=client(server, clock, "guest"),
        namespace=namespace,
        discovery=Discovery(api, clock=clock),
    )


def guest_rights(namespace: str) -> list[tuple[Resource, Object]]:
    """Return what lets the guest do everything in a namespace."""
    group = "rbac.authorization.k8s.io"
    roles = Resource(group=group, version="v1", plural="roles", kind="Role", namespaced=True)
    bindings = Resource(group=group, version="v1", plural="rolebindings", kind="RoleBinding", namespaced=True)
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": "guest"}}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    subject = {"kind": "User", "apiGroup": group, "name": "guest"}
    reference = {"kind": "Role", "apiGroup": group, "name": "guest"}
    return [
        (roles, head | {"kind": "Role", "rules": rules}),
        (bindings, head | {"kind": "RoleBinding", "subjects": [subject], "roleRef": reference}),
    ]


class TestSandbox(ApiServerContract):
    pass


@pytest.mark.parametrize(
    ("plural", "kind"), [("resourcequotas", "ResourceQuota"), ("limitranges", "LimitRange")]
)
async def test_what_nobody_would_act_by_is_refused_and_lists_are_empty(plural: str, kind: str) -> None:
    clock = FakeClock()
    api = client(new_cluster(clock, {"secret": admin()}), clock)
    resource = Resource(group="", version="v1", plural=plural, kind=kind, namespaced=True)
    value = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "most"}, "spec": {}}
    with pytest.raises(ServerFailed, match="does not exist in the sandbox"):
        await api.create(resource, "default", value, field_manager="test")
    assert (await api.list(resource, "default")).items == []


@in_virtual_time
async def test_with_the_same_ids_the_same_requests_make_the_same_cluster() -> None:
    found = []
    for _ in range(2):
        ids = (f"id-{number}" for number in itertools.count())
        clock = FakeClock()
        server = new_cluster(clock, {"secret": admin()}, new_id=ids.__next__)
        generated = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "settings-"}}
        made = await client(server, clock).create(CONFIG_MAPS, "default", generated, field_manager="test")
        assert made["metadata"]["name"] != "settings-"
        found.append({kind: server.storage.all(kind) for kind in server.storage.kinds})
    assert found[0] == found[1]
