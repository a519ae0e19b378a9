import json
from collections.abc import Collection
from dataclasses import replace

import pytest

from agent.apply.prune import Fate, decide
from agent.model.names import ObjectRef
from tests.agent.apply.cluster import LABELS, OWNER, definition, manifest

REF = manifest().ref


def live(labels: dict[str, str], **annotations: str) -> dict[str, object]:
    marks = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in annotations.items()}
    return {"metadata": {"labels": labels, "annotations": marks}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, Fate.GONE, id="gone"),
        pytest.param(live(LABELS), Fate.DELETE, id="ours"),
        pytest.param(live({}), Fate.SKIP, id="no owner"),
        pytest.param(live(LABELS | {"kustomize.toolkit.fluxcd.io/name": "x"}), Fate.SKIP, id="another's"),
        pytest.param(live(LABELS, prune="Disabled"), Fate.SKIP, id="prune disabled"),
        pytest.param(live(LABELS, reconcile="disabled"), Fate.SKIP, id="reconcile disabled"),
        pytest.param(live(LABELS, ssa="Ignore"), Fate.SKIP, id="ssa ignore"),
        pytest.param(live(LABELS, ssa="Merge"), Fate.DELETE, id="ssa merge"),
    ],
)
def test_only_what_is_surely_ours_is_deleted(value: dict[str, object] | None, expected: Fate) -> None:
    assert fate(value, REF) is expected


def test_what_another_assignment_names_is_never_deleted() -> None:
    assert fate(live(LABELS), REF, elsewhere={REF}) is Fate.KEEP


ROLE = ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "a", "reader")
SPACE = ObjectRef("", "Namespace", "", "apps")
INSIDE = ObjectRef("", "ConfigMap", "apps", "one")
GADGETS = definition().ref
KIND: dict[str, object] = json.loads(definition().body)
GADGET = ObjectRef("example.org", "Gadget", "apps", "g")


def test_the_namespace_of_what_is_in_none_makes_it_no_other_object() -> None:
    same = replace(ROLE, namespace="b")
    assert fate(live(LABELS), ROLE, mine={same}, is_namespaced=False) is Fate.SKIP
    assert fate(live(LABELS), ROLE, elsewhere={same}, is_namespaced=False) is Fate.KEEP
    assert fate(live(LABELS), INSIDE, mine={replace(INSIDE, namespace="b")}) is Fate.DELETE


@pytest.mark.parametrize(
    ("ref", "value", "wished", "expected"),
    [
        pytest.param(SPACE, live(LABELS), INSIDE, Fate.KEEP, id="in the namespace"),
        pytest.param(SPACE, live(LABELS), replace(INSIDE, namespace="b"), Fate.DELETE, id="in another"),
        pytest.param(GADGETS, KIND, GADGET, Fate.KEEP, id="of the kind"),
        pytest.param(GADGETS, KIND, replace(GADGET, kind="Other"), Fate.DELETE, id="of another"),
    ],
)
def test_nothing_is_deleted_that_would_take_along_what_is_wished(
    ref: ObjectRef, value: dict[str, object], wished: ObjectRef, expected: Fate
) -> None:
    assert fate(value, ref, mine={wished}, is_namespaced=False) is expected
    assert fate(value, ref, elsewhere={wished}, is_namespaced=False) is expected


def fate(
    value: dict[str, object] | None,
    ref: ObjectRef,
    *,
    mine: Collection[ObjectRef] = (),
    elsewhere: Collection[ObjectRef] = (),
    is_namespaced: bool = True,
) -> Fate:
    return decide(value, ref, OWNER, mine=mine, elsewhere=elsewhere, is_namespaced=is_namespaced)
