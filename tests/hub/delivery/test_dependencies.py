"""Dependencies on the same cluster are the agent's; the hub waits for the others."""

from typing import Any

from hub.delivery.dependencies import Judgement, Neighbour, judge
from hub.delivery.placement import place
from hub.model.kustomization import Kustomization
from tests.hub.delivery.samples import DEV, EU, MANAGEMENT, US, delivery, in_fleet, prod, world

WORLD = world(MANAGEMENT, EU, US, DEV, fleets=(prod(),))
READY: dict[str, Any] = {
    "observedGeneration": 2,
    "conditions": [{"type": "Ready", "status": "True", "reason": "Ok", "message": ""}],
    "lastAppliedRevision": "main@sha1:abc",
}


def with_status(status: dict[str, Any], **spec: Any) -> Kustomization:
    raw = {
        "metadata": {"name": "infra", "namespace": "apps", "uid": "u", "generation": 2},
        "spec": {"interval": "1m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "webapp"}}
        | spec,
        "status": status,
    }
    return Kustomization.parse(raw)


def judged(dependency: Kustomization | None, *, labelled: bool = True) -> Judgement:
    spec = {"dependsOn": [{"name": "infra"}]}
    mine = in_fleet(spec=spec) if labelled else delivery(spec=spec)
    known = {}
    if dependency is not None:
        known[("apps", "infra")] = Neighbour(delivery=dependency, placed=place(dependency.metadata, WORLD))
    return judge(mine, place(mine.metadata, WORLD).placements[0], known, "main@sha1:abc")


def test_a_dependency_on_the_same_cluster_is_judged_by_the_agent() -> None:
    found = judged(in_fleet("infra"))
    assert [str(home) for home in found.by_agent] == ["Kustomization/apps/infra"]
    assert found.problem == ""


def test_one_of_a_fleet_without_this_cluster_is_waited_for() -> None:
    found = judged(in_fleet("infra"), labelled=False)
    assert found.reason == "DependencyNotPlaced"
    assert "'apps/infra' is not placed on cluster management" in found.problem


def test_one_that_does_not_exist_is_waited_for() -> None:
    assert judged(None).problem == "dependency 'apps/infra' not found"


def test_one_elsewhere_is_ready_when_its_conditions_say_so_at_the_same_revision() -> None:
    assert judged(with_status(READY)).problem == ""


def test_one_elsewhere_whose_generation_is_not_observed_is_not_ready() -> None:
    assert (
        judged(with_status(READY | {"observedGeneration": 1})).problem
        == "dependency 'apps/infra' is not ready"
    )


def test_one_elsewhere_at_an_older_revision_of_the_same_source_is_waited_for() -> None:
    found = judged(with_status(READY | {"lastAppliedRevision": "main@sha1:old"}))
    assert found.problem == "dependency 'apps/infra' revision is not up to date"


def test_revisions_of_different_sources_are_not_compared() -> None:
    other = {"kind": "GitRepository", "name": "other"}
    assert judged(with_status(READY | {"lastAppliedRevision": "x"}, sourceRef=other)).problem == ""
