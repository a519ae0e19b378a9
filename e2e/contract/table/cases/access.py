"""Who may do what: roles, bindings, aggregation, impersonation, reviews, tokens. Users are impersonated; each is of one case alone."""

from collections.abc import Mapping
from typing import Any

from e2e.contract.table.case import (
    Case,
    Step,
    apply,
    as_,
    case,
    create,
    delete,
    get,
    patch,
    until,
    until_code,
    update,
)

_GROUP = "rbac.authorization.k8s.io"
_ALICE, _BOB = "NS-alice", "NS-bob"
_A = "configmaps/a"
_REVIEWS = "/apis/authorization.k8s.io/v1"

Rule = Mapping[str, Any]


def _rule(verbs: str, resources: str, group: str = "", **more: Any) -> Rule:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **more}


def _role(*rules: Rule, name: str = "r") -> Step:
    return create(f"roles/{name}", {"rules": list(rules)})


def _cluster_role(*rules: Rule, name: str = "NS-r", **more: Any) -> Step:
    return create(f"clusterroles/{name}", {"rules": list(rules), **more})


def _subject(user: str = _ALICE) -> list[dict[str, Any]]:
    return [{"kind": "User", "apiGroup": _GROUP, "name": user}]


def _bound(kind: str = "Role", role: str = "r", *, name: str = "b", subjects: Any = None) -> Step:
    reference = {"apiGroup": _GROUP, "kind": kind, "name": role}
    return create(f"rolebindings/{name}", {"subjects": subjects or _subject(), "roleRef": reference})


def _bound_everywhere(role: str = "NS-r", subjects: Any = None) -> Step:
    reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role}
    return create("clusterrolebindings/NS-b", {"subjects": subjects or _subject(), "roleRef": reference})


def _alice(step: Step) -> Step:
    return as_(_ALICE, step)


def _may(step: Step, code: int = 200) -> Step:
    """Return a request of Alice's that is repeated until a real server has heard that she may."""
    return until_code(_alice(step), code)


def _review(kind: str, spec: Mapping[str, Any], **more: Any) -> Step:
    plural = f"{kind.lower()}s"
    place = f"{_REVIEWS}/namespaces/NS/{plural}" if kind.startswith("Local") else f"{_REVIEWS}/{plural}"
    head = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, **more}
    return Step(method="POST", on=place, body={**head, "spec": spec})


def _allowed(code: int, value: Any) -> bool:
    return code == 201 and bool(value["status"].get("allowed"))


def _until_allowed(step: Step) -> Step:
    return until(step, _allowed)


def _gathered(count: int) -> Step:
    return until(get("clusterroles/NS-r"), lambda code, value: len(value.get("rules") or ()) == count)


def _self_review(user: str, *groups: str) -> Step:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    step = Step(method="POST", on="/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
    return as_(user, step, *groups)


def _token(spec: Mapping[str, Any], name: str = "robot") -> Step:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return Step(method="POST", on=f"/api/v1/namespaces/NS/serviceaccounts/{name}/token", body=body)


def _token_review(token: str, **spec: Any) -> Step:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, **spec}}
    return Step(method="POST", on="/apis/authentication.k8s.io/v1/tokenreviews", body=body)


_ASKED = {"namespace": "NS", "verb": "get", "resource": "configmaps"}
_CLEANUP = (delete("clusterrolebindings/NS-b"), delete("clusterroles/NS-r"))

