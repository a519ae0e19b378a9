"""Tokens of ServiceAccounts: what a real server writes into them, and what it says of one that is no longer good."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller
from tests.hub.sandbox.access.cluster import Cluster

_API = "https://kubernetes.default.svc"
_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:access", "system:authenticated")


def _claims(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _bound(kind: str, name: str, **more: str) -> dict[str, str]:
    return {"kind": kind, "apiVersion": "v1", "name": name, **more}


_OTHER_UID = (
    "the UID in the bound object reference (x) does not match the UID in record. "
    "The object might have been deleted and then recreated"
)


def test_a_token_request_is_answered_with_defaults_and_the_token() -> None:
    answer = Cluster().request()
    assert answer["metadata"] == {
        "name": "plain",
        "namespace": "access",
        "uid": "u1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    assert answer["spec"] == {"audiences": [_API], "expirationSeconds": 3600, "boundObjectRef": None}
    assert answer["status"]["expirationTimestamp"] == "2026-01-01T01:00:00Z"


def test_the_claims_are_the_real_servers() -> None:
    claims = _claims(Cluster().token())
    issued = 1767225600
    assert claims == {
        "aud": [_API],
        "exp": issued + 3600,
        "iat": issued,
        "iss": _API,
        "jti": "a0",
        "kubernetes.io": {"namespace": "access", "serviceaccount": {"name": "plain", "uid": "u1"}},
        "nbf": issued,
        "sub": "system:serviceaccount:access:plain",
    }
    assert list(claims) == sorted(claims)


def test_the_token_of_a_pod_tells_where_it_runs() -> None:
    cluster = Cluster()
    token = cluster.token(boundObjectRef=_bound("Pod", "p1"))
    assert _claims(token)["kubernetes.io"] == {
        "namespace": "access",
        "node": {"name": "n1", "uid": "u3"},
        "pod": {"name": "p1", "uid": "u4"},
        "serviceaccount": {"name": "plain", "uid": "u1"},
    }
    assert cluster.identities.authenticate(token).caller.extra == {
        "authentication.kubernetes.io/credential-id": ("JTI=a0",),
        "authentication.kubernetes.io/pod-name": ("p1",),
        "authentication.kubernetes.io/pod-uid": ("u4",),
        "authentication.kubernetes.io/node-name": ("n1",),
        "authentication.kubernetes.io/node-uid": ("u3",),
    }


_REFUSED = {
    "too short": (
        {"expirationSeconds": 599},
        {},
        422,
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: '
        "may not specify a duration less than 10 minutes",
    ),
    "too long": (
        {"expirationSeconds": 4294967297},
        {},
        422,
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: '
        "may not specify a duration larger than 2^32 seconds",
    ),
    "another name": (
        {},
        {"name": "other"},
        422,
        'TokenRequest.authentication.k8s.io "plain" is invalid: metadata.name: Invalid value: "other": '
        "must match the service account name if specified",
    ),
    "another namespace": (
        {},
        {"namespace": "other"},
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "another uid": (
        {},
        {"uid": "7"},
        409,
        'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "plain": '
        "the UID in the token request (7) does not match the UID of the service account (u1)",
    ),
    "no such Pod": ({"boundObjectRef": _bound("Pod", "nope")}, {}, 404, 'pods "nope" not found'),
    "no such Secret": ({"boundObjectRef": _bound("Secret", "nope")}, {}, 404, 'secrets "nope" not found'),
    "another Pod of the name": (
        {"boundObjectRef": _bound("Pod", "p1", uid="x")},
        {},
        409,
        f'Operation cannot be fulfilled on Pod "p1": {_OTHER_UID}',
    ),
    "a Pod of another account": (
        {"boundObjectRef": _bound("Pod", "p2")},
        {},
        400,
        'cannot bind token for serviceaccount "plain" to pod running with different serviceaccount name.',
    ),
    "a ConfigMap": (
        {"boundObjectRef": _bound("ConfigMap", "nope")},
        {},
        400,
        "cannot bind token to object of type /v1, Kind=ConfigMap",
    ),
}


@pytest.mark.parametrize(("spec", "metadata", "code", "message"), _REFUSED.values(), ids=_REFUSED)
def test_a_request_that_cannot_be_met_is_refused(
    spec: dict[str, Any], metadata: dict[str, str], code: int, message: str
) -> None:
    with pytest.raises(Refused) as caught:
        Cluster().request(metadata=metadata, **spec)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_a_token_of_no_account_is_not_made() -> None:
    with pytest.raises(Refused, match='serviceaccounts "nope" not found'):
        Cluster().request(name="nope")


def test_an_account_comes_with_its_groups() -> None:
    cluster = Cluster()
    caller = cluster.identities.caller_of({"authorization": f"Bearer {cluster.token()}"})
    assert (caller.name, caller.uid, caller.groups) == ("system:serviceaccount:access:plain", "u1", _GROUPS)


def test_a_fixed_token_is_its_holders() -> None:
    caller = Cluster().identities.caller_of({"authorization": "bearer root"})
    assert caller == Caller(name="admin", uid="admin", groups=("cartwheel:admins", "system:authenticated"))


@pytest.mark.parametrize("header", ["", "Bearer", "Basic eDp5", "Bearer  root"], ids=repr)
def test_who_brings_no_token_is_a_stranger(header: str) -> None:
    caller = Cluster().identities.caller_of({"authorization": header})
    assert caller == Caller(name="system:anonymous", groups=("system:unauthenticated",))


def test_a_token_that_is_not_good_is_refused_without_a_reason() -> None:
    with pytest.raises(Refused) as caught:
        Cluster().identities.caller_of({"authorization": "Bearer x"})
    assert caught.value.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


def test_a_token_ends_a_minute_after_its_time() -> None:
    cluster = Cluster()
    token = cluster.token()
    cluster.clock.time += timedelta(seconds=3660)
    cluster.identities.authenticate(token)
    cluster.clock.time += timedelta(seconds=1)
    assert cluster.said_of(token) == "[invalid bearer token, service account token has expired]"


def test_a_token_ends_with_its_account() -> None:
    cluster = Cluster()
    token = cluster.token()
    cluster.add("serviceaccounts", "plain", uid="u9")
    assert (
        cluster.said_of(token) == "[invalid bearer token, service account UID (u9) does not match claim (u1)]"
    )
    del cluster.objects["serviceaccounts", "access", "plain"]
    assert cluster.said_of(token) == '[invalid bearer token, serviceaccounts "plain" not found]'


@pytest.mark.parametrize(("kind", "plural", "name"), [("Secret", "secrets", "bound"), ("Pod", "pods", "p1")])
def test_a_token_ends_with_what_it_is_bound_to(kind: str, plural: str, name: str) -> None:
    cluster = Cluster()
    token = cluster.token(boundObjectRef=_bound(kind, name))
    held = cluster.objects[plural, "access", name]
    cluster.objects[plural, "access", name] = {**held, "metadata": {**held["metadata"], "uid": "u9"}}
    assert (
        f"{kind.lower()} UID (u9) does not match service account {kind.lower()} ref claim"
        in cluster.said_of(token)
    )
    del cluster.objects[plural, "access", name]
    assert cluster.said_of(token) == "[invalid bearer token, service account token has been invalidated]"


def test_a_token_is_good_for_its_audiences_only() -> None:
    cluster = Cluster()
    token = cluster.token(audiences=["vault", "other"])
    assert cluster.identities.authenticate(token, ("vault",)).audiences == ("vault",)
    assert cluster.said_of(token) == (
        '[invalid bearer token, token audiences ["vault" "other"] is invalid for the target audiences '
        '["https://kubernetes.default.svc"]]'
    )


def test_a_token_of_another_cluster_is_none_of_this() -> None:
    assert Cluster().said_of(Cluster("b").token()) == (
        "[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]"
    )


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "e30.e30.AAAA", "é.ü.ß"])
def test_what_is_no_account_token_is_unknown(token: str) -> None:
    assert Cluster().said_of(token) == "invalid bearer token"


def test_a_changed_token_is_seen() -> None:
    cluster = Cluster()
    head, body, signature = cluster.token().split(".")
    changed = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(body + "==").replace(b"plain", b"other")
    ).decode()
    for token in (f"{head}.{changed.rstrip('=')}.{signature}", f"{head}.{body}.AAAA", f"{head}.{body}."):
        assert "error in cryptographic primitive" in cluster.said_of(token)


def test_the_same_cluster_played_again_has_the_same_tokens() -> None:
    assert Cluster().token() == Cluster().token()


def test_the_token_of_a_pod_outlives_its_node_but_not_the_other_way_round() -> None:
    cluster = Cluster()
    of_pod = cluster.token(boundObjectRef=_bound("Pod", "p1"))
    of_node = cluster.token(boundObjectRef=_bound("Node", "n1"))
    cluster.identities.authenticate(of_node)
    del cluster.objects["nodes", "", "n1"]
    cluster.identities.authenticate(of_pod)
    assert cluster.said_of(of_node) == "[invalid bearer token, service account token has been invalidated]"


def test_the_node_of_a_pod_need_not_exist() -> None:
    cluster = Cluster()
    del cluster.objects["nodes", "", "n1"]
    token = cluster.token(boundObjectRef=_bound("Pod", "p1"))
    assert _claims(token)["kubernetes.io"]["node"] == {"name": "n1"}
    extra = cluster.identities.authenticate(token).caller.extra
    assert extra["authentication.kubernetes.io/node-name"] == ("n1",)
    assert "authentication.kubernetes.io/node-uid" not in extra


@pytest.mark.parametrize(
    ("plural", "name", "said"),
    [
        ("serviceaccounts", "plain", "service account access/plain has been deleted"),
        ("secrets", "bound", "service account token has been invalidated"),
    ],
)
def test_what_is_on_its_way_out_ends_a_token_after_a_minute(plural: str, name: str, said: str) -> None:
    cluster = Cluster()
    token = cluster.token(boundObjectRef=_bound("Secret", "bound"))
    cluster.objects[plural, "access", name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.clock.time += timedelta(seconds=60)
    cluster.identities.authenticate(token)
    cluster.clock.time += timedelta(seconds=1)
    assert cluster.said_of(token) == f"[invalid bearer token, {said}]"


def test_a_token_of_the_future_is_not_valid_yet() -> None:
    cluster = Cluster()
    token = cluster.token()
    cluster.clock.time -= timedelta(seconds=61)
    assert cluster.said_of(token) == "[invalid bearer token, service account token is not valid yet]"


def test_a_closed_cluster_knows_no_strangers() -> None:
    closed = replace(Cluster().identities, is_open_to_strangers=False)
    with pytest.raises(Refused, match="Unauthorized"):
        closed.caller_of({})
