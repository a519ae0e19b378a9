"""A manager that takes a field back again and again is named; one that did so once or long ago is not."""

from agent.apply.fights import Fights
from agent.model.names import ObjectRef

WEB = ObjectRef("apps", "Deployment", "web", "web")


def corrected(*times_s: float, manager: str = "kubectl-edit", field: str = "spec.replicas") -> Fights:
    fights = Fights()
    for at in times_s:
        fights.note(WEB, [field], [manager], at)
    return fights


def test_three_rounds_in_five_minutes_are_a_fight() -> None:
    (fight,) = corrected(0, 100, 299).going_on(300)
    assert str(fight) == "kubectl-edit keeps changing spec.replicas of Deployment/web/web"


def test_two_rounds_are_none() -> None:
    assert corrected(0, 100).going_on(101) == ()


def test_three_rounds_over_a_longer_time_are_none() -> None:
    assert corrected(0, 200, 400).going_on(400) == ()


def test_a_fight_is_over_when_nothing_happened_for_five_minutes() -> None:
    fights = corrected(0, 1, 2)
    assert fights.involves(WEB, 302)
    assert not fights.involves(WEB, 303)


def test_different_managers_are_no_fight() -> None:
    fights = Fights()
    for at, manager in enumerate(("a", "b", "c")):
        fights.note(WEB, ["spec.replicas"], [manager], at)
    assert not fights.involves(WEB, 3)