_ROLES = (
    case(
        "who has no role may nothing",
        create(_A),
        _alice(get(_A)),
        _alice(get("configmaps")),
        _alice(create("configmaps/b")),
        _alice(update(_A)),
        _alice(patch(_A, {})),
        _alice(delete(_A)),
        _alice(delete("configmaps")),
        _alice(get("configmaps", watch="true", timeoutSeconds="1")),
    ),
    case(
        "a role lets read",
        create(_A),
        _role(_rule("get list", "configmaps")),
        _bound(),
        _may(get(_A)),
        _alice(get("configmaps")),
        _alice(create("configmaps/b")),
        _alice(delete(_A)),
        _alice(get("secrets")),
    ),
    case(
        "a role lets write",
        _role(_rule("create update patch delete deletecollection", "configmaps")),
        _bound(),
        _may(create(_A), 201),
        _alice(update(_A, {"data": {"x": "1"}})),
        _alice(patch(_A, {"data": {"x": "2"}})),
        _alice(get(_A)),
        _alice(delete(_A)),
        _alice(delete("configmaps")),
    ),
    case(
        "every verb of every kind",
        create(_A),
        _role(_rule("*", "*", "*")),
        _bound(),
        _may(get(_A)),
        _alice(create("secrets/s")),
        _alice(create("deployments/d", {"spec": {}})),
        _alice(get("nodes")),
    ),
    case(
        "names of a role",
        create(_A),
        create("configmaps/b"),
        _role(_rule("get update list delete", "configmaps", resourceNames=["a"])),
        _bound(),
        _may(get(_A)),
        _alice(get("configmaps/b")),
        _alice(get("configmaps")),
        _alice(get("configmaps", fieldSelector="metadata.name=a")),
        _alice(get("configmaps", fieldSelector="metadata.name=b")),
        _alice(delete("configmaps/b")),
    ),
    case(
        "names do not hold for what is created",
        _role(_rule("create", "configmaps", resourceNames=["a"]), _rule("get", "configmaps")),
        _bound(),
        _may(get("configmaps/zz"), 404),
        _alice(create(_A)),
    ),
    case(
        "a subresource is another right",
        create("widgets/a", {"spec": {}}),
        _role(_rule("get patch", "widgets", "table.test")),
        _bound(),
        _may(get("widgets/a")),
        _alice(patch("widgets/a/status", {"status": {"phase": "x"}})),
        _alice(patch("widgets/a/scale", {"spec": {"replicas": 2}})),
        _alice(patch("widgets/a", {"spec": {"size": 1}})),
    ),
    case(
        "a right to a subresource alone",
        create("widgets/a", {"spec": {}}),
        _role(_rule("get patch", "widgets/status", "table.test")),
        _bound(),
        _may(get("widgets/a/status")),
        _alice(patch("widgets/a/status", {"status": {"phase": "x"}})),
        _alice(get("widgets/a")),
    ),
    case(
        "another group is another right",
        create("widgets/a", {"spec": {}}),
        _role(_rule("get", "widgets", "other.test"), _rule("get", "configmaps")),
        _bound(),
        _may(get("configmaps/zz"), 404),
        _alice(get("widgets/a")),
    ),
    case(
        "a binding of a cluster role holds in its namespace",
        create(_A),
        _cluster_role(_rule("get", "configmaps")),
        _bound("ClusterRole", "NS-r"),
        _may(get(_A)),
        _alice(Step(method="GET", on="/api/v1/namespaces/default/configmaps/a")),
        delete("clusterroles/NS-r"),
    ),
    case(
        "a cluster binding holds everywhere",
        create(_A),
        _cluster_role(_rule("get", "configmaps")),
        _bound_everywhere(),
        _may(get(_A)),
        _alice(Step(method="GET", on="/api/v1/namespaces/default/configmaps/NS-zz")),
        *_CLEANUP,
    ),
    case(
        "groups and accounts are bound",
        create(_A),
        _role(_rule("get", "configmaps")),
        _bound(
            subjects=[
                {"kind": "Group", "apiGroup": _GROUP, "name": "NS-team"},
                {"kind": "ServiceAccount", "name": "robot", "namespace": "NS"},
            ]
        ),
        until_code(as_(_BOB, get(_A), "NS-team"), 200),
        as_(_BOB, get(_A)),
        as_("system:serviceaccount:NS:robot", get(_A)),
        as_("system:serviceaccount:NS:other", get(_A)),
    ),
    case(
        "a role that is not there gives nothing",
        create(_A),
        _bound(role="none"),
        until(_alice(get(_A)), lambda code, value: "not found" in value["message"]),
    ),
    case(
        "an apply needs two rights where nothing is",
        _role(_rule("patch get", "configmaps")),
        _bound(),
        _may(get(_A), 404),
        _alice(apply(_A, {"data": {"x": "1"}})),
        create(_A),
        _alice(apply(_A, {"data": {"x": "1"}})),
    ),
    case(
        "paths that are no resources",
        _cluster_role({"nonResourceURLs": ["/metrics", "/table/*"], "verbs": ["get"]}),
        _bound_everywhere(),
        _may(Step(method="GET", on="/table/x"), 404),
        _alice(Step(method="GET", on="/table")),
        _alice(Step(method="POST", on="/table/x")),
        _alice(Step(method="GET", on="/other")),
        *_CLEANUP,
    ),
)
_ESCALATION = (
    case(
        "nobody gives more than they have",
        _role(
            _rule("create update patch", "roles rolebindings", _GROUP), _rule("get", "configmaps"), name="own"
        ),
        _bound(role="own"),
        _may(create("roles/same", {"rules": [_rule("get", "configmaps")]}), 201),
        _alice(create("roles/more", {"rules": [_rule("get list", "configmaps"), _rule("get", "secrets")]})),
        _alice(patch("roles/same", {"rules": [_rule("delete", "configmaps")]})),
        _alice(patch("roles/same", {"metadata": {"labels": {"l": "1"}}})),
    ),
    case(
        "the verb escalate gives more",
        _role(_rule("create escalate", "roles", _GROUP), name="own"),
        _bound(role="own"),
        _may(create("roles/more", {"rules": [_rule("*", "secrets")]}), 201),
    ),
    case(
        "nobody binds more than they have",
        _role(_rule("create get", "rolebindings", _GROUP), name="own"),
        _role(_rule("get", "secrets"), name="more"),
        _bound(role="own"),
        _may(get("rolebindings/zz"), 404),
        _alice(_bound(role="more", name="mine")),
        _alice(_bound(role="none", name="mine")),
    ),
    case(
        "the verb bind binds more",
        _role(
            _rule("create", "rolebindings", _GROUP),
            _rule("bind", "roles", _GROUP, resourceNames=["more"]),
            name="own",
        ),
        _role(_rule("get", "secrets"), name="more"),
        _role(_rule("get", "pods"), name="other"),
        _bound(role="own"),
        _may(_bound(role="more", name="mine"), 201),
        _alice(_bound(role="other", name="second")),
    ),
    case(
        "a role of a binding is not changed",
        _role(_rule("get", "configmaps")),
        _bound(),
        patch("rolebindings/b", {"roleRef": {"name": "other"}}),
        patch("rolebindings/b", {"subjects": []}),
        create("rolebindings/c", {"roleRef": {"apiGroup": _GROUP, "kind": "Nonsense", "name": "r"}}),
        create(
            "rolebindings/c",
            {
                "subjects": [{"kind": "User", "name": ""}],
                "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": "r"},
            },
        ),
    ),
    case(
        "rules that are none",
        _role({"verbs": ["get"]}),
        _role({"apiGroups": [""], "resources": ["x"], "verbs": []}),
        _role({"nonResourceURLs": ["/x"], "verbs": ["get"]}),
        _cluster_role({"nonResourceURLs": ["x"], "apiGroups": [""], "resources": ["x"], "verbs": ["get"]}),
    ),
    case(
        "a cluster role gathers others",
        create(
            "clusterroles/NS-part",
            {"metadata": {"labels": {"gather": "NS"}}, "rules": [_rule("get", "configmaps")]},
        ),
        create(
            "clusterroles/NS-r",
            {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"gather": "NS"}}]}, "rules": []},
        ),
        _gathered(1),
        create(
            "clusterroles/NS-more",
            {"metadata": {"labels": {"gather": "NS"}}, "rules": [_rule("list", "secrets")]},
        ),
        _gathered(2),
        delete("clusterroles/NS-part"),
        _gathered(1),
        delete("clusterroles/NS-more"),
        delete("clusterroles/NS-r"),
        needs_controllers=True,
    ),
)
_OTHERS = (
    case(
        "impersonation has to be allowed",
        _role(_rule("get", "configmaps")),
        _bound(),
        _may(get("configmaps/zz"), 404),
        Step(
            method="GET",
            on="/api/v1/namespaces/NS/configmaps/zz",
            headers={"Impersonate-User": "", "Impersonate-Group": "x"},
        ),
        Step(method="GET", on="/api/v1/namespaces/NS/configmaps/zz", headers={"Impersonate-Group": "x"}),
    ),
    case(
        "an impersonated group counts",
        create(_A),
        as_(_BOB, get(_A), "system:masters"),
        as_(_BOB, get(_A), "NS-nobody"),
    ),
    case(
        "a user of whom more is known",
        create(_A),
        _self_review(_ALICE, "NS-team"),
        Step(
            method="POST",
            on="/apis/authentication.k8s.io/v1/selfsubjectreviews",
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            headers={"Impersonate-User": _ALICE, "Impersonate-Uid": "u1", "Impersonate-Extra-Scopes": "read"},
        ),
    ),
    case(
        "reviews of access",
        _role(_rule("get list", "configmaps"), _rule("get", "secrets", resourceNames=["s"])),
        _bound(),
        _until_allowed(_review("SubjectAccessReview", {"user": _ALICE, "resourceAttributes": _ASKED})),
        _review("SubjectAccessReview", {"user": _ALICE, "resourceAttributes": {**_ASKED, "verb": "delete"}}),
        _review(
            "SubjectAccessReview",
            {"user": _ALICE, "resourceAttributes": {**_ASKED, "resource": "secrets", "name": "s"}},
        ),
        _review(
            "SubjectAccessReview", {"user": _ALICE, "resourceAttributes": {**_ASKED, "resource": "secrets"}}
        ),
        _review(
            "SubjectAccessReview", {"user": _BOB, "groups": ["system:masters"], "resourceAttributes": _ASKED}
        ),
    ),
    case(
        "reviews of paths",
        _review(
            "SubjectAccessReview",
            {"user": _ALICE, "nonResourceAttributes": {"path": "/openapi", "verb": "get"}},
        ),
        _review(
            "SubjectAccessReview",
            {
                "user": _ALICE,
                "groups": ["system:authenticated"],
                "nonResourceAttributes": {"path": "/openapi", "verb": "get"},
            },
        ),
        _review(
            "SubjectAccessReview",
            {
                "user": _ALICE,
                "groups": ["system:authenticated"],
                "nonResourceAttributes": {"path": "/logs", "verb": "get"},
            },
        ),
    ),
    case(
        "reviews that ask nothing",
        _review("SubjectAccessReview", {"user": _ALICE}),
        _review("SubjectAccessReview", {"resourceAttributes": _ASKED}),
        _review(
            "SubjectAccessReview",
            {
                "user": _ALICE,
                "resourceAttributes": _ASKED,
                "nonResourceAttributes": {"path": "/", "verb": "get"},
            },
        ),
    ),
    case(
        "reviews of one's own access",
        _role(_rule("get", "configmaps")),
        _bound(),
        _until_allowed(_alice(_review("SelfSubjectAccessReview", {"resourceAttributes": _ASKED}))),
        _alice(_review("SelfSubjectAccessReview", {"resourceAttributes": {**_ASKED, "verb": "list"}})),
        _review(
            "SelfSubjectAccessReview", {"resourceAttributes": {"verb": "*", "resource": "*", "group": "*"}}
        ),
    ),
    case(
        "reviews in one namespace",
        _role(_rule("get", "configmaps")),
        _bound(),
        _until_allowed(
            _review(
                "LocalSubjectAccessReview",
                {"user": _ALICE, "resourceAttributes": _ASKED},
                metadata={"namespace": "NS"},
            )
        ),
        _review(
            "LocalSubjectAccessReview",
            {"user": _ALICE, "resourceAttributes": {**_ASKED, "namespace": "default"}},
            metadata={"namespace": "NS"},
        ),
    ),
    case(
        "one's own rules",
        create(_A),
        _role(_rule("get list", "configmaps", resourceNames=["a"]), _rule("create", "pods/exec")),
        _bound(),
        _may(get(_A)),
        _alice(_review("SelfSubjectRulesReview", {"namespace": "NS"})),
        _alice(_review("SelfSubjectRulesReview", {"namespace": ""})),
    ),
    case(
        "tokens of accounts",
        create("serviceaccounts/robot"),
        _token({"expirationSeconds": 3600}),
        _token({"expirationSeconds": 10}),
        _token({"audiences": ["NS"]}),
        _token({}, name="none"),
        _token_review("<1.status.token>"),
        _token_review("nonsense"),
        _token_review("<3.status.token>", audiences=["NS"]),
        _token_review("<3.status.token>"),
    ),
    case(
        "a token that is bound to a secret",
        create("serviceaccounts/robot"),
        create("secrets/s"),
        _token({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "s"}}),
        _token({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "none"}}),
        _token({"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "s"}}),
        _token_review("<2.status.token>"),
    ),
)

CASES: tuple[Case, ...] = (*_ROLES, *_ESCALATION, *_OTHERS)
