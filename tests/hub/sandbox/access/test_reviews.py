"""Reviews, held to what a real server answered to the same bodies."""

from functools import partial
from typing import Any

import pytest

from agent.kube.api import Object
from hub.sandbox.access.rbac import authorize
from hub.sandbox.access.reviews import Reviewer, self_subject
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller
from tests.hub.sandbox.access.cluster import Cluster
from tests.hub.sandbox.access.policies import known_policies

_GET = {"namespace": "access", "verb": "get", "resource": "configmaps"}
_BOTH = {
    "resourceAttributes": {"verb": "get", "resource": "pods"},
    "nonResourceAttributes": {"path": "/x", "verb": "get"},
}
_NEITHER = "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
_BY_READERS = 'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"'


@pytest.fixture
def reviewer() -> Reviewer:
    policies = known_policies()
    return Reviewer(
        policies=policies, authorize=partial(authorize, policies), identities=Cluster().identities
    )


_STATUSES = {
    "allowed": (
        {"user": "access-bob", "groups": ["a"], "resourceAttributes": _GET},
        {"allowed": True, "reason": _BY_READERS},
    ),
    "not allowed": ({"user": "nobody", "resourceAttributes": _GET}, {"allowed": False}),
    "by no roles": (
        {"user": "access-lost", "resourceAttributes": _GET},
        {
            "allowed": False,
            "reason": 'RBAC: [clusterrole.rbac.authorization.k8s.io "access-missing" not found, '
            'role.rbac.authorization.k8s.io "missing" not found]',
        },
    ),
    "masters": ({"groups": ["system:masters"], "resourceAttributes": _GET}, {"allowed": True}),
    "a path": (
        {"groups": ["access-ops"], "nonResourceAttributes": {"path": "/logs/a", "verb": "get"}},
        {
            "allowed": True,
            "reason": 'RBAC: allowed by ClusterRoleBinding "access-urls" of ClusterRole "access-urls" to Group "access-ops"',
        },
    ),
}


@pytest.mark.parametrize(("spec", "status"), _STATUSES.values(), ids=_STATUSES)
def test_a_review_says_whether_and_why(reviewer: Reviewer, spec: Object, status: Object) -> None:
    body = {"spec": spec}
    assert reviewer.subject_access(body) == {"metadata": {}, "spec": spec, "status": status}
    assert body == {"spec": spec}


_INVALID = {
    "nothing": (
        {},
        f'[{_NEITHER}, spec.user: Invalid value: "": at least one of user or group must be specified]',
    ),
    "metadata": (
        {"metadata": {"name": "x"}, "spec": {"user": "u", "resourceAttributes": {"verb": "get"}}},
        'metadata: Invalid value: {"name":"x"}: must be empty',
    ),
    "metadata in another order": (
        {
            "metadata": {"managedFields": [], "labels": {"a": "b"}, "name": "x"},
            "spec": {"user": "u", "resourceAttributes": {"verb": "get"}},
        },
        'metadata: Invalid value: {"name":"x","labels":{"a":"b"},"managedFields":[]}: must be empty',
    ),
    "both": (
        {"spec": {"user": "u", **_BOTH}},
        'spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":"get"}: '
        "cannot be specified in combination with resourceAttributes",
    ),
}


@pytest.mark.parametrize(("body", "why"), _INVALID.values(), ids=_INVALID)
def test_a_review_of_nothing_is_invalid(reviewer: Reviewer, body: Object, why: str) -> None:
    with pytest.raises(Refused) as caught:
        reviewer.subject_access(body)
    assert caught.value.message == f'.authorization.k8s.io "" is invalid: {why}'
    assert set(caught.value.status["details"]) == {"group", "causes"}


