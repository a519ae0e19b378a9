"""Server-side apply: what is merged, taken, given up, refused, and who owns it then."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sandbox.fields import (
    ApplyConflict,
    BadApply,
    BadManagedFields,
    TypedError,
    apply,
    fields_of,
    from_v1,
    update,
)
from hub.sandbox.fields.writes import LAST_APPLIED
from hub.sandbox.schema import with_always
from tests.hub.sandbox.fields.samples import DEPLOYMENT, SPEC, WIDGET, by, owners, stored, time, times, widget


def deployment(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "apps"},
        "spec": spec,
    }


def test_the_first_apply_makes_the_object_and_owns_what_it_names() -> None:
    made = apply(None, widget(labels={"a": "1"}, replicas=2, tags=["x"]), by("flux", 5))

    assert made["spec"] == {"replicas": 2, "tags": ["x"]}
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "flux",
            "operation": "Apply",
            "apiVersion": "example.dev/v1",
            "time": time(5),
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:a": {}}},
                "f:spec": {"f:replicas": {}, "f:tags": {'v:"x"': {}}},
            },
        }
    ]


def test_a_first_apply_of_a_built_in_kind_has_the_structs_of_its_kind() -> None:
    made = apply(None, deployment(replicas=1), by("flux", of=DEPLOYMENT, version="apps/v1"))

    assert (made["status"], made["spec"]["strategy"]) == ({}, {})
    assert owners(made) == {"flux/Apply": {"f:spec": {"f:replicas": {}}}}


def test_what_others_own_and_is_equal_is_shared() -> None:
    one = apply(None, widget(replicas=2), by("a", 1))
    both = apply(stored(one), widget(replicas=2), by("b", 2))

    assert owners(both) == {
        "a/Apply": {"f:spec": {"f:replicas": {}}},
        "b/Apply": {"f:spec": {"f:replicas": {}}},
    }


def test_an_apply_that_changes_no_value_has_no_time() -> None:
    one = apply(None, widget(replicas=2), by("a", 1))

    assert times(apply(stored(one), widget(replicas=2), by("b", 2))) == {"a": time(1), "b": None}
    assert times(apply(stored(one), widget(replicas=2), by("a", 2))) == {"a": time(1)}


def test_an_apply_that_changes_a_value_has_the_present_time() -> None:
    one = apply(None, widget(replicas=2), by("a", 1))

    assert times(apply(stored(one), widget(replicas=2, text="x"), by("a", 2))) == {"a": time(2)}


def test_one_conflict_is_told_in_the_servers_words() -> None:
    live = update(None, widget(replicas=2), by("kubectl-client-side-apply"))

    with pytest.raises(ApplyConflict) as refused:
        apply(live, widget(replicas=3), by("flux"))

    assert str(refused.value) == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using example.dev/v1: .spec.replicas'
    )
    assert [(cause.reason, cause.message, cause.field) for cause in refused.value.causes] == [
        (
            "FieldManagerConflict",
            'conflict with "kubectl-client-side-apply" using example.dev/v1',
            ".spec.replicas",
        )
    ]


def test_conflicts_are_grouped_by_who_owns_the_fields() -> None:
    live = apply(None, widget(replicas=2, tags=["a"], plain=[{"name": "x", "v": 1}]), by("one"))
    live = update(live, {**live, "spec": {**live["spec"], "text": "t"}}, by("two", subresource="scale"))

    with pytest.raises(ApplyConflict) as refused:
        apply(live, widget(replicas=3, text="u", plain=[{"name": "x", "v": 2}]), by("flux"))

    assert str(refused.value) == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .spec.replicas\n- .spec.plain[name="x"].v\n'
        'conflicts with "two" with subresource "scale" using example.dev/v1:\n- .spec.text'
    )


def test_force_takes_what_is_contested() -> None:
    live = apply(None, widget(replicas=2, text="x"), by("a"))

    taken = apply(stored(live), widget(replicas=3), by("b"), force=True)

    assert taken["spec"] == {"replicas": 3, "text": "x"}
    assert owners(taken) == {"a/Apply": {"f:spec": {"f:text": {}}}, "b/Apply": {"f:spec": {"f:replicas": {}}}}


def test_who_loses_all_is_no_owner_any_more() -> None:
    live = apply(None, widget(replicas=2), by("a"))

    assert owners(apply(stored(live), widget(replicas=3), by("b"), force=True)).keys() == {"b/Apply"}


@pytest.mark.parametrize(
    ("first", "then", "left"),
    [
        pytest.param({"replicas": 1, "text": "x"}, {"replicas": 1}, {"replicas": 1}, id="a scalar"),
        pytest.param({"tags": ["a", "b"]}, {"tags": ["b"]}, {"tags": ["b"]}, id="a value of a set"),
        pytest.param(
            {"plain": [{"name": "a", "v": 1}, {"name": "b"}]},
            {"plain": [{"name": "b"}]},
            {"plain": [{"name": "b"}]},
            id="an item",
        ),
        pytest.param(
            {"plain": [{"name": "a", "v": 1}]},
            {"plain": [{"name": "a"}]},
            {"plain": [{"name": "a"}]},
            id="a member of an item",
        ),
        pytest.param(
            {"whole": {"a": "1"}, "replicas": 1}, {"replicas": 1}, {"replicas": 1}, id="an atomic map"
        ),
        pytest.param({"args": ["a"], "replicas": 1}, {"replicas": 1}, {"replicas": 1}, id="an atomic list"),
        pytest.param(
            {"nested": {"x": "1", "y": "2"}},
            {"nested": {"y": "2"}},
            {"nested": {"y": "2"}},
            id="a member of a struct",
        ),
        pytest.param(
            {"nested": {"x": "1"}, "replicas": 1}, {"replicas": 1}, {"replicas": 1}, id="a whole struct"
        ),
        pytest.param(
            {"free": {"a": {"b": 1}, "c": 1}},
            {"free": {"c": 1}},
            {"free": {"c": 1}},
            id="what is not declared",
        ),
    ],
)
def test_what_an_applier_names_no_more_goes(first: Any, then: Any, left: Any) -> None:
    live = apply(None, widget(**first), by("a"))

    again = apply(stored(live), widget(**then), by("a"))

    assert again["spec"] == left
    assert owners(again)["a/Apply"] == owners(apply(None, widget(**then), by("a")))["a/Apply"]


def test_what_somebody_else_owns_as_well_stays() -> None:
    live = apply(None, widget(replicas=1, plain=[{"name": "a", "v": 1}]), by("a"))
    live = apply(stored(live), widget(plain=[{"name": "a"}]), by("b"))

    again = apply(stored(live), widget(replicas=1), by("a"))

    assert again["spec"] == {"replicas": 1, "plain": [{"name": "a"}]}


def test_what_an_updater_put_into_an_item_goes_with_it() -> None:
    live = apply(None, widget(plain=[{"name": "a"}, {"name": "b"}]), by("a"))
    changed = {**live, "spec": {"plain": [{"name": "a", "v": 7}, {"name": "b"}]}}
    live = update(stored(live), changed, by("editor"))

    again = apply(stored(live), widget(plain=[{"name": "b"}]), by("a"))

    assert again["spec"] == {"plain": [{"name": "b"}]}
    assert owners(again).keys() == {"a/Apply"}


def test_an_object_that_nobody_kept_books_on_was_somebodys() -> None:
    live = stored(widget(labels={"a": "1"}, replicas=2))

    applied = apply(live, widget(text="x"), by("flux", 3))

    assert owners(applied) == {
        "flux/Apply": {"f:spec": {"f:text": {}}},
        "before-first-apply/Update": {
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {".": {}, "f:replicas": {}},
        },
    }
    with pytest.raises(ApplyConflict, match=r'conflict with "before-first-apply" using example\.dev/v1'):
        apply(live, widget(replicas=3), by("flux"))


def test_the_same_applier_through_a_subresource_is_another() -> None:
    live = apply(None, widget(replicas=1), by("a"))
    status = {**widget(), "status": {"phase": "Done"}}

    both = apply(stored(live), status, by("a", subresource="status", reset=SPEC))

    assert [entry.get("subresource") for entry in both["metadata"]["managedFields"]] == [None, "status"]
    assert both["spec"] == {"replicas": 1}


def test_fields_that_an_endpoint_leaves_alone_are_not_owned_through_it() -> None:
    made = apply(None, {**widget(replicas=1), "status": {"phase": "Done"}}, by("a"))

    assert owners(made) == {"a/Apply": {"f:spec": {"f:replicas": {}}}}


def test_entries_of_another_version_count_and_those_of_unknown_ones_go() -> None:
    live = apply(None, widget(replicas=1), by("a"))
    entry = live["metadata"]["managedFields"][0]
    live["metadata"]["managedFields"] = [
        {**entry, "apiVersion": "example.dev/v1beta1"},
        {**entry, "manager": "lost", "apiVersion": "example.dev/v1alpha1"},
    ]
    known = {"example.dev/v1beta1": WIDGET}

    with pytest.raises(ApplyConflict, match=r'conflict with "a": \.spec\.replicas'):
        apply(stored(live), widget(replicas=2), by("b", versions=known.get))
    both = apply(stored(live), widget(replicas=1), by("b", versions=known.get))

    assert owners(both).keys() == {"a/Apply", "b/Apply"}


@pytest.mark.parametrize(
    ("applied", "error", "text"),
    [
        pytest.param(
            widget(version="example.dev/v2"),
            BadApply,
            "invalid object type: example.dev/v2, Kind=Widget",
            id="version",
        ),
        pytest.param(
            {**widget(), "kind": "Other"},
            BadApply,
            "invalid object type: example.dev/v1, Kind=Other",
            id="kind",
        ),
        pytest.param(
            {**widget(), "metadata": {"name": "w", "managedFields": []}},
            BadApply,
            "metadata.managedFields must be nil",
            id="books",
        ),
        pytest.param(
            widget(bogus=1),
            TypedError,
            "failed to create typed patch object (apps/w; example.dev/v1, Kind=Widget): .spec.bogus: field not declared in schema",
            id="an unknown field",
        ),
        pytest.param(
            widget(tags=["a", "a"]),
            TypedError,
            "failed to create typed patch object (apps/w; example.dev/v1, Kind=Widget): "
            '.spec.tags: duplicate entries for key [="a"]',
            id="a value twice",
        ),
    ],
)
def test_what_cannot_be_applied_is_refused(applied: Any, error: type[Exception], text: str) -> None:
    live = stored(apply(None, widget(replicas=1), by("a")))

    with pytest.raises(error) as refused:
        apply(live, applied, by("a"))

    assert str(refused.value) == text


def test_books_that_cannot_be_read_are_refused() -> None:
    live = stored(widget(replicas=1))
    live["metadata"]["managedFields"] = [{"manager": "a", "operation": "Bogus", "apiVersion": "v1"}]

    with pytest.raises(
        BadManagedFields, match="failed to decode managed fields: operation must be `Apply` or `Update`"
    ):
        apply(live, widget(), by("a"))


def client_side(**spec: Any) -> dict[str, Any]:
    """Return an object as client-side apply leaves it."""
    whole = widget(**spec)
    noted = {**whole, "metadata": {**whole["metadata"], "annotations": {LAST_APPLIED: json.dumps(whole)}}}
    return stored(update(None, noted, by("kubectl-client-side-apply")))


def test_kubectl_takes_over_what_it_applied_from_the_client() -> None:
    taken = apply(client_side(replicas=2), widget(replicas=3), by("kubectl"))

    assert taken["spec"] == {"replicas": 3}
    assert json.loads(taken["metadata"]["annotations"][LAST_APPLIED]) == widget(replicas=3)
    assert taken["metadata"]["annotations"][LAST_APPLIED].endswith("\n")


def test_kubectl_does_not_take_over_what_changed_since() -> None:
    live = client_side(replicas=2, text="x")
    live = stored(update(live, {**live, "spec": {"replicas": 9, "text": "x"}}, by("scaler")))

    with pytest.raises(ApplyConflict) as refused:
        apply(live, widget(replicas=3, text="y"), by("kubectl"))

    assert [cause.field for cause in refused.value.causes] == [".spec.replicas"]


def test_other_appliers_do_not_take_over() -> None:
    with pytest.raises(ApplyConflict):
        apply(client_side(replicas=2), widget(replicas=3), by("flux"))


def test_what_is_given_is_left_as_it_is() -> None:
    live, applied = stored(apply(None, widget(replicas=1, tags=["a"]), by("a"))), widget(replicas=2)
    before = json.dumps([live, applied])

    apply(live, applied, by("b"), force=True)

    assert json.dumps([live, applied]) == before


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 2),
        "text": st.sampled_from("ab"),
        "flag": st.booleans(),
        "args": st.lists(st.sampled_from("ab"), max_size=2),
        "whole": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2),
        "nested": st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), min_size=1),
        "tags": st.lists(st.sampled_from("abcd"), unique=True, min_size=1),
        "free": st.dictionaries(
            st.sampled_from("ab"), st.one_of(st.integers(0, 2), st.just([1])), min_size=1
        ),
        "plain": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"v": st.integers(0, 2)}),
            unique_by=lambda one: one["name"],
            min_size=1,
        ),
    },
)
APPLIES = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), SPECS), min_size=1, max_size=6)


def after(applies: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the object after applies by force, one second apart."""
    live: dict[str, Any] | None = None
    for second, (manager, spec) in enumerate(applies):
        live = stored(apply(live, widget(**spec), by(manager, second), force=True))
    assert live is not None
    return live


