"""What became of objects is counted, and as drift only where the same Bundle was applied before."""

import pytest

from agent.apply.convergence import Action, Change, ChangeSet, Convergence
from agent.apply.tally import Tally
from agent.kit.telemetry import Telemetry
from agent.model.names import HomeName, ObjectRef

OWNER = HomeName("Kustomization", "apps", "web")


def change(action: Action, *fields: str) -> Change:
    return Change(ref=ObjectRef("", "ConfigMap", "apps", "a"), action=action, fields=fields)


def counts(changes: list[Change], *, is_applied: bool) -> dict[tuple[str, ...], float]:
    telemetry = Telemetry()
    task = Convergence(owner=OWNER, manifests=(), inventory={}, prune=True, is_applied=is_applied)
    found = ChangeSet(changes=tuple(changes), inventory={}, ended={}, known={})
    Tally(telemetry).count(task, found)
    return {
        tuple(sample.labels.values()): sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.value and sample.name.endswith("_total")
    }


def test_each_object_is_counted_by_what_became_of_it() -> None:
    changes = [change(action) for action in Action] + [change(Action.UNCHANGED)]
    once = {(action.replace(" ", "_"),): 1.0 for action in Action}
    assert counts(changes, is_applied=False) == once | {("unchanged",): 2.0}


@pytest.mark.parametrize(
    ("found", "seen", "put_back"),
    [
        pytest.param(change(Action.CONFIGURED, "data"), 1, 1, id="changed"),
        pytest.param(change(Action.CREATED), 1, 1, id="deleted"),
        pytest.param(change(Action.FAILED, "data"), 1, 0, id="not-put-back"),
        pytest.param(change(Action.HELD_BACK, "data"), 1, 0, id="held-back"),
        pytest.param(change(Action.FAILED), 0, 0, id="not-known"),
        pytest.param(change(Action.UNCHANGED), 0, 0, id="unchanged"),
        pytest.param(change(Action.DELETED), 0, 0, id="pruned"),
    ],
)
def test_drift_is_what_differs_though_it_was_applied(found: Change, seen: int, put_back: int) -> None:
    told = counts([found], is_applied=True)
    assert (told.get(("detected",), 0), told.get(("corrected",), 0)) == (seen, put_back)
