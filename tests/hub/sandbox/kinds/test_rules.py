"""What becomes of objects that are deleted, and what is not in the recordings."""

from typing import Any

import pytest

from hub.sandbox.kinds.access import requested_by
from hub.sandbox.kinds.quantities import canonical
from hub.sandbox.kinds.rules import CUSTOM, rules_of
from hub.sandbox.kinds.values import copied
from hub.sandbox.wire import Caller

_TIME = "2026-01-01T00:00:00Z"
_KINDS_PUT_ANEW = {
    ("", "Service"),
    ("", "Event"),
    ("", "Endpoints"),
    ("", "LimitRange"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("coordination.k8s.io", "Lease"),
    ("node.k8s.io", "RuntimeClass"),
}


def _pod(node: str = "", phase: str = "Running", **metadata: Any) -> Any:
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 30}
    return {"metadata": {"name": "p", "generation": 1, **metadata}, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("pod", "asked_s", "expected_s"),
    [
        (_pod("n"), None, 30),
        (_pod("n"), 5, 5),
        (_pod("n"), 0, 0),
        (_pod("n"), -1, 1),
        (_pod(), 5, 0),
        (_pod("n", "Failed"), 5, 0),
    ],
)
def test_only_a_pod_that_runs_somewhere_has_time_to_end(
    pod: Any, asked_s: int | None, expected_s: int
) -> None:
    assert rules_of("", "Pod").grace_s_of(pod, asked_s) == expected_s
    assert rules_of("", "ConfigMap").grace_s_of(pod, asked_s) == 0


@pytest.mark.parametrize(
    ("value", "generation"),
    [({"metadata": {"generation": 1}}, 2), ({"metadata": {}}, None)],
    ids=["counted", "not counted"],
)
def test_a_deletion_counts_where_changes_are_counted(value: Any, generation: int | None) -> None:
    before = copied(value)

    left = rules_of("apps", "Deployment").for_deletion(value, _TIME, 0)

    assert left["metadata"].get("generation") == generation
    assert (left["metadata"]["deletionTimestamp"], left["metadata"]["deletionGracePeriodSeconds"]) == (
        _TIME,
        0,
    )
    assert value == before


def test_a_namespace_goes_when_its_spec_has_no_finalizers() -> None:
    rules = rules_of("", "Namespace")
    namespace = rules.for_create(rules.with_defaults({"metadata": {"name": "n"}}))

    left = rules.for_deletion(namespace, _TIME, 0)

    assert left["status"] == {"phase": "Terminating"}
    assert "deletionGracePeriodSeconds" not in left["metadata"]
    assert rules.is_held(left)
    finalized = rules.for_subresource("finalize", left, {**left, "spec": {}})
    assert not rules.is_held(finalized)
    assert finalized["status"] == {"phase": "Terminating"}


def test_a_pod_is_held_by_its_grace() -> None:
    rules = rules_of("", "Pod")

    assert rules.is_held(rules.for_deletion(_pod("n"), _TIME, 30))
    assert not rules.is_held(rules.for_deletion(_pod("n"), _TIME, 0))
    assert rules.is_held(_pod(finalizers=["x.y/z"]))


def test_some_kinds_are_made_by_an_update() -> None:
    others = (
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("apps", "Deployment"),
        ("", "Namespace"),
    )

    assert all(rules_of(*one).creates_on_update for one in _KINDS_PUT_ANEW)
    assert not any(rules_of(*one).creates_on_update for one in others)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1000m", "1"),
        ("1000000000", "1G"),
        ("0", "0"),
        ("0Gi", "0"),
        ("1.5Gi", "1536Mi"),
        ("100", "100"),
        ("1e3", "1e3"),
        ("12E2", "1200"),
        ("no", "no"),
        (3, "3"),
    ],
)
def test_quantities_have_one_form(text: Any, expected: str) -> None:
    assert canonical(text) == expected


def test_custom_objects_may_have_any_finalizer() -> None:
    assert CUSTOM.faults_of({"metadata": {"name": "c", "finalizers": ["x"], "resourceVersion": "1"}}) == ()


def test_a_template_of_a_job_does_not_change() -> None:
    rules = rules_of("batch", "Job")
    sent = {
        "metadata": {"name": "j", "uid": "u", "resourceVersion": "1"},
        "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}
        },
    }
    before = rules.for_create(rules.with_defaults(sent))
    after = copied(before)
    after["spec"]["template"]["spec"]["containers"][0]["image"] = "c"

    faults = rules.faults_of_update(before, rules.for_update(before, rules.with_defaults(after)))

    assert [one.field for one in faults] == ["spec.template"]
    assert faults[0].message.endswith(": field is immutable")


def test_a_certificate_request_says_who_asks() -> None:
    sent = {
        "metadata": {"name": "r"},
        "spec": {"username": "admin", "uid": "1", "signerName": "x.y/z", "usages": ["client auth"]},
    }
    caller = Caller(name="me", groups=("a",), extra={"k": ("v",)})

    value = requested_by(sent, caller)

    assert value["spec"] == {
        "username": "me",
        "groups": ["a"],
        "extra": {"k": ["v"]},
        "signerName": "x.y/z",
        "usages": ["client auth"],
    }


def test_an_approval_changes_conditions_only() -> None:
    rules = rules_of("certificates.k8s.io", "CertificateSigningRequest")
    before = {"metadata": {"name": "r"}, "spec": {"username": "me"}, "status": {}}
    conditions = [{"type": "Approved", "status": "True"}]
    after = {
        "metadata": {"name": "r"},
        "spec": {"username": "you"},
        "status": {"conditions": conditions, "certificate": "x"},
    }

    value = rules.for_subresource("approval", before, after)

    assert (value["spec"], value["status"]) == (before["spec"], {"conditions": conditions})