@given(APPLIES)
def test_applying_the_same_again_changes_nothing(applies: Any) -> None:
    live = after(applies)
    manager, spec = applies[-1]

    again = apply(live, widget(**spec), by(manager, 99))

    assert again == live


@given(APPLIES)
def test_every_applied_leaf_has_an_owner_and_what_was_forced_is_there(applies: Any) -> None:
    live = after(applies)
    manager, spec = applies[-1]
    mine = fields_of(widget(**spec), WIDGET)
    owned = {name: from_v1(tree) for name, tree in owners(live).items()}

    assert {one for one in mine if one[0] == "f:spec"} <= owned.get(f"{manager}/Apply", frozenset())
    leaves = {
        one for one in fields_of({"spec": live.get("spec")}, WIDGET) if one[0] == "f:spec" and len(one) > 1
    }
    assert leaves <= frozenset().union(*owned.values()) | {one for one in leaves if live["spec"] is None}


@given(APPLIES)
def test_who_applies_nothing_any_more_leaves_no_trace(applies: Any) -> None:
    only = [(manager, spec) for manager, spec in applies if manager == "a"]
    if not only:
        return
    live = stored(apply(after(only), widget(), by("a", 99)))

    assert not live.get("spec")
    assert owners(live) == {}


def test_an_object_of_a_built_in_kind_is_whole_again_after_it_lost_all() -> None:
    made = apply(None, deployment(paused=True), by("a", of=DEPLOYMENT, version="apps/v1"))

    again = with_always(
        apply(stored(made), deployment(), by("a", of=DEPLOYMENT, version="apps/v1")), DEPLOYMENT
    )

    assert again["spec"] == {name: part for name, part in made["spec"].items() if name != "paused"}
