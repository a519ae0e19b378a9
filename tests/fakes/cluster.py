"""A cluster of a test: an API server in memory (`hub/sandbox`) with what a test does there beside the program under test.

    cluster = Cluster(FakeClock())
    cluster.add_namespace("apps")
    api = cluster.api("agent")                    # the client of production, for a user who may do everything
    cluster.create(CONFIG_MAPS, "apps", value)    # done at once, by somebody whom nobody logs and nothing disturbs

State: the server's, and the requests of all users in `calls`.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from agent.kit.clock import Clock, SystemClock
from agent.kube.api import Resource
from agent.kube.client import Client
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from hub.crds import packaged
from hub.sandbox.calls import Call
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.faults import Faults
from hub.sandbox.local import LocalTransport
from hub.sandbox.server import Server, random_id
from hub.sandbox.storage import Storage
from hub.sandbox.traffic import Interference
from hub.sandbox.wire import Caller
from tests.fakes.clock import START
from tests.fakes.hands import TOKEN, Hands

_RBAC = "rbac.authorization.k8s.io"
_ROLES = Resource(group=_RBAC, version="v1", plural="roles", kind="Role", namespaced=True)
_BINDINGS = Resource(group=_RBAC, version="v1", plural="rolebindings", kind="RoleBinding", namespaced=True)


class Undisturbed:
    """Interference that does nothing yet."""

    async def before(self, call: Call) -> Any:
        """Let the request through."""

    async def after(self, call: Call, answer: Any) -> Any:
        """Let the answer through."""
        return answer


class Cluster(Hands):
    """One server. `network` is its interference to begin with."""

    def __init__(
        self, clock: Clock, *, with_kinds: bool = False, new_id: Callable[[], str] = random_id
    ) -> None:
        self.clock = clock
        self._tokens = {TOKEN: admin()}
        storage = _beginning(with_kinds=with_kinds).copy()
        self.server = Server(clock, self._tokens, storage=storage, new_id=new_id)
        self.calls: list[Call] = []
        self.server.traffic.listener = self.calls.append
        self.network = Faults(clock)
        self.interference = self.network
        super().__init__(self.server, clock)

    @property
    def interference(self) -> Interference | None:
        return self.server.traffic.interference

    @interference.setter
    def interference(self, between: Interference | None) -> None:
        self.server.traffic.interference = between

    def api(self, user: str = "admin") -> Client:
        """Return the client of a user, who may do everything unless restricted."""
        self._tokens.setdefault(user, Caller(name=user, groups=admin().groups))
        return Client(LocalTransport(self.server, user), clock=self.clock)

    def restrict(self, user: str, namespace: str) -> Client:
        """Return the client of a user who may do everything in one namespace and nothing elsewhere."""
        self._tokens[user] = Caller(name=user)
        rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        subject = {"kind": "User", "apiGroup": _RBAC, "name": user}
        reference = {"kind": "Role", "apiGroup": _RBAC, "name": user}
        head = {"apiVersion": f"{_RBAC}/v1", "metadata": {"name": user}}
        self.create(_ROLES, namespace, head | {"kind": "Role", "rules": rules})
        self.create(
            _BINDINGS, namespace, head | {"kind": "RoleBinding", "subjects": [subject], "roleRef": reference}
        )
        return self.api(user)

    @property
    def writes(self) -> list[Call]:
        """Return the requests that could change something, in order."""
        return [call for call in self.calls if call.is_write]

    def compact(self) -> None:
        """Forget the history: whoever watches on from an older resourceVersion is told Expired."""
        self.server.storage.compact()

    def end_watches(self) -> None:
        """End all open watches in good order."""
        self.server.traffic.end_watches()

    def break_watches(self) -> None:
        """Break the connections of all open watches."""
        self.server.traffic.break_watches()

    def bookmark(self) -> None:
        """Send a bookmark on all open watches."""
        self.server.traffic.bookmark()

    def kind(self, api_version: str, kind: str) -> Resource:
        """Return a kind that is served."""
        found = self.find_kind(api_version, kind)
        assert found is not None
        return found

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return a kind, None when it is not served."""
        group, _, version = api_version.rpartition("/")
        served = (one.resource for one in self.server.kinds.of(group, version))
        return next((one for one in served if one.kind == kind), None)

    def newest_kind(self, group: str, kind: str) -> Resource:
        """Return a kind in the version that its group prefers."""
        versions = self.server.kinds.versions(group) if group else ("v1",)
        return self.kind(f"{group}/{versions[0]}".lstrip("/"), kind)

    @property
    def resources(self) -> list[Resource]:
        """Return all kinds of which there are objects, or were."""
        found = (self.server.kinds.any_of(*kind) for kind in self.server.storage.kinds)
        return [one.resource for one in found if one is not None]

    def add_namespace(self, name: str) -> None:
        """Have a namespace there."""
        self.create(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@cache
def _beginning(*, with_kinds: bool) -> Storage:
    """Return what every cluster of a test holds when it begins; made once."""
    clock = _FirstMoment()
    server = new_cluster(clock, {TOKEN: admin()})
    if with_kinds:
        hands = Hands(server, clock)
        for one in packaged():
            hands.create(CUSTOM_RESOURCE_DEFINITIONS, "", one, manager="setup")
    return server.storage


class _FirstMoment(SystemClock):
    """The time at which all clusters of tests have been made."""

    def now(self) -> datetime:
        return START
