"""The status of a Kustomization: what Flux would write for one placement, and the same again from the same words."""

from datetime import timedelta
from typing import Any

import pytest

from agent.model.report import Report, Stage
from agent.model.report import Verdict as Word
from hub.model.conditions import Conditions
from hub.model.kustomization import KustomizationStatus
from hub.model.standing import Problem, Standing
from hub.model.value import raw
from hub.status.delivery import Outlook, status_of
from hub.status.verdict import State, Verdict
from tests.hub.status.samples import (
    NOW,
    bundle,
    connected,
    delivery,
    failed,
    held,
    lost,
    ready,
    report,
    standing,
    verdict,
)

OK: dict[str, Any] = {
    "type": "Ready",
    "status": "True",
    "reason": "ReconciliationSucceeded",
    "message": "before",
}


def status(
    *verdicts: Verdict, before: dict[str, Any] | None = None, stands: Standing | None = None, **metadata: Any
) -> KustomizationStatus:
    given = stands or standing(*(one.target for one in verdicts))
    return status_of(
        Outlook(delivery=delivery(before, **metadata), standing=given, verdicts=verdicts, now=NOW)
    )


def conditions(found: KustomizationStatus) -> dict[str, tuple[str, str]]:
    return {one.type: (str(one.status), one.reason) for one in found.conditions}


@pytest.mark.parametrize(
    ("tried", "before", "origin"),
    [
        pytest.param("main@sha1:1", {}, "main@sha1:abc", id="the revision that was tried last"),
        pytest.param("main@sha1:2", {}, "", id="another, of which nobody knows"),
        pytest.param(
            "main@sha1:2",
            {"lastAppliedRevision": "main@sha1:1", "lastAppliedOriginRevision": "main@sha1:old"},
            "main@sha1:old",
            id="another, as it was written before",
        ),
    ],
)
def test_the_origin_of_what_is_applied_is_written(tried: str, before: dict[str, str], origin: str) -> None:
    told = standing(ready().target, revision=tried, origin_revision="main@sha1:abc")
    found = status(ready(), stands=told, before=before)
    assert (found.last_applied_revision, found.last_applied_origin_revision) == ("main@sha1:1", origin)
    is_known = tried == "main@sha1:1"
    assert found.history[0].metadata.get("originRevision") == ("main@sha1:abc" if is_known else None)


def test_ready_is_written_as_flux_writes_it() -> None:
    found = status(
        verdict("eu-1", report("eu-1", healthy=True, health_message="Health check passed in 2s"), connected())
    )
    assert conditions(found) == {
        "Ready": ("True", "ReconciliationSucceeded"),
        "Healthy": ("True", "Succeeded"),
    }
    assert found.observed_generation == 2
    assert (found.last_applied_revision, found.last_attempted_revision) == ("main@sha1:1", "main@sha1:1")
    assert found.inventory is not None
    assert [one.id for one in found.inventory.entries] == ["apps_a__ConfigMap", "apps_b__ConfigMap"]


def test_the_same_words_again_change_nothing() -> None:
    first = status(ready())
    again = status_of(
        Outlook(
            delivery=delivery(raw(first)),
            standing=standing(),
            verdicts=(ready(),),
            now=NOW + timedelta(hours=1),
        )
    )
    assert again == first


def test_a_failure_keeps_the_applied_revision_and_the_generation() -> None:
    before = {"lastAppliedRevision": "main@sha1:0", "observedGeneration": 1}
    found = status(failed(), before=before)
    assert conditions(found) == {
        "Ready": ("False", "HealthCheckFailed"),
        "Reconciling": ("True", "ProgressingWithRetry"),
    }
    assert (found.last_applied_revision, found.observed_generation) == ("main@sha1:0", 1)


def test_a_failed_health_check_is_told_twice() -> None:
    bad = verdict(
        "eu-1",
        report("eu-1", Stage.FAILED, reason="HealthCheckFailed", healthy=False, health_message="late"),
        connected(),
    )
    assert conditions(status(bad))["Healthy"] == ("False", "HealthCheckFailed")


def test_progress_makes_ready_unknown() -> None:
    found = status(verdict("eu-1", report("eu-1", Stage.APPLYING), connected()), before={"conditions": [OK]})
    assert conditions(found) == {"Ready": ("Unknown", "Progressing"), "Reconciling": ("True", "Progressing")}


def test_a_word_on_the_same_build_by_the_spec_as_it_was_is_no_word_on_the_spec_as_it_is() -> None:
    before = verdict(said=report(generation=1), presence=connected(), generation=2)
    assert (before.state, before.reason) == (State.PROGRESSING, "Progressing")
    assert verdict(said=report(generation=2), presence=connected(), generation=2).state is State.READY


def test_a_new_delivery_is_in_progress_before_anybody_told_of_it() -> None:
    found = status(verdict("eu-1", None, connected(since_s=5)))
    assert conditions(found)["Ready"] == ("Unknown", "Progressing")


def test_what_was_said_stays_until_the_agent_can_have_returned() -> None:
    found = status(verdict("eu-1", None, connected(since_s=5)), before={"conditions": [OK]})
    assert conditions(found) == {"Ready": ("True", "ReconciliationSucceeded")}


