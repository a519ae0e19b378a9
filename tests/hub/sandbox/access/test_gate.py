"""A request passes the gate of a cluster: who sends it, as whom, and whether that one may."""

from itertools import count

import pytest

from agent.kube.api import Resource
from hub.sandbox.access.gate import Gate
from hub.sandbox.access.rbac import GROUP
from hub.sandbox.access.request_info import attributes_of
from hub.sandbox.refusals import Refused
from hub.sandbox.storage import Storage
from hub.sandbox.wire import Caller, Request
from tests.hub.sandbox.access.cluster import Clock
from tests.hub.sandbox.access.policies import known_policies, role, rule

_ROOT = Caller(name="root", groups=("system:masters",))
_ACCOUNT = {"metadata": {"name": "plain", "namespace": "access", "uid": "u1"}}


@pytest.fixture
def gate() -> Gate:
    storage = Storage()
    for one in known_policies().objects:
        place = (one["metadata"].get("namespace", ""), one["metadata"]["name"])
        storage.put((GROUP, f"{one['kind'].lower()}s"), place, one)
    storage.put(("", "serviceaccounts"), ("access", "plain"), _ACCOUNT)
    ids = count()
    return Gate(storage, clock=Clock(), fixed={"root": _ROOT}, new_id=lambda: f"id-{next(ids)}")


def _admitted(gate: Gate, path: str, **headers: str) -> str:
    request = Request(method="GET", path=path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    caller = gate.identities.caller_of(request.headers)
    return gate.admit(caller, request.headers, attributes_of(request)).name


_CONFIGMAPS = "/api/v1/namespaces/access/configmaps"


def test_an_account_passes_with_its_token(gate: Gate) -> None:
    token = gate.token_request({}, "access", "plain")["status"]["token"]
    assert (
        _admitted(gate, _CONFIGMAPS, authorization=f"Bearer {token}") == "system:serviceaccount:access:plain"
    )
    with pytest.raises(Refused, match='cannot list resource "pods"'):
        _admitted(gate, "/api/v1/namespaces/access/pods", authorization=f"Bearer {token}")
    status = gate.reviewer.token({"spec": {"token": token}})["status"]
    assert status["user"]["username"] == "system:serviceaccount:access:plain"


def test_a_stranger_sees_the_version_only(gate: Gate) -> None:
    assert _admitted(gate, "/version") == "system:anonymous"
    with pytest.raises(Refused, match='forbidden: User "system:anonymous" cannot get path "/apis"'):
        _admitted(gate, "/apis")


def test_who_acts_as_somebody_may_what_that_one_may(gate: Gate) -> None:
    as_bob = {"authorization": "Bearer root", "impersonate_user": "access-bob"}
    assert _admitted(gate, _CONFIGMAPS, **as_bob) == "access-bob"
    with pytest.raises(Refused, match='User "access-bob" cannot list resource "nodes"'):
        _admitted(gate, "/api/v1/nodes", **as_bob)
    assert _admitted(gate, "/api/v1/nodes", authorization="Bearer root") == "root"


def test_a_role_beyond_ones_own_is_guarded(gate: Gate) -> None:
    roles = Resource(group=GROUP, version="v1", plural="clusterroles", kind="ClusterRole", namespaced=False)
    asked = attributes_of(Request(method="POST", path=f"/apis/{GROUP}/v1/clusterroles"))
    great = role("great", rule("*", "*", "*"))
    with pytest.raises(Refused, match="permissions not currently held"):
        gate.guard(Caller(name="access-bob"), asked, roles, new=great, old=None)
    gate.guard(_ROOT, asked, roles, new=great, old=None)
