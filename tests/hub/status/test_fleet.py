"""The status of a Fleet: how many of its clusters are ready, and the refused field when there is one."""

from typing import Any

import pytest

from hub.model.cluster import Cluster
from hub.model.fleet import Fleet, FleetStatus
from hub.model.kinds import Kind
from hub.status.fleet import FleetOutlook, fleet_status_of, selected
from hub.status.verdict import Verdict
from tests.hub.model.samples import fleet, resource
from tests.hub.status.samples import NOW, connected, failed, held, lost, ready, verdict


def cluster(name: str, **labels: str) -> Cluster:
    return Cluster.parse(resource(Kind.CLUSTER, {"id": f"id-of-{name}"}, name=name, labels=labels))


def status(*verdicts: Verdict, spec: dict[str, Any] | None = None) -> FleetStatus:
    given = Fleet.parse(resource(Kind.FLEET, fleet(**(spec or {}))))
    clusters = tuple(cluster(one.name) for one in verdicts)
    by_cluster = {one.target.id: [one] for one in verdicts}
    return fleet_status_of(FleetOutlook(fleet=given, clusters=clusters, verdicts=by_cluster, now=NOW))


def test_only_clusters_with_the_labels_are_selected() -> None:
    given = Fleet.parse(resource(Kind.FLEET, fleet()))
    assert [one.metadata.name for one in selected(given, [cluster("a", tier="prod"), cluster("b")])] == ["a"]


@pytest.mark.parametrize(
    ("verdicts", "ready_", "reason"),
    [
        ([ready("a"), ready("b")], "True", "Succeeded"),
        ([ready("a"), lost("b")], "True", "Succeeded"),
        ([ready("a"), failed("b")], "False", "ClustersFailed"),
        ([ready("a"), held("b")], "False", "PruneHeld"),
        ([lost("a")], "Unknown", "Disconnected"),
        ([], "False", "NoClusters"),
    ],
    ids=["all ready", "one away", "one failed", "one held", "all away", "none"],
)
def test_ready_counts_clusters(verdicts: list[Verdict], ready_: str, reason: str) -> None:
    (found,) = status(*verdicts).conditions
    assert (found.status, found.reason) == (ready_, reason)


def test_counts_are_by_cluster() -> None:
    found = status(ready("a"), lost("b"), failed("c")).clusters
    assert (found.matched, found.ready, found.failed, found.unknown) == (3, 1, 1, 1)


def test_nothing_is_said_while_agents_may_yet_return() -> None:
    assert status(verdict("a", None, connected(since_s=1))).conditions == ()


def test_a_refused_field_is_named() -> None:
    found = {one.type: one for one in status(ready("a"), spec={"rollout": {"maxFailures": 1}}).conditions}
    assert found["Stalled"].reason == "UnsupportedField"
    assert "spec.rollout" in found["Ready"].message
