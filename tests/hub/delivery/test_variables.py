"""Variables: which layer wins, when substitution runs at all, and which values are the cluster's."""

from typing import Any

import pytest

from hub.delivery.variables import Layers, built_ins, variables_of
from tests.hub.delivery.samples import EU, cluster, delivery, prod

ASKED = {"annotations": {"fleet.cartwheel.dev/variables": "enabled"}}
OVERRIDES = [{"clusterSelector": {"matchLabels": {"region": "eu"}}, "substitute": {"X": "override"}}]


def test_built_ins_are_the_names_and_the_labels() -> None:
    labels: dict[str, Any] = {"team/cost-center": "42"}
    values, dropped = built_ins(cluster("eu-1", **labels))
    assert values == {
        "CLUSTER_NAME": "eu-1",
        "CLUSTER_NAMESPACE": "apps",
        "CLUSTER_LABEL_TEAM_COST_CENTER": "42",
    }
    assert dropped == ()


def test_label_keys_that_become_one_name_are_left_out_and_told() -> None:
    labels: dict[str, Any] = {"a-b": "1", "a.b": "2"}
    values, dropped = built_ins(cluster("eu-1", **labels))
    assert "CLUSTER_LABEL_A_B" not in values
    assert dropped == ("a-b", "a.b")


LAYERS = ["from", "substitute", "cluster-from", "cluster", "override"]


@pytest.mark.parametrize("highest", LAYERS)
def test_the_highest_layer_that_sets_a_variable_wins(highest: str) -> None:
    present = LAYERS[: LAYERS.index(highest) + 1]
    own = tuple({"X": name} for name in ("from", "substitute") if name in present)
    spec = {"variables": {"X": "cluster"}} if "cluster" in present else {}
    where = cluster("eu-1", spec=spec, region="eu")
    fleet = prod(overrides=OVERRIDES if "override" in present else [])
    cluster_from = ({"X": "cluster-from"},) if "cluster-from" in present else ()
    found = variables_of(delivery(), where, fleet, Layers(delivery=own, cluster_from=cluster_from))
    assert found.values["X"] == highest
    assert ("X" in found.of_cluster) is (highest not in {"from", "substitute"})


@pytest.mark.parametrize(
    ("more", "own", "overrides", "runs"),
    [
        ({}, (), [], False),
        ({}, ({"A": "1"},), [], True),
        ({}, (), OVERRIDES, True),
        (ASKED, (), [], True),
        ({"spec": {"postBuild": {"substituteStrategy": "Always"}}}, (), [], True),
    ],
    ids=["nothing asks", "own variables", "an override", "the annotation", "always"],
)
def test_substitution_runs_only_when_something_asks_for_it(
    more: dict[str, Any], own: tuple[dict[str, str], ...], overrides: list[dict[str, Any]], runs: bool
) -> None:
    found = variables_of(delivery(**more), EU, prod(overrides=overrides), Layers(delivery=own))
    assert found.runs is runs


def test_line_breaks_in_values_are_deleted() -> None:
    found = variables_of(delivery(), EU, None, Layers(delivery=({"A": "1\n2"},)))
    assert found.values["A"] == "12"
