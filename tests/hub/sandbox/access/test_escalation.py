"""Nobody grants what they do not hold: the same requests and answers as on a real server."""

from typing import Any

import pytest

from agent.kube.api import Object, Resource
from hub.sandbox.access.escalation import refuse_escalation
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller
from tests.hub.sandbox.access.policies import (
    GROUP,
    StoredPolicies,
    binding,
    known_policies,
    role,
    rule,
    subject,
    urls,
)

_ACCOUNT = "system:serviceaccount:access:"
_WHO = (
    'user "{}" (groups=["system:serviceaccounts" "system:serviceaccounts:access" "system:authenticated"])'
    " is attempting to grant RBAC permissions not currently held:\n"
)
_EDITOR, _IMP = f"{_ACCOUNT}editor", f"{_ACCOUNT}imp"
_C1 = role("access-c1", rule(GROUP, "clusterroles", "get"))


def _write(
    user: str, new: Object, *, old: Object | None = None, extra: tuple[Object, ...] = (), **asked: Any
) -> None:
    groups = ("system:serviceaccounts", "system:serviceaccounts:access", "system:authenticated")
    kind, metadata = new["kind"], new["metadata"]
    namespace, plural = metadata.get("namespace", ""), f"{kind.lower()}s"
    resource = Resource(group=GROUP, version="v1", plural=plural, kind=kind, namespaced=bool(namespace))
    attributes = Attributes(
        verb="update" if old else "create",
        group=GROUP,
        resource=plural,
        namespace=namespace,
        name=metadata["name"] if old else "",
    )
    policies = StoredPolicies((*known_policies().objects, *extra))
    caller = Caller(name=user, groups=asked.get("groups", groups))
    refuse_escalation(policies, caller, attributes, resource, new=new, old=old)


_REFUSED = {
    "rules not held, each said once": (
        _EDITOR,
        role(
            "r2",
            rule("core", "nodes secrets", "get list"),
            rule("x.io", "a b", "get watch", names="n m"),
            urls("/zz", "get"),
            namespace="access",
        ),
        'roles.rbac.authorization.k8s.io "r2" is forbidden: '
        + _WHO.format(_EDITOR)
        + '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}\n'
        '{APIGroups:["x.io"], Resources:["a"], ResourceNames:["m"], Verbs:["get" "watch"]}\n'
        '{APIGroups:["x.io"], Resources:["a"], ResourceNames:["n"], Verbs:["get" "watch"]}\n'
        '{APIGroups:["x.io"], Resources:["b"], ResourceNames:["m"], Verbs:["get" "watch"]}\n'
        '{APIGroups:["x.io"], Resources:["b"], ResourceNames:["n"], Verbs:["get" "watch"]}\n'
        '{NonResourceURLs:["/zz"], Verbs:["get"]}',
    ),
    "everything": (
        _EDITOR,
        role("r2", rule("*", "*", "*"), namespace="access"),
        'roles.rbac.authorization.k8s.io "r2" is forbidden: '
        + _WHO.format(_EDITOR)
        + '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
    ),
    "a binding to a greater role": (
        _EDITOR,
        binding("b2", "ClusterRole/cluster-admin", namespace="access"),
        'rolebindings.rbac.authorization.k8s.io "b2" is forbidden: '
        + _WHO.format(_EDITOR)
        + '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}',
    ),
    "a binding to no ClusterRole": (
        _EDITOR,
        binding("b2", "ClusterRole/nope", namespace="access"),
        'rolebindings.rbac.authorization.k8s.io "nope" not found',
    ),
    "a binding to no Role": (
        _EDITOR,
        binding("b2", "Role/nope", namespace="access"),
        'rolebindings.rbac.authorization.k8s.io "nope" not found',
    ),
    "a role that gathers": (
        _IMP,
        role("access-agg", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"acc": "yes"}}]}),
        'clusterroles.rbac.authorization.k8s.io "access-agg" is forbidden: '
        "must have cluster-admin privileges to use the aggregationRule",
    ),
}


@pytest.mark.parametrize(("user", "new", "message"), _REFUSED.values(), ids=_REFUSED)
def test_a_grant_beyond_ones_own_is_refused(user: str, new: Object, message: str) -> None:
    with pytest.raises(Refused) as caught:
        _write(user, new)
    assert caught.value.message == message


def test_a_change_is_held_to_the_same_rule() -> None:
    with pytest.raises(Refused) as caught:
        _write(_IMP, role("access-c1", rule(GROUP, "clusterroles", "watch")), old=_C1)
    assert caught.value.message == (
        'clusterroles.rbac.authorization.k8s.io "access-c1" is forbidden: '
        + _WHO.format(_IMP)
        + '{APIGroups:["rbac.authorization.k8s.io"], Resources:["clusterroles"], Verbs:["watch"]}'
    )
    assert caught.value.status["details"] == {"name": "access-c1", "group": GROUP, "kind": "clusterroles"}


_ALLOWED = {
    "rules that are held": (_EDITOR, role("r1", rule("core", "configmaps", "get"), namespace="access")),
    "a binding to a role that is held": (_EDITOR, binding("b1", "ClusterRole/view", namespace="access")),
    "a ClusterRole that is held": (_IMP, _C1),
}


@pytest.mark.parametrize(("user", "new"), _ALLOWED.values(), ids=_ALLOWED)
def test_what_is_held_may_be_granted(user: str, new: Object) -> None:
    _write(user, new)


def test_masters_may_grant_anything() -> None:
    _write("root", role("all", rule("*", "*", "*")), groups=("system:masters",))


def test_who_may_escalate_or_bind_by_name_may_grant_more() -> None:
    up = role(
        "access-up",
        rule(GROUP, "clusterroles", "bind", names="view"),
        rule(GROUP, "clusterroles", "escalate", names="access-c1"),
    )
    extra = (up, binding("access-up", "ClusterRole/access-up", subject("ServiceAccount", "imp", "access")))
    _write(_IMP, binding("access-b2", "ClusterRole/view"), extra=extra)
    _write(_IMP, role("access-c1", rule(GROUP, "clusterroles", "watch")), old=_C1, extra=extra)
    with pytest.raises(Refused):
        _write(_IMP, binding("access-b2", "ClusterRole/edit"), extra=extra)
    with pytest.raises(Refused):
        _write(_IMP, role("access-c2", rule(GROUP, "clusterroles", "watch")), extra=extra)


def test_a_finalizer_may_leave_a_role_that_is_beyond_ones_own() -> None:
    great = role("great", rule("*", "*", "*"))
    held = {**great, "metadata": {**great["metadata"], "finalizers": ["x/y"]}}
    _write(_IMP, great, old=held)
    labelled = {**great, "metadata": {**great["metadata"], "labels": {"a": "b"}}}
    with pytest.raises(Refused):
        _write(_IMP, labelled, old=held)


def test_a_right_to_one_object_is_none_to_all() -> None:
    held = role("held", rule("core", "secrets", "get", names="one"), rule(GROUP, "clusterroles", "create"))
    extra = (held, binding("held", "ClusterRole/held", subject("User", "few")))
    _write("few", role("r", rule("core", "secrets", "get", names="one")), extra=extra)
    for wider in (rule("core", "secrets", "get"), rule("core", "secrets", "get", names="one two")):
        with pytest.raises(Refused, match="permissions not currently held"):
            _write("few", role("r", wider), extra=extra)
