"""The status of a Cluster: connected or since when not, how its deliveries stand, and which are behind."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from agent.model.names import HomeName
from agent.model.report import Stage
from hub.model.cluster import Cluster, ClusterStatus
from hub.model.standing import Problem
from hub.model.value import raw
from hub.model.wish import Presence
from hub.status.cluster import ClusterOutlook, cluster_status_of, written_state
from hub.status.verdict import Patience, Verdict
from tests.hub.status.samples import (
    BUNDLE,
    HOME,
    NOW,
    PATIENCE,
    away,
    connected,
    failed,
    held,
    ready,
    report,
    told,
    verdict,
)

ENROLLED: dict[str, Any] = {"type": "Enrolled", "status": "True", "reason": "KeyRegistered", "message": ""}


def cluster(status: dict[str, Any] | None = None, **metadata: Any) -> Cluster:
    return Cluster.parse(
        {
            "metadata": {"name": "eu-1", "namespace": "apps", "uid": "u", "generation": 3} | metadata,
            "spec": {"id": "id-of-eu-1"},
            "status": {"conditions": [ENROLLED]} | (status or {}),
        }
    )


def status(
    *verdicts: Verdict,
    presence: Presence | None = None,
    one: Cluster | None = None,
    resting: frozenset[HomeName] = frozenset(),
    later_s: float = 0,
    patience: Patience = PATIENCE,
) -> ClusterStatus:
    return cluster_status_of(
        ClusterOutlook(
            cluster=one or cluster(),
            presence=presence,
            verdicts=verdicts,
            resting=resting,
            patience=patience,
            now=NOW + timedelta(seconds=later_s),
        )
    )


def conditions(found: ClusterStatus) -> dict[str, tuple[str, str]]:
    return {one.type: (str(one.status), one.reason) for one in found.conditions}


def test_a_connected_cluster_with_everything_in_step_is_ready() -> None:
    found = status(ready(), presence=connected())
    assert conditions(found)["Connected"] == ("True", "SessionOpen")
    assert conditions(found)["Ready"] == ("True", "Succeeded")
    assert (found.counts.assigned, found.counts.in_step, found.not_in_step) == (1, 1, ())
    assert (found.versions.agent, found.last_seen, found.observed_generation) == ("1.0", told(NOW), 3)


def test_a_cluster_that_is_away_is_not_connected_and_not_known_to_be_ready() -> None:
    found = status(presence=away(120))
    assert conditions(found)["Connected"] == ("False", "Disconnected")
    assert conditions(found)["Ready"] == ("Unknown", "Disconnected")


def test_an_agent_that_was_away_until_its_certificate_ended_is_enrolled_no_more() -> None:
    one = cluster({"certificate": {"keyFingerprint": "k", "notAfter": told(NOW + timedelta(hours=1))}})
    found = status(presence=away(120), one=one)
    assert conditions(found)["Enrolled"] == ("True", "KeyRegistered")
    found = status(presence=away(120), one=one, later_s=3600)
    assert conditions(found)["Enrolled"] == ("False", "CertificateExpired")
    assert any("recovers by itself when it comes back" in one.message for one in found.conditions)


def test_a_short_absence_changes_nothing() -> None:
    first = status(ready(), presence=connected())
    found = status(ready(), presence=away(5), one=cluster(raw(first)))
    assert conditions(found) == conditions(first)


def test_a_cluster_without_an_agent_says_what_to_do() -> None:
    found = status(one=cluster({"conditions": []}))
    assert conditions(found)["Enrolled"] == ("False", "NoAgent")
    assert conditions(found)["Connected"] == ("False", "Disconnected")


def test_a_delivery_of_which_nothing_is_known_is_believed_for_a_while_and_then_not_known() -> None:
    before = cluster(raw(status(ready(), presence=connected())))
    untold = verdict("eu-1", None, connected(), bundle=None)
    began = Patience(began=NOW, unknown_after=timedelta(seconds=60))
    found = status(untold, presence=connected(), one=before, patience=began)
    assert conditions(found)["Ready"] == ("True", "Succeeded")
    assert [one.message for one in found.conditions if one.type == "Ready"] == ["1/1 deliveries in step"]
    found = status(untold, presence=connected(), one=before)
    assert conditions(found)["Ready"] == ("Unknown", "DeliveriesUnknown")
    assert found.counts == before.status.counts


def test_what_is_behind_has_a_row_with_the_time_it_began() -> None:
    first = status(failed(), presence=connected())
    (row,) = first.not_in_step
    assert (row.name, row.state, row.reason, row.message) == (
        "webapp",
        "Failed",
        "HealthCheckFailed",
        "it broke",
    )
    again = status(failed(), presence=connected(), one=cluster(raw(first)), later_s=30)
    assert again.not_in_step == first.not_in_step
    assert conditions(first)["Ready"] == ("False", "DeliveriesFailed")


def test_a_held_prune_is_a_row_that_names_the_build() -> None:
    found = status(held(), presence=connected())
    (row,) = found.not_in_step
    assert (row.state, row.reason) == ("PruneHeld", "PruneHeld")
    assert f"build {BUNDLE.digest}" in row.message
    assert "hub approve prune webapp -n apps --cluster eu-1" in row.message
    assert (found.counts.held, found.counts.in_step) == (1, 0)
    assert conditions(found)["Ready"] == ("False", "PruneHeld")


def test_a_row_is_remembered_of_what_was_on_its_way_when_the_list_is_cut() -> None:
    def homes(state: str, count: int) -> list[dict[str, Any]]:
        row = {"kind": "Kustomization", "namespace": "apps", "state": state, "since": told(NOW)}
        return [row | {"name": f"{state}-{number}"} for number in range(count)]

    def written(*rows: dict[str, Any]) -> str:
        return written_state(cluster({"notInStep": list(rows)}).status, HOME)

    assert written() == ""
    assert written(*homes("Failed", 2)) == ""
    assert written({**homes("Waiting", 1)[0], "name": "webapp"}) == "Waiting"
    assert written(*homes("Failed", 60), *homes("Progressing", 40)) == "Progressing"
    assert written(*homes("Failed", 60), *homes("Disconnected", 40)) == ""


def test_what_is_merely_disconnected_is_cut_first() -> None:
    bad = verdict(said=report(stage=Stage.WAITING), presence=connected())
    gone = [verdict(presence=away(3600), home=replace(HOME, name=f"a-{number}")) for number in range(100)]
    rows = status(*gone, bad, presence=connected()).not_in_step
    assert [one.state for one in rows] == ["Waiting", *["Disconnected"] * 99]


def test_last_seen_moves_only_with_what_is_written_anyway() -> None:
    first = status(ready(), presence=connected())
    quiet = status(ready(), presence=connected(), one=cluster(raw(first)), later_s=20)
    assert quiet == first
    earlier = msgspec.structs.replace(first, last_seen=told(NOW - timedelta(hours=1)))
    assert status(ready(), presence=connected(), one=cluster(raw(earlier))) == earlier
    assert status(failed(), presence=connected(), one=cluster(raw(earlier))).last_seen == told(NOW)


def test_the_end_of_a_session_says_when_the_agent_was_last_heard_of() -> None:
    first = status(ready(), presence=connected(), one=cluster({"lastSeen": told(NOW - timedelta(hours=1))}))
    found = status(ready(), presence=away(5), one=cluster(raw(first)))
    assert found.last_seen == told(NOW - timedelta(seconds=5))


def test_an_agent_that_did_not_come_back_after_the_start_is_missed_since_then() -> None:
    was_there = status(ready(), presence=connected())
    found = status(one=cluster(raw(was_there)))
    (said,) = [one for one in found.conditions if one.type == "Connected"]
    assert said.status == "False"
    assert f"since this hub began at {told(PATIENCE.began)}" in said.message
    again = status(one=cluster(raw(status(presence=away(120)))))
    (kept,) = [one for one in again.conditions if one.type == "Connected"]
    assert f"since {told(NOW - timedelta(seconds=120))}" in kept.message


def test_the_same_words_again_change_nothing() -> None:
    first = status(ready(), failed(), presence=connected())
    assert status(ready(), failed(), presence=connected(), one=cluster(raw(first)), later_s=20) == first


def test_an_identity_conflict_is_what_ready_says() -> None:
    conflict = {
        "type": "IdentityConflict",
        "status": "True",
        "reason": "IdentityConflict",
        "message": "twice",
    }
    found = status(presence=connected(), one=cluster({"conditions": [ENROLLED, conflict]}))
    assert conditions(found)["Ready"] == ("False", "IdentityConflict")


ASKED = {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}


def answering(token: str) -> Verdict:
    return verdict("eu-1", report("eu-1", handled={"reconcile-cluster": token}), connected())


def handled(*verdicts: Verdict, presence: Presence | None = None, **more: Any) -> str:
    return status(
        *verdicts, presence=presence or connected(), one=cluster(**ASKED), **more
    ).last_handled_reconcile_at


def test_a_request_to_reconcile_a_cluster_is_handled_when_every_delivery_there_has_answered() -> None:
    assert handled(answering("before")) == ""
    assert handled(answering("now"), answering("before")) == ""
    assert handled(answering("now"), answering("now")) == "now"
    assert handled() == "now"


def test_a_request_to_reconcile_a_cluster_does_not_wait_for_what_cannot_be_asked() -> None:
    hindered = verdict("eu-1", None, connected(), problem=Problem(reason="BuildFailed", message="x"))
    assert handled(hindered, answering("now")) == "now"
    assert handled(answering("before"), resting=frozenset({HOME})) == "now"


def test_a_request_to_reconcile_a_cluster_waits_for_its_agent() -> None:
    assert handled(answering("now"), presence=away(5)) == ""
    assert handled(answering("now"), presence=away(120)) == ""


def test_a_refused_field_stalls_the_cluster_until_it_is_gone() -> None:
    odd = msgspec.structs.replace(cluster(), raw_spec={"sync": {"path": "./"}})
    found = status(presence=connected(), one=odd)
    assert conditions(found)["Stalled"] == ("True", "UnsupportedField")
    assert conditions(found)["Ready"] == ("False", "UnsupportedField")
    again = status(presence=connected(), one=cluster(raw(found)))
    assert "Stalled" not in conditions(again)
