from typing import Any

import pytest

from agent.model.assignment import DeletionPolicy
from hub.model import annotations as names
from hub.model.cluster import Cluster, ClusterName, Tombstone, cluster_of_namespace
from hub.model.fleet import DeliveryRef, Fleet, OnLeave, PruneLimit
from hub.model.gitrepository import GitRepository
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization
from hub.model.metadata import Uid
from hub.model.source import READY_RULE
from hub.model.value import MalformedResource, raw
from tests.hub.model import samples

WEBAPP = DeliveryRef(kind="Kustomization", name="webapp")


def kustomization(**spec: Any) -> Kustomization:
    return Kustomization.parse(samples.resource(Kind.KUSTOMIZATION, samples.kustomization(**spec)))


def fleet(**spec: Any) -> Fleet:
    return Fleet.parse(samples.resource(Kind.FLEET, samples.fleet(**spec)))


@pytest.mark.parametrize(
    ("spec", "detail"),
    [
        pytest.param({}, "missing required field `interval`", id="nothing"),
        pytest.param(samples.git(interval="10"), "'10' is not a duration", id="a number without a unit"),
        pytest.param(samples.git(interval=5), "at `spec.interval`", id="a number for a text"),
        pytest.param(samples.git(url=["a"]), "at `spec.url`", id="a list for a text"),
        pytest.param(samples.git(provider="gitlab"), "'gitlab'", id="a word outside the set"),
        pytest.param(["a"], "at `spec`", id="a list for the spec"),
    ],
)
def test_what_is_malformed_is_named_with_object_and_field(spec: Any, detail: str) -> None:
    with pytest.raises(MalformedResource) as caught:
        GitRepository.parse(samples.resource(Kind.GIT_REPOSITORY, spec))
    assert str(caught.value).startswith("GitRepository apps/webapp is malformed: ")
    assert detail in str(caught.value)
    assert (caught.value.namespace, caught.value.name) == ("apps", "webapp")


@pytest.mark.parametrize("whole", [{}, {"metadata": 5}, {"metadata": {"name": 5}, "spec": {}}])
def test_an_object_without_a_name_is_malformed_too(whole: dict[str, Any]) -> None:
    with pytest.raises(MalformedResource):
        Cluster.parse(whole)


def test_null_is_as_good_as_absent() -> None:
    found = GitRepository.parse(
        samples.resource(Kind.GIT_REPOSITORY, samples.git(suspend=None, ref=None), labels=None)
    )
    assert not found.spec.suspend
    assert found.metadata.labels == {}
    assert found.raw_spec == samples.git()


def test_the_raw_spec_is_a_copy_of_its_own() -> None:
    whole = samples.resource(Kind.KUSTOMIZATION, samples.kustomization(patches=[{"patch": "a"}]))
    found = Kustomization.parse(whole)
    whole["spec"]["patches"][0]["patch"] = "b"
    assert found.raw_spec == samples.kustomization(patches=[{"patch": "a"}])


def test_what_a_newer_schema_adds_is_kept_in_the_raw_spec_only() -> None:
    assert kustomization(future={"a": 1}).raw_spec["future"] == {"a": 1}


def test_fields_of_v1beta2_are_read() -> None:
    found = kustomization(
        patchesStrategicMerge=[{"kind": "ConfigMap"}],
        patchesJson6902=[
            {"patch": [{"op": "add", "path": "/a", "value": [1]}], "target": {"kind": "ConfigMap"}}
        ],
        validation="client",
    )
    assert found.spec.patches_strategic_merge == ({"kind": "ConfigMap"},)
    assert found.spec.patches_json6902[0].patch == ({"op": "add", "path": "/a", "value": [1]},)