@pytest.mark.parametrize(
    ("said", "ready_"),
    [
        (report(), ("True", "ReconciliationSucceeded")),
        (
            report(stage=Stage.FAILED, reason="HealthCheckFailed", message="late"),
            ("False", "HealthCheckFailed"),
        ),
        (report(generation=1), ("True", "before")),
    ],
    ids=["as it was", "it got worse", "of another spec"],
)
def test_of_a_build_that_cannot_be_had_the_agents_word_counts(said: Report, ready_: tuple[str, str]) -> None:
    first = status(ready())
    before = raw(first) if ready_[1] != "before" else {"conditions": [OK | {"reason": "before"}]}
    found = status(verdict("eu-1", said, connected(), bundle=None, was_applied=True), before=before)
    assert conditions(found)["Ready"] == ready_
    if ready_[1] == "ReconciliationSucceeded":
        assert found == first


def test_a_cluster_that_is_away_makes_ready_unknown() -> None:
    found = status(lost(), before={"conditions": [OK]})
    assert conditions(found) == {"Ready": ("Unknown", "Disconnected")}


def test_a_stalled_delivery_says_so_and_observes_its_generation() -> None:
    problem = Problem(reason="UnsupportedField", message="spec.kubeConfig", is_stalled=True)
    found = status(ready(), stands=standing(problem=problem))
    assert conditions(found) == {
        "Ready": ("False", "UnsupportedField"),
        "Stalled": ("True", "UnsupportedField"),
    }
    assert found.observed_generation == 2


def test_a_failed_build_does_not_observe_the_generation() -> None:
    problem = Problem(reason="BuildFailed", message="kustomize build failed")
    found = status(ready(), stands=standing(problem=problem))
    assert conditions(found) == {
        "Ready": ("False", "BuildFailed"),
        "Reconciling": ("True", "ProgressingWithRetry"),
    }
    assert found.observed_generation == -1


def test_the_inventory_is_the_bundle_with_the_agents_exceptions() -> None:
    said = report(
        "eu-1", inventory_missing=("apps_b__ConfigMap",), inventory_extra={"apps_old__ConfigMap": "v1"}
    )
    found = status(verdict("eu-1", said, connected()))
    assert found.inventory is not None
    assert [one.id for one in found.inventory.entries] == ["apps_a__ConfigMap", "apps_old__ConfigMap"]


def test_several_clusters_share_the_bases_entries() -> None:
    found = status(ready("a"), ready("b"))
    assert found.inventory is not None
    assert len(found.inventory.entries) == 2


def test_a_held_prune_lists_what_would_go_and_the_build_to_approve() -> None:
    found = Conditions(items=status(held()).conditions).get("PruneHeld")
    assert found is not None
    assert "apps_x__ConfigMap" in found.message
    assert bundle("a", "b").digest in found.message


def test_what_is_held_is_not_ready_and_whoever_waits_is_told_that_it_ends_there() -> None:
    before = {"lastAppliedRevision": "main@sha1:0", "observedGeneration": 1, "conditions": [OK]}
    found = status(held(), before=before)
    assert conditions(found) == {
        "Ready": ("False", "PruneHeld"),
        "Stalled": ("True", "PruneHeld"),
        "PruneHeld": ("True", "PruneHeld"),
    }
    assert (found.observed_generation, found.last_applied_revision) == (2, "main@sha1:0")
    approved = status(ready(), before=raw(found))
    assert conditions(approved) == {"Ready": ("True", "ReconciliationSucceeded")}
    assert approved.last_applied_revision == "main@sha1:1"


def test_who_takes_fields_back_is_told() -> None:
    fight = Word(id="apps_a__ConfigMap", reason="operator", message="operator takes back .data.x")
    found = status(verdict("eu-1", report("eu-1", fights=(fight,)), connected()))
    assert conditions(found)["DriftContested"] == ("True", "FieldsContested")


REQUEST: Any = {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}


@pytest.mark.parametrize(
    ("verdicts", "handled"),
    [
        ([verdict("a", report("a", handled={"reconcile": "now"}), connected())], "now"),
        ([verdict("a", report("a", handled={"reconcile": "before"}), connected())], ""),
        ([verdict("a", report("a", handled={"reconcile": "now"}), connected()), ready("b")], ""),
        ([verdict("a", report("a", handled={"reconcile": "now"}), connected()), lost("b")], "now"),
    ],
    ids=["the only one answered", "not yet", "one of two", "one is away"],
)
def test_a_request_is_handled_when_every_connected_agent_answered(
    verdicts: list[Verdict], handled: str
) -> None:
    assert status(*verdicts, **REQUEST).last_handled_reconcile_at == handled


def test_a_request_is_handled_when_the_hub_itself_cannot_go_on() -> None:
    problem = Problem(reason="BuildFailed", message="no")
    assert status(ready(), stands=standing(problem=problem), **REQUEST).last_handled_reconcile_at == "now"


def test_history_counts_what_ended_alike_and_keeps_five() -> None:
    found = status(ready())
    for number in range(6):
        other = bundle(f"n-{number}")
        now = verdict(
            "eu-1", report("eu-1", bundle=other.digest), connected(), bundle=other, revision=f"r{number}"
        )
        found = status(now, before=raw(found))
    assert len(found.history) == 5
    back = status(
        verdict(
            "eu-1",
            report("eu-1", bundle=bundle("n-3").digest),
            connected(),
            bundle=bundle("n-3"),
            revision="r9",
        ),
        before=raw(found),
    )
    assert len(back.history) == 5
    assert (back.history[0].total_reconciliations, back.history[0].metadata["revision"]) == (2, "r9")


def test_a_request_to_a_suspended_delivery_is_handled_by_doing_nothing() -> None:
    asked = {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}
    resting = verdict("eu-1", report("eu-1", Stage.SUSPENDED), connected())
    found = status(resting, stands=standing(resting.target, is_suspended=True), **asked)
    assert found.last_handled_reconcile_at == "now"
