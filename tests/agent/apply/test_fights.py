"""A manager that takes a field back again and again is named until it ceases; one that did so once or long ago is not."""

from agent.apply.fights import Fight, Fights
from agent.model.names import ObjectRef

WEB = ObjectRef("apps", "Deployment", "web", "web")
FIELD = "spec.replicas"


def corrected(*times_s: float, manager: str = "kubectl-edit") -> Fights:
    fights = Fights()
    for at in times_s:
        fights.note(WEB, [FIELD], [manager], at)
    return fights


def test_three_rounds_in_five_minutes_are_a_fight_and_the_third_says_so() -> None:
    fights = corrected(0, 100)
    assert fights.going_on() == ()
    begun = fights.note(WEB, [FIELD], ["kubectl-edit"], 299)
    assert begun == fights.going_on() == (Fight(WEB, FIELD, "kubectl-edit"),)
    assert str(begun[0]) == "kubectl-edit keeps changing spec.replicas of Deployment/web/web"
    assert fights.note(WEB, [FIELD], ["kubectl-edit"], 300) == ()


def test_three_rounds_over_a_longer_time_are_none() -> None:
    assert corrected(0, 200, 400).going_on() == ()


def test_who_deletes_an_object_again_and_again_fights_too() -> None:
    fights = Fights()
    for at in range(3):
        fights.note(WEB, (), (), at)
    assert [str(one) for one in fights.going_on()] == ["somebody keeps deleting Deployment/web/web"]


def test_different_managers_are_no_fight() -> None:
    fights = Fights()
    for at, manager in enumerate(("a", "b", "c")):
        fights.note(WEB, [FIELD], [manager], at)
    assert not fights.involves(WEB)


def test_what_is_fought_over_rests_until_an_interval_after_its_last_correction() -> None:
    fights = corrected(0, 1, 2)
    assert fights.resting(600, 601) == {WEB}
    assert fights.resting(600, 602) == frozenset()
    fights.note(WEB, [FIELD], ["kubectl-edit"], 602)
    assert fights.resting(600, 603) == {WEB}


def test_a_fight_is_over_when_a_look_after_five_minutes_finds_nothing_to_correct() -> None:
    fights = corrected(0, 1, 2)
    fights.end_quiet(frozenset(), 301)
    assert fights.involves(WEB), "it was corrected just before"
    fights.end_quiet({WEB}, 500)
    assert fights.involves(WEB), "nobody looked"
    fights.end_quiet(frozenset(), 302)
    assert not fights.involves(WEB)


def test_after_a_fight_three_more_rounds_begin_another() -> None:
    fights = corrected(0, 1, 2)
    fights.end_quiet(frozenset(), 600)
    for at in (601, 602):
        assert fights.note(WEB, [FIELD], ["kubectl-edit"], at) == ()
    assert len(fights.note(WEB, [FIELD], ["kubectl-edit"], 603)) == 1
