"""When it is said that a delivery is on its way."""

from agent.model.report import Stage
from hub.model.standing import Problem
from hub.status.progress import Progress
from hub.status.verdict import Verdict, judge
from tests.hub.hand import Hand
from tests.hub.status.samples import NOW, PATIENCE, connected, report, standing, target


def verdict(stage: Stage) -> Verdict:
    return judge(target(), "u-1", report("eu-1", stage), connected(), patience=PATIENCE, now=NOW)


ON_THE_WAY, FAILED, READY = (verdict(stage) for stage in (Stage.APPLYING, Stage.FAILED, Stage.READY))


def left(progress: Progress, verdict: Verdict, name: str = "webapp") -> float:
    return progress.left_unsaid_s(("apps", name), standing(), [verdict])


async def test_it_is_said_after_an_interval_and_from_then_on() -> None:
    clock = Hand()
    progress = Progress(clock, interval_s=1.0)
    assert left(progress, ON_THE_WAY) == 1.0
    await clock.pass_(0.75)
    assert left(progress, ON_THE_WAY) == 0.25
    await clock.pass_(0.25)
    assert left(progress, ON_THE_WAY) == 0.0
    assert left(progress, ON_THE_WAY) == 0.0
    assert left(progress, READY) == 0.0
    assert left(progress, ON_THE_WAY) == 1.0


async def test_when_many_are_on_their_way_words_of_it_are_spread() -> None:
    clock = Hand()
    progress = Progress(clock, interval_s=1.0)
    for number in range(200):
        left(progress, ON_THE_WAY, f"app-{number}")
    await clock.pass_(5)
    assert left(progress, ON_THE_WAY, "app-0") == 5.0
    for number in range(1, 200):
        left(progress, READY, f"app-{number}")
    assert left(progress, ON_THE_WAY, "app-0") == 0.0


def test_what_has_to_be_said_is_not_kept_back() -> None:
    progress = Progress(Hand(), interval_s=1.0)
    assert left(progress, FAILED) == 0.0
    assert left(progress, READY) == 0.0
    problem = Problem(reason="BuildFailed", message="no", is_stalled=False)
    assert progress.left_unsaid_s(("apps", "webapp"), standing(problem=problem), [ON_THE_WAY]) == 0.0
