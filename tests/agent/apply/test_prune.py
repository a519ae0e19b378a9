import pytest

from agent.apply.prune import Fate, decide
from tests.agent.apply.cluster import LABELS, OWNER, manifest

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
    assert decide(value, REF, OWNER, frozenset()) is expected


def test_what_another_assignment_names_is_never_deleted() -> None:
    assert decide(live(LABELS), REF, OWNER, frozenset({REF})) is Fate.KEEP
