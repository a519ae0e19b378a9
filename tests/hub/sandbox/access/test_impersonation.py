"""Acting as somebody else, in the words of a real server to the same requests."""

from collections.abc import Mapping
from functools import partial

import pytest

from hub.sandbox.access.impersonation import Impersonator, wanted_by
from hub.sandbox.access.rbac import authorize
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller
from tests.hub.sandbox.access.policies import (
    StoredPolicies,
    binding,
    known_policies,
    role,
    rule,
    subject,
)

_ACCOUNT = "system:serviceaccount:access:"
_LIST = Attributes(verb="list", resource="configmaps", namespace="access")
_ZZZ = Attributes(verb="get", path="/zzz", is_resource=False)


def _impersonator(*more: dict[str, object]) -> Impersonator:
    return Impersonator(authorize=partial(authorize, StoredPolicies((*known_policies().objects, *more))))


def _become(
    by: str, headers: Mapping[str, str], *, asked: Attributes = _LIST, who: Impersonator | None = None
) -> Caller:
    named = {f"impersonate-{name}": value for name, value in headers.items()}
    wanted = wanted_by(named)
    assert wanted is not None
    return (who or _impersonator()).become(Caller(name=f"{_ACCOUNT}{by}"), wanted, asked)


_REFUSED = {
    "a user, who may nothing": (
        "plain",
        _LIST,
        {"user": "x"},
        'configmaps is forbidden: User "system:serviceaccount:access:plain" cannot impersonate-on:user-info:list resource '
        '"configmaps" in API group "" in the namespace "access"',
    ),
    "a user at a path": (
        "plain",
        _ZZZ,
        {"user": "x"},
        'forbidden: User "system:serviceaccount:access:plain" cannot impersonate-on:user-info:get path "/zzz"',
    ),
    "an account": (
        "plain",
        _LIST,
        {"user": "system:serviceaccount:access:plain"},
        'configmaps is forbidden: User "system:serviceaccount:access:plain" cannot impersonate-on:serviceaccount:list '
        'resource "configmaps" in API group "" in the namespace "access"',
    ),
    "a node": (
        "plain",
        _LIST,
        {"user": "system:node:n1"},
        'configmaps is forbidden: User "system:serviceaccount:access:plain" cannot impersonate-on:arbitrary-node:list '
        'resource "configmaps" in API group "" in the namespace "access"',
    ),
}


@pytest.mark.parametrize(("by", "asked", "headers", "message"), _REFUSED.values(), ids=_REFUSED)
def test_who_may_not_is_told_the_first_way_that_failed(
    by: str, asked: Attributes, headers: dict[str, str], message: str
) -> None:
    with pytest.raises(Refused) as caught:
        _become(by, headers, asked=asked)
    assert (caught.value.code, caught.value.message) == (403, message)


_AFTER = {
    "a group": (
        {"group": "g"},
        'groups "g" is forbidden: User "system:serviceaccount:access:imp" cannot impersonate resource "groups" '
        'in API group "" at the cluster scope',
    ),
    "one of two groups": (
        {"group": "access-team\ng"},
        'groups "g" is forbidden: User "system:serviceaccount:access:imp" cannot impersonate resource "groups" '
        'in API group "" at the cluster scope',
    ),
    "a uid": (
        {"uid": "7"},
        'uids.authentication.k8s.io "7" is forbidden: User "system:serviceaccount:access:imp" cannot impersonate resource '
        '"uids" in API group "authentication.k8s.io" at the cluster scope',
    ),
    "an extra": (
        {"extra-scopes": "b"},
        'userextras.authentication.k8s.io "b" is forbidden: User "system:serviceaccount:access:imp" cannot impersonate '
        'resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope',
    ),
}


@pytest.mark.parametrize(("headers", "message"), _AFTER.values(), ids=_AFTER)
def test_the_way_that_last_worked_is_tried_first(headers: dict[str, str], message: str) -> None:
    who = _impersonator()
    _become("imp", {"user": "access-bob"}, who=who)
    with pytest.raises(Refused) as caught:
        _become("imp", {"user": "access-bob", **headers}, who=who)
    assert caught.value.message == message


def test_whom_one_becomes_is_authenticated() -> None:
    bob = _become("imp", {"user": "access-bob", "extra-scopes": "a", "group": "access-team"})
    assert bob == Caller(
        name="access-bob", groups=("access-team", "system:authenticated"), extra={"scopes": ("a",)}
    )


def test_an_account_has_its_groups() -> None:
    groups = ("system:serviceaccounts", "system:serviceaccounts:access", "system:authenticated")
    name = "system:serviceaccount:access:plain"
    assert _become("imp", {"user": name}) == Caller(name=name, groups=groups)


def test_a_narrow_way_allows_one_kind_of_request_only() -> None:
    narrow = role(
        "narrow",
        rule("authentication.k8s.io", "users", "impersonate:user-info"),
        rule("core", "configmaps", "impersonate-on:user-info:list"),
    )
    who = _impersonator(
        narrow, binding("n", "ClusterRole/narrow", subject("ServiceAccount", "plain", "access"))
    )
    assert _become("plain", {"user": "x"}, who=who).groups == ("system:authenticated",)
    with pytest.raises(Refused, match="cannot impersonate-on:user-info:get path"):
        _become("plain", {"user": "x"}, who=who, asked=_ZZZ)
    with pytest.raises(Refused, match=r"impersonating the system:masters group is not allowed"):
        _become("plain", {"user": "x", "group": "system:masters"}, who=who)


_IN_GO = "requested &user.DefaultInfo{{{}}} without impersonating a user name"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        (
            {"impersonate-group": "x"},
            'Name:"", UID:"", Groups:[]string{"x"}, Extra:map[string][]string(nil)',
        ),
        (
            {"impersonate-uid": "x", "impersonate-extra-ab%2fc": "x"},
            'Name:"", UID:"x", Groups:[]string(nil), Extra:map[string][]string{"ab/c":[]string{"x"}}',
        ),
    ],
    ids=["a group", "a uid and an extra"],
)
def test_nobody_in_particular_cannot_be_impersonated(headers: dict[str, str], shown: str) -> None:
    with pytest.raises(Refused) as caught:
        wanted_by(headers)
    assert (caught.value.code, caught.value.message) == (400, _IN_GO.format(shown))


def test_without_headers_one_stays_who_one_is() -> None:
    assert wanted_by({"authorization": "Bearer x"}) is None


def test_a_stranger_is_nobodys_authenticated() -> None:
    root = Caller(name="root", groups=("system:masters",))
    for name, group in (("system:anonymous", "system:unauthenticated"), ("x", "system:authenticated")):
        assert _impersonator().become(root, Caller(name=name), _LIST).groups == (group,)
