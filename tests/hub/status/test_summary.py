"""How verdicts become Ready: one speaks for itself, several are counted, and being away never improves the result."""

from datetime import timedelta
from typing import Any

import pytest

from agent.model.report import Report, Stage
from hub.model.cluster import ClusterName
from hub.model.standing import Problem
from hub.model.wish import Presence
from hub.status.delivery import held_line
from hub.status.summary import coarse_age, next_change_s, summarize
from hub.status.verdict import Patience, State, Verdict
from tests.hub.status.samples import (
    NOW,
    away,
    bundle,
    connected,
    failed,
    held,
    lost,
    ready,
    report,
    verdict,
)

OTHER = bundle("c").digest


def test_one_placement_says_what_flux_would() -> None:
    found = summarize([ready()], NOW)
    assert found is not None
    assert (found.status, found.reason, found.message) == (
        "True",
        "ReconciliationSucceeded",
        "Applied revision: main@sha1:1",
    )


def test_a_failure_is_told_in_the_agents_words() -> None:
    found = summarize([failed(message="Deployment/apps/web is late")], NOW)
    assert found is not None
    assert (found.status, found.reason, found.message) == (
        "False",
        "HealthCheckFailed",
        "Deployment/apps/web is late",
    )


def test_several_are_counted_and_the_bad_ones_named() -> None:
    names = [f"ok-{number}" for number in range(7)]
    found = summarize([*map(ready, names), failed("eu-2"), lost("us-1", 310)], NOW)
    assert found is not None
    assert found.message.splitlines()[0] == "7/9 ready, 1 failed (eu-2), 1 disconnected (us-1, 5m)"
    assert (found.status, found.reason) == ("False", "HealthCheckFailed")


@pytest.mark.parametrize(
    ("verdicts", "status", "reason"),
    [
        ([ready("a"), ready("b")], "True", "ReconciliationSucceeded"),
        ([ready("a"), lost("b")], "True", "ReconciliationSucceeded"),
        ([lost("a"), lost("b")], "Unknown", "Disconnected"),
        ([lost("a"), failed("b")], "False", "HealthCheckFailed"),
        (
            [ready("a"), verdict("b", report("b", Stage.FAILED, reason="BuildFailed"), away(3600))],
            "False",
            "BuildFailed",
        ),
        ([ready("a"), verdict("b", report("b", Stage.APPLYING), away(3600))], "Unknown", "Progressing"),
        ([ready("a"), verdict("b", report("b", bundle=OTHER), connected())], "Unknown", "Progressing"),
        (
            [ready("a"), verdict("b", report("b", Stage.WAITING, reason="DependencyNotReady"), connected())],
            "False",
            "DependencyNotReady",
        ),
        ([failed("a", reason="One"), failed("b", reason="Two")], "False", "ReconciliationFailed"),
        ([ready("a"), held("b")], "False", "PruneHeld"),
        ([failed("a"), held("b")], "False", "HealthCheckFailed"),
        ([held("a"), verdict("b", report("b", Stage.APPLYING), connected())], "False", "PruneHeld"),
    ],
    ids=[
        "all ready",
        "a good word lapses when its cluster is away",
        "nobody is connected",
        "one failed",
        "a bad word stays when its cluster is away",
        "an unproven one stays when its cluster is away",
        "a report about another bundle proves nothing",
        "one waits",
        "different failures",
        "one is held",
        "a failure is worse than what is held",
        "what is held is not hidden by what goes on",
    ],
)
def test_several_give(verdicts: list[Verdict], status: str, reason: str) -> None:
    found = summarize(verdicts, NOW)
    assert found is not None
    assert (found.status, found.reason) == (status, reason)


def test_a_held_prune_names_the_objects_and_what_to_type() -> None:
    ids = tuple(f"apps_{number}__ConfigMap" for number in range(7))
    found = summarize([held("eu-1", *ids)], NOW)
    assert found is not None
    assert (found.status, found.reason, found.is_stalled) == ("False", "PruneHeld", True)
    assert found.message == (
        "7 objects would be deleted and stay until that is approved with `hub approve prune webapp -n apps --cluster eu-1`: "
        f"{', '.join(ids[:5])} and 2 more"
    )


def test_a_held_prune_says_what_would_go_along() -> None:
    said = report(
        "eu-1", prune_held=("_shop__Namespace",), prune_words=("Namespace/shop with 14 objects in it",)
    )
    found = verdict("eu-1", said, connected())
    assert found.message.startswith(
        "1 object (Namespace/shop with 14 objects in it) would be deleted and stay"
    )
    assert "eu-1: 1 objects (Namespace/shop with 14 objects in it) would be deleted by build" in held_line(
        found
    )


def test_what_is_held_somewhere_is_counted_and_says_what_to_type_there() -> None:
    found = summarize([ready("eu-1"), held("eu-2")], NOW)
    assert found is not None
    assert found.message.splitlines() == [
        "1/2 ready, 1 held (eu-2)",
        "eu-2: 1 object would be deleted and stay until that is approved with `hub approve prune webapp -n apps --cluster eu-2`: "
        "apps_x__ConfigMap",
    ]
    assert found.is_stalled