_AT = "spec.resourceAttributes"
_SELECTORS = {
    "no fields": (
        {"fieldSelector": {}},
        f".fieldSelector.requirements: Required value: when {_AT}.fieldSelector is specified, requirements or rawSelector is required",
    ),
    "fields said twice": (
        {
            "fieldSelector": {
                "rawSelector": "a=b",
                "requirements": [{"key": "a", "operator": "In", "values": ["b"]}],
            }
        },
        '.fieldSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements',
    ),
    "labels in nothing": (
        {"labelSelector": {"requirements": [{"key": "a", "operator": "In"}]}},
        ".labelSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ),
}


@pytest.mark.parametrize(("selector", "why"), _SELECTORS.values(), ids=_SELECTORS)
def test_a_selector_that_says_nothing_is_invalid(reviewer: Reviewer, selector: Object, why: str) -> None:
    with pytest.raises(Refused) as caught:
        reviewer.subject_access({"spec": {"user": "nobody", "resourceAttributes": {**_GET, **selector}}})
    assert caught.value.message == f'.authorization.k8s.io "" is invalid: {_AT}{why}'


_UNREAD = {
    "fields": ({"fieldSelector": {"rawSelector": "a"}}, "fieldSelector ignored"),
    "labels": ({"labelSelector": {"rawSelector": "a in"}}, "labelSelector ignored"),
    "an operator": (
        {"labelSelector": {"requirements": [{"key": "a", "operator": "Zzz"}]}},
        "labelSelector ignored",
    ),
    "one of two fields": (
        {
            "fieldSelector": {
                "requirements": [
                    {"key": "a", "operator": "In", "values": ["b", "c"]},
                    {"key": "x", "operator": "In", "values": ["b"]},
                ]
            }
        },
        "fieldSelector partially ignored",
    ),
}


@pytest.mark.parametrize(("selector", "how"), _UNREAD.values(), ids=_UNREAD)
def test_a_selector_that_is_not_understood_is_told(reviewer: Reviewer, selector: Object, how: str) -> None:
    answer = reviewer.subject_access({"spec": {"user": "nobody", "resourceAttributes": {**_GET, **selector}}})
    assert answer["status"] == {"allowed": False, "evaluationError": f"{_AT}.{how} due to parse error"}


def test_a_local_review_is_held_to_its_namespace(reviewer: Reviewer) -> None:
    body = {"spec": {"user": "access-bob", "resourceAttributes": _GET}}
    answer = reviewer.local_subject_access(body, "access")
    assert answer["metadata"] == {"namespace": "access"}
    assert answer["status"] == {"allowed": True, "reason": _BY_READERS}


_LOCAL = {
    "another namespace": (
        {},
        {"resourceAttributes": {**_GET, "namespace": "other"}},
        '.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "other": '
        "must match metadata.namespace",
    ),
    "another namespace of its own": (
        {"namespace": "other"},
        {"resourceAttributes": {**_GET, "namespace": "other"}},
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "a path": (
        {"namespace": "access"},
        {"nonResourceAttributes": {"verb": "get", "path": "/x"}},
        '.authorization.k8s.io "" is invalid: spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":"get"}: '
        "disallowed on this kind of request",
    ),
}


@pytest.mark.parametrize(("metadata", "spec", "message"), _LOCAL.values(), ids=_LOCAL)
def test_a_local_review_of_something_elsewhere_is_refused(
    reviewer: Reviewer, metadata: Object, spec: Object, message: str
) -> None:
    with pytest.raises(Refused) as caught:
        reviewer.local_subject_access(
            {"metadata": metadata, "spec": {"user": "access-bob", **spec}}, "access"
        )
    assert caught.value.message == message


def test_one_may_ask_about_oneself(reviewer: Reviewer) -> None:
    answer = reviewer.self_subject_access(Caller(name="access-bob"), {"spec": {"resourceAttributes": _GET}})
    assert answer["status"] == {"allowed": True, "reason": _BY_READERS}
    with pytest.raises(Refused) as caught:
        reviewer.self_subject_access(Caller(name="access-bob"), {"spec": {}})
    assert caught.value.message == f'.authorization.k8s.io "" is invalid: {_NEITHER}'


def test_rules_are_listed_as_the_bindings_give_them(reviewer: Reviewer) -> None:
    groups = ("system:serviceaccounts", "system:serviceaccounts:access", "system:authenticated")
    plain = Caller(name="system:serviceaccount:access:plain", groups=groups)
    assert reviewer.self_subject_rules(plain, {"spec": {"namespace": "access"}}) == _RULES


_RULES: dict[str, Any] = {
    "kind": "SelfSubjectRulesReview",
    "apiVersion": "authorization.k8s.io/v1",
    "metadata": {},
    "spec": {},
    "status": {
        "resourceRules": [
            {
                "verbs": ["create"],
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            },
            {
                "verbs": ["create"],
                "apiGroups": ["authentication.k8s.io"],
                "resources": ["selfsubjectreviews"],
            },
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]},
            {"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]},
            {"verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"]},
        ],
        "nonResourceRules": [
            {
                "verbs": ["get"],
                "nonResourceURLs": [
                    "/api",
                    "/api/*",
                    "/apis",
                    "/apis/*",
                    "/healthz",
                    "/livez",
                    "/openapi",
                    "/openapi/*",
                    "/readyz",
                    "/version",
                    "/version/",
                ],
            },
            {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]},
            {
                "verbs": ["get"],
                "nonResourceURLs": [
                    "/.well-known/openid-configuration",
                    "/.well-known/openid-configuration/",
                    "/openid/v1/jwks",
                    "/openid/v1/jwks/",
                ],
            },
        ],
        "incomplete": False,
    },
}


def test_rules_that_cannot_be_read_are_told(reviewer: Reviewer) -> None:
    status = reviewer.self_subject_rules(Caller(name="access-lost"), {"spec": {"namespace": "access"}})[
        "status"
    ]
    assert status["evaluationError"] == (
        '[clusterrole.rbac.authorization.k8s.io "access-missing" not found, role.rbac.authorization.k8s.io "missing" not found]'
    )
    with pytest.raises(Refused, match="no namespace on request"):
        reviewer.self_subject_rules(Caller(name="x"), {"spec": {}})


def test_a_token_is_reviewed(reviewer: Reviewer) -> None:
    status = reviewer.token({"spec": {"token": "root"}})["status"]
    assert status == {
        "authenticated": True,
        "user": {"username": "admin", "uid": "admin", "groups": ["cartwheel:admins", "system:authenticated"]},
        "audiences": ["https://kubernetes.default.svc"],
    }
    for spec in ({"token": "x"}, {"token": "root", "audiences": ["other"]}):
        assert reviewer.token({"spec": spec})["status"] == {"user": {}, "error": "invalid bearer token"}
    with pytest.raises(Refused, match="token is required for TokenReview in authentication"):
        reviewer.token({"spec": {}})


def test_who_one_is() -> None:
    caller = Caller(name="u", groups=("g",), extra={"k": ("v",)})
    assert self_subject(caller, "2026-01-01T00:00:00Z") == {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"userInfo": {"username": "u", "groups": ["g"], "extra": {"k": ["v"]}}},
    }
