"""Who may do what, held to a real server's answers to SubjectAccessReviews over the same roles and bindings."""

import pytest

from hub.sandbox.access.rbac import Decision, authorize
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.wire import Caller
from tests.hub.sandbox.access.policies import known_policies

# User, groups, `verb resource.group/subresource namespace name` or `verb /path`; then allowed and the reason.
_ANSWERS = [
    (
        "access-bob",
        "",
        "get configmaps access",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"',
    ),
    (
        "access-bob",
        "",
        "get configmaps access x",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"',
    ),
    (
        "access-bob",
        "",
        "list configmaps access",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"',
    ),
    ("access-bob", "", "watch configmaps access", False, ""),
    ("access-bob", "", "get configmaps default", False, ""),
    ("access-bob", "", "get configmaps", False, ""),
    (
        "access-bob",
        "",
        "get secrets access one",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"',
    ),
    ("access-bob", "", "get secrets access two", False, ""),
    ("access-bob", "", "list secrets access", False, ""),
    (
        "access-bob",
        "",
        "anything secrets access one",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"',
    ),
    (
        "access-bob",
        "",
        "update deployments.apps/scale access x",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to User "access-bob"',
    ),
    ("access-bob", "", "update deployments.apps access x", False, ""),
    ("access-bob", "", "update deployments/scale access x", False, ""),
    ("access-bob", "", "get configmaps/status access x", False, ""),
    (
        "nobody",
        "access-team",
        "get configmaps access",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to Group "access-team"',
    ),
    (
        "nobody",
        "other access-team",
        "get configmaps access",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to Group "access-team"',
    ),
    (
        "system:serviceaccount:access:plain",
        "",
        "get configmaps access",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to ServiceAccount "plain/access"',
    ),
    ("system:serviceaccount:access:plain", "", "list pods access", False, ""),
    ("system:serviceaccount:default:plain", "", "get configmaps access", False, ""),
    (
        "system:serviceaccount:access:editor",
        "",
        "create roles.rbac.authorization.k8s.io access",
        True,
        'RBAC: allowed by RoleBinding "editors/access" of ClusterRole "admin" to ServiceAccount "editor/access"',
    ),
    (
        "system:serviceaccount:access:editor",
        "",
        "create pods/exec access p",
        True,
        'RBAC: allowed by RoleBinding "editors/access" of ClusterRole "admin" to ServiceAccount "editor/access"',
    ),
    (
        "system:serviceaccount:access:editor",
        "",
        "get pods/log access p",
        True,
        'RBAC: allowed by RoleBinding "editors/access" of ClusterRole "admin" to ServiceAccount "editor/access"',
    ),
    ("system:serviceaccount:access:editor", "", "get nodes", False, ""),
    ("system:serviceaccount:access:editor", "", "delete namespaces access access", False, ""),
    (
        "system:serviceaccount:access:editor",
        "",
        "create serviceaccounts/token access plain",
        True,
        'RBAC: allowed by RoleBinding "editors/access" of ClusterRole "admin" to ServiceAccount "editor/access"',
    ),
    ("system:serviceaccount:access:editor", "", "create pods default", False, ""),
    (
        "access-lost",
        "",
        "get configmaps access",
        False,
        'RBAC: [clusterrole.rbac.authorization.k8s.io "access-missing" not found, role.rbac.authorization.k8s.io "missing" not found]',
    ),
    (
        "access-lost",
        "",
        "get configmaps",
        False,
        'RBAC: clusterrole.rbac.authorization.k8s.io "access-missing" not found',
    ),
    ("access-lost", "system:masters", "get configmaps", True, ""),
    (
        "access-lost",
        "access-team",
        "get configmaps access",
        True,
        'RBAC: allowed by RoleBinding "readers/access" of Role "reader" to Group "access-team"',
    ),
    ("nobody", "system:masters", "delete everything.of.all/at once", True, ""),
    (
        "nobody",
        "access-ops",
        "get /metrics",
        True,
        'RBAC: allowed by ClusterRoleBinding "access-urls" of ClusterRole "access-urls" to Group "access-ops"',
    ),
    (
        "nobody",
        "access-ops",
        "get /logs/a/b",
        True,
        'RBAC: allowed by ClusterRoleBinding "access-urls" of ClusterRole "access-urls" to Group "access-ops"',
    ),
    ("nobody", "access-ops", "get /logs", False, ""),
    ("nobody", "access-ops", "post /metrics", False, ""),
    ("nobody", "", "get /metrics", False, ""),
    (
        "nobody",
        "system:authenticated",
        "get /apis/apps",
        True,
        'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
    ),
    (
        "nobody",
        "system:unauthenticated",
        "get /version",
        True,
        'RBAC: allowed by ClusterRoleBinding "system:public-info-viewer" of ClusterRole "system:public-info-viewer" to Group "system:unauthenticated"',
    ),
    ("nobody", "system:unauthenticated", "get /apis/apps", False, ""),
    (
        "nobody",
        "system:authenticated",
        "create selfsubjectaccessreviews.authorization.k8s.io",
        True,
        'RBAC: allowed by ClusterRoleBinding "system:basic-user" of ClusterRole "system:basic-user" to Group "system:authenticated"',
    ),
    ("nobody", "system:authenticated", "create subjectaccessreviews.authorization.k8s.io", False, ""),
    (
        "nobody",
        "system:serviceaccounts",
        "get /openid/v1/jwks",
        True,
        'RBAC: allowed by ClusterRoleBinding "system:service-account-issuer-discovery" of ClusterRole "system:service-account-issuer-discovery" to Group "system:serviceaccounts"',
    ),
    (
        "nobody",
        "system:monitoring",
        "get /metrics",
        True,
        'RBAC: allowed by ClusterRoleBinding "system:monitoring" of ClusterRole "system:monitoring" to Group "system:monitoring"',
    ),
    (
        "system:serviceaccount:access:imp",
        "",
        "impersonate users nothing access-bob",
        True,
        'RBAC: allowed by ClusterRoleBinding "access-imp" of ClusterRole "access-imp" to ServiceAccount "imp/access"',
    ),
    ("system:serviceaccount:access:imp", "", "impersonate users", False, ""),
]


def attributes(text: str) -> Attributes:
    verb, what, *rest = text.split(" ")
    if what.startswith("/"):
        return Attributes(verb=verb, path=what, is_resource=False)
    qualified, _, subresource = what.partition("/")
    resource, _, group = qualified.partition(".")
    namespace, name = (*rest, "", "")[:2]
    return Attributes(
        verb=verb, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name
    )


@pytest.mark.parametrize(
    ("user", "groups", "asked", "allowed", "reason"),
    _ANSWERS,
    ids=[f"{user} {groups}: {asked}" for user, groups, asked, *_ in _ANSWERS],
)
def test_a_decision_is_the_real_servers(
    user: str, groups: str, asked: str, allowed: bool, reason: str
) -> None:
    caller = Caller(name=user, groups=tuple(groups.split()))
    assert authorize(known_policies(), caller, attributes(asked)) == Decision(allowed=allowed, reason=reason)