def test_the_same_reason_is_said_once_for_all_its_clusters() -> None:
    found = summarize([held("eu-1"), held("eu-2"), failed("us-1"), failed("us-2")], NOW)
    assert found is not None
    first, broken, kept = found.message.splitlines()
    assert first == "0/4 ready, 2 failed (us-1; us-2), 2 held (eu-1; eu-2)"
    assert broken.startswith("us-1, us-2: ")
    assert kept == (
        "eu-1, eu-2: 1 object would be deleted and stay until that is approved with `hub approve prune webapp -n apps`: "
        "apps_x__ConfigMap"
    )


def test_what_is_held_for_other_reasons_is_approved_cluster_by_cluster() -> None:
    found = summarize([held("eu-1"), held("eu-2", "apps_y__ConfigMap")], NOW)
    assert found is not None
    assert [line.partition(" would")[0] for line in found.message.splitlines()[1:]] == [
        "eu-1: 1 object",
        "eu-2: 1 object",
    ]
    assert found.message.count("--cluster") == 2


def test_nothing_is_stalled_while_another_cluster_is_on_its_way() -> None:
    found = summarize([held("a"), verdict("b", report("b", Stage.APPLYING), connected())], NOW)
    assert found is not None
    assert not found.is_stalled


@pytest.mark.parametrize(
    ("of", "in_", "command"),
    [
        ("flux-system", "flux-system", "hub approve prune webapp --cluster eu-1`"),
        ("flux-system", "edge", "hub approve prune webapp`"),
        ("apps", "edge", "hub approve prune webapp -n apps`"),
    ],
    ids=["where commands look by themselves", "its cluster is elsewhere", "both are elsewhere"],
)
def test_what_is_to_be_typed_finds_the_delivery(of: str, in_: str, command: str) -> None:
    where: dict[str, Any] = {"cluster": ClusterName(namespace=in_, name="eu-1"), "hub_namespace": of}
    assert command in verdict("eu-1", report(prune_held=("x",)), connected(), **where).message


def test_an_agent_that_is_away_is_believed_for_a_while() -> None:
    assert lost(for_s=59).state is State.READY
    assert lost(for_s=61).state is State.DISCONNECTED


@pytest.mark.parametrize("presence", [None, away(-3600)], ids=["since the start", "since it went"])
def test_a_clock_that_was_put_back_makes_nobody_be_believed_for_longer(presence: Presence | None) -> None:
    patience = Patience(began=NOW + timedelta(hours=1), unknown_after=timedelta(seconds=60))
    assert patience.has_lapsed(presence, NOW)


def test_a_report_of_another_object_of_that_name_is_no_word_on_this_one() -> None:
    found = verdict("eu-1", report("eu-1", uid="u-old"), connected())
    assert found.state is State.PROGRESSING


def test_what_was_known_stays_while_the_agent_may_yet_tell() -> None:
    just_came = verdict("eu-1", None, connected(since_s=5))
    assert just_came.state is State.UNTOLD
    assert summarize([just_came], NOW) is None


def test_what_is_new_in_a_cluster_is_on_its_way_however_lately_its_agent_came() -> None:
    assert verdict("eu-1", None, connected(since_s=5, has_it=False)).state is State.PROGRESSING


@pytest.mark.parametrize("written", ["Progressing", "Waiting", "Failed", "PruneHeld"])
@pytest.mark.parametrize("presence", [away(3600), None], ids=["in this hub's life", "before this hub began"])
def test_a_cluster_that_goes_away_before_it_proved_anything_stays_in_the_count(
    presence: Presence | None, written: str
) -> None:
    silent = verdict("b", None, presence, written=written)
    found = summarize([ready("a"), silent], NOW)
    assert found is not None
    assert (found.status, found.reason) == ("Unknown", "Progressing")
    alone = summarize([silent], NOW)
    assert alone is not None
    assert (alone.status, alone.reason) == ("Unknown", "Disconnected")


@pytest.mark.parametrize("written", ["", "Disconnected"], ids=["it was in step", "it was away already"])
@pytest.mark.parametrize(
    "said", [None, report("b", bundle=OTHER)], ids=["nothing was heard", "of another build"]
)
def test_what_changes_while_a_cluster_is_away_does_not_wait_for_it(said: Report | None, written: str) -> None:
    found = summarize([ready("a"), verdict("b", said, away(3600), written=written)], NOW)
    assert found is not None
    assert found.message == "1/2 ready, 1 disconnected (b, 1h)"
    assert found.status == "True"


def test_what_hinders_the_hub_does_not_lapse_with_the_cluster() -> None:
    trouble = Problem(reason="BuildFailed", message="SIZE is not set")
    found = summarize([ready("a"), verdict("b", None, away(3600), problem=trouble)], NOW)
    assert found is not None
    assert (found.status, found.reason) == ("False", "BuildFailed")


def test_an_agent_that_stays_silent_is_not_waited_for_forever() -> None:
    assert verdict("eu-1", None, connected(since_s=61)).state is State.PROGRESSING


def test_a_problem_of_one_cluster_is_its_own() -> None:
    trouble = Problem(reason="BuildFailed", message="SIZE is not set")
    found = summarize([ready("a"), verdict("b", report("b"), connected(), problem=trouble)], NOW)
    assert found is not None
    assert found.message == "1/2 ready, 1 failed (b)\nb: SIZE is not set"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "<1m"), (60, "1m"), (299, "1m"), (1800, "30m"), (7200, "1h"), (90000, "1d"), (200000, "2d")],
)
def test_ages_move_in_growing_steps(seconds: float, text: str) -> None:
    assert coarse_age(seconds) == text
    assert coarse_age(seconds + next_change_s(seconds)) != text