@pytest.mark.parametrize(
    ("spec", "timeout", "retry"),
    [
        ({}, "9m30s", "10m0s"),
        ({"interval": "40s"}, "30s", "40s"),
        ({"timeout": "5s"}, "30s", "10m0s"),
        ({"timeout": "1h", "retryInterval": "1m"}, "1h0m0s", "1m0s"),
    ],
)
def test_times_follow_from_the_interval(spec: dict[str, Any], timeout: str, retry: str) -> None:
    found = kustomization(**spec).spec
    assert (str(found.effective_timeout), str(found.retry_after)) == (timeout, retry)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"labels": {names.FLEET: "prod"}}, "prod"),
        ({"annotations": {names.FLEET: "prod"}}, "prod"),
        ({"labels": {names.FLEET: "prod"}, "annotations": {names.FLEET: "test"}}, "prod"),
        ({"labels": {names.FLEET: ""}}, None),
        ({}, None),
    ],
)
def test_a_fleet_is_named_by_label_or_annotation(metadata: dict[str, Any], expected: str | None) -> None:
    found = Kustomization.parse(samples.resource(Kind.KUSTOMIZATION, samples.kustomization(), **metadata))
    assert found.fleet == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("fleet-system.eu-1", ClusterName(namespace="fleet-system", name="eu-1")),
        ("fleet-system.eu.west", ClusterName(namespace="fleet-system", name="eu.west")),
        ("eu-1", None),
        (".eu-1", None),
        ("fleet-system.", None),
    ],
)
def test_the_label_of_a_namespace_names_a_cluster(label: str, expected: ClusterName | None) -> None:
    assert cluster_of_namespace(label) == expected


def test_a_cluster_needs_no_spec() -> None:
    found = Cluster.parse({"kind": "Cluster", "metadata": {"name": "eu-1"}})
    assert found.spec.id is None
    assert found.status.session.term == 0


def test_a_tombstone_comes_back_as_it_was_written() -> None:
    stone = Tombstone(
        kind="Kustomization",
        namespace="apps",
        name="webapp",
        uid=Uid("u-1"),
        deletion_policy=DeletionPolicy.DELETE,
        time="2026-01-31T09:00:00Z",
    )
    whole = samples.resource(Kind.CLUSTER, {}) | {"status": {"tombstones": [raw(stone)]}}
    assert Cluster.parse(whole).status.tombstones == (stone,)


def test_overrides_apply_first_to_last_where_they_match() -> None:
    found = fleet(
        overrides=[
            {"substitute": {"REPLICAS": "1", "ZONE": "any"}},
            {"clusterSelector": {"matchLabels": {"region": "eu"}}, "substitute": {"REPLICAS": "5"}},
            {"deliveries": [{"kind": "Kustomization", "name": "other"}], "substitute": {"REPLICAS": "9"}},
        ]
    )
    assert found.spec.on_leave is OnLeave.KEEP
    assert found.substitutes_for(WEBAPP, {"region": "eu"}) == {"REPLICAS": "5", "ZONE": "any"}
    assert found.substitutes_for(WEBAPP, {"region": "us"}) == {"REPLICAS": "1", "ZONE": "any"}


@pytest.mark.parametrize(
    ("limit", "pruned", "held", "expected"),
    [
        pytest.param("50%", 10, 20, False, id="half is not more than half"),
        pytest.param("50%", 11, 20, True, id="more than half"),
        pytest.param("50%", 9, 9, False, id="fewer than ten are no matter"),
        pytest.param("50%", 10, 10, True, id="ten of ten"),
        pytest.param("100%", 1000, 1000, False, id="everything may go"),
        pytest.param("0%", 10, 1000, True, id="a share of nothing"),
        pytest.param(3, 3, 100, False, id="a number reached"),
        pytest.param(3, 4, 100, True, id="a number exceeded"),
        pytest.param("3", 4, 100, True, id="a number written as text"),
    ],
)
def test_a_prune_beyond_the_limit_is_held_back(
    limit: int | str, pruned: int, held: int, expected: bool
) -> None:
    assert fleet(pruneLimit=limit).prune_limit.holds_back(pruned, held) == expected


@pytest.mark.parametrize("limit", ["101%", "half", -1, "5 %", ""])
def test_another_prune_limit_is_malformed(limit: int | str) -> None:
    with pytest.raises(MalformedResource, match=r"spec\.pruneLimit"):
        fleet(pruneLimit=limit)


def test_the_default_prune_limit_is_half() -> None:
    assert fleet().prune_limit == PruneLimit(percent=50)


def test_artifact_outdated_decides_before_the_stored_artifact() -> None:
    types = READY_RULE.types
    assert types.index("ArtifactOutdated") < types.index("ArtifactInStorage") < types.index("Stalled")
    assert set(types) - READY_RULE.negative == {"ArtifactInStorage", "SourceVerified"}
