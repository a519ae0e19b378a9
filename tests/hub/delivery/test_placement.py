"""Where a delivery goes: by its Fleet, by its namespace, or to the management cluster; and never there because a name got lost."""

import pytest

from hub.delivery.placement import NotPlaced, place
from hub.model.kustomization import Kustomization
from tests.hub.delivery.samples import DEV, EU, MANAGEMENT, US, cluster, delivery, in_fleet, prod, world

WORLD = world(MANAGEMENT, EU, US, DEV, fleets=(prod(),))
ONE_CLUSTER = {"fleet.cartwheel.dev/cluster": "apps.dev-1"}


def clusters_of(given: Kustomization, **more: dict[str, str]) -> list[str]:
    placed = place(given.metadata, world(MANAGEMENT, EU, US, DEV, fleets=(prod(),), **more))
    return [one.cluster.metadata.name for one in placed.placements]


def test_a_fleet_places_on_every_cluster_that_it_selects() -> None:
    placed = place(in_fleet().metadata, WORLD)
    assert [one.cluster.metadata.name for one in placed.placements] == ["eu-1", "us-1"]
    assert placed.by == "fleet/prod"


def test_an_annotation_names_the_fleet_as_well() -> None:
    assert clusters_of(delivery(annotations={"fleet.cartwheel.dev/fleet": "prod"})) == ["eu-1", "us-1"]


def test_a_labelled_namespace_places_on_its_cluster() -> None:
    assert clusters_of(delivery(), apps=ONE_CLUSTER) == ["dev-1"]


def test_the_fleet_goes_before_the_namespace() -> None:
    assert clusters_of(in_fleet(), apps=ONE_CLUSTER) == ["eu-1", "us-1"]


def test_without_any_target_it_goes_to_the_management_cluster() -> None:
    assert clusters_of(delivery()) == ["management"]


def test_one_that_was_placed_by_a_fleet_never_falls_to_the_management_cluster() -> None:
    lost = delivery(annotations={"fleet.cartwheel.dev/placed": "fleet/prod"})
    with pytest.raises(NotPlaced) as caught:
        place(lost.metadata, WORLD)
    assert caught.value.reason == "PlacementLost"


def test_one_that_was_on_the_management_cluster_stays_there() -> None:
    annotations = {"fleet.cartwheel.dev/placed": "cluster/flux-system.management"}
    assert clusters_of(delivery(annotations=annotations)) == ["management"]


def test_one_that_was_on_the_management_cluster_may_join_a_fleet() -> None:
    labels = {"fleet.cartwheel.dev/fleet": "prod"}
    annotations = {"fleet.cartwheel.dev/placed": "cluster/flux-system.management"}
    assert clusters_of(delivery(labels=labels, annotations=annotations)) == ["eu-1", "us-1"]


def test_a_fleet_that_is_not_there_places_nowhere_and_says_so() -> None:
    with pytest.raises(NotPlaced, match=r"Fleet apps/prod not found") as caught:
        place(in_fleet().metadata, world(EU))
    assert caught.value.reason == "FleetNotFound"


def test_a_namespace_label_that_names_no_cluster_places_nowhere() -> None:
    with pytest.raises(NotPlaced) as caught:
        clusters_of(delivery(), apps={"fleet.cartwheel.dev/cluster": "apps.unknown"})
    assert caught.value.reason == "ClusterNotFound"


def test_a_fleet_with_a_refused_field_places_nowhere() -> None:
    fleet = prod(rollout={"maxFailures": 1})
    with pytest.raises(NotPlaced, match=r"spec\.rollout") as caught:
        place(in_fleet().metadata, world(EU, fleets=(fleet,)))
    assert caught.value.reason == "UnsupportedField"


def test_a_fleet_that_selects_nothing_is_no_error() -> None:
    assert place(in_fleet().metadata, world(DEV, fleets=(prod(),))).placements == ()


def test_clusters_of_other_namespaces_are_not_selected() -> None:
    elsewhere = cluster("other", namespace="team", tier="prod")
    assert place(in_fleet().metadata, world(elsewhere, fleets=(prod(),))).placements == ()


def test_the_home_name_is_the_hub_name_unless_the_namespace_says_otherwise() -> None:
    plain = place(delivery().metadata, WORLD)
    moved = place(
        delivery().metadata, world(MANAGEMENT, apps={"fleet.cartwheel.dev/home-namespace": "flux-system"})
    )
    assert str(plain.placements[0].home) == "Kustomization/apps/webapp"
    assert str(moved.placements[0].home) == "Kustomization/flux-system/webapp"
