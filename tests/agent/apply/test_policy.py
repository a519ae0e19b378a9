import pytest

from agent.apply.policy import EXCLUDED, FORCED, KEPT, is_owned, is_skipped, says
from agent.model.names import HomeName

PREFIX = "kustomize.toolkit.fluxcd.io/"


def marked(place: str, key: str, value: str) -> dict[str, object]:
    return {"metadata": {place: {PREFIX + key: value}}}


@pytest.mark.parametrize("place", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("rules", "key", "value", "expected"),
    [
        (EXCLUDED, "reconcile", "disabled", True),
        (EXCLUDED, "reconcile", "Disabled", True),
        (EXCLUDED, "reconcile", "enabled", False),
        (EXCLUDED, "ssa", "ignore", True),
        (EXCLUDED, "prune", "disabled", False),
        (KEPT, "prune", "disabled", True),
        (KEPT, "ssa", "Ignore", True),
        (KEPT, "ssa", "Merge", False),
        (FORCED, "force", "enabled", True),
    ],
)
def test_marks_are_read_from_labels_and_annotations(
    place: str, rules: tuple[tuple[str, str], ...], key: str, value: str, *, expected: bool
) -> None:
    assert says(marked(place, key, value), rules) is expected


def test_the_live_object_may_opt_out() -> None:
    assert is_skipped({}, marked("annotations", "reconcile", "disabled"))


def test_only_the_manifest_may_ask_to_be_created_once() -> None:
    mark = marked("annotations", "ssa", "IfNotPresent")
    assert is_skipped(mark, {"metadata": {}})
    assert not is_skipped(mark, None)
    assert not is_skipped({}, mark)


def test_an_owner_has_both_labels() -> None:
    labels = {PREFIX + "name": "web", PREFIX + "namespace": "apps"}
    assert is_owned({"metadata": {"labels": labels}}, HomeName("Kustomization", "apps", "web"))
    assert not is_owned({"metadata": {"labels": labels}}, HomeName("Kustomization", "other", "web"))
    assert not is_owned({"metadata": {}}, HomeName("Kustomization", "apps", "web"))
