"""What creates, updates and patches do to managedFields, and how the scale subresource sees them."""

from typing import Any

import pytest

from hub.sandbox.fields import after_scale, apply, of_scale, path, same_but_times, update
from hub.sandbox.schema import with_always
from tests.hub.sandbox.fields.samples import (
    CONFIG_MAP,
    DEPLOYMENT,
    SPEC,
    WIDGET,
    by,
    owners,
    stored,
    time,
    times,
    widget,
)

REPLICAS = {"example.dev/v1": path("spec.replicas")}


def changed(live: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**live, "spec": {**live.get("spec", {}), **spec}}


def test_who_creates_owns_all_of_it() -> None:
    made = update(None, widget(labels={"a": "1"}, nested={"x": "1"}), by("a", 3))

    assert made["metadata"]["managedFields"] == [
        {
            "manager": "a",
            "operation": "Update",
            "apiVersion": "example.dev/v1",
            "time": time(3),
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {".": {}, "f:nested": {".": {}, "f:x": {}}},
            },
        }
    ]


def test_who_creates_a_built_in_kind_does_not_own_its_structs() -> None:
    raw = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"}, "spec": {"replicas": 1}}

    made = update(None, with_always(raw, DEPLOYMENT), by("a", of=DEPLOYMENT, version="apps/v1"))

    assert owners(made) == {"a/Update": {"f:spec": {"f:replicas": {}}}}


def test_who_changes_a_field_takes_it_from_the_others() -> None:
    live = stored(update(None, widget(replicas=1, text="x"), by("a")))

    after = update(live, changed(live, replicas=2), by("b", 4))

    assert owners(after) == {
        "a/Update": {"f:spec": {".": {}, "f:text": {}}},
        "b/Update": {"f:spec": {"f:replicas": {}}},
    }


def test_who_owns_nothing_any_more_has_no_entry() -> None:
    live = stored(apply(None, widget(replicas=1), by("a")))

    assert owners(update(live, changed(live, replicas=2), by("b"))).keys() == {"b/Update"}


def test_what_is_removed_is_nobodys_and_no_reason_for_another_time() -> None:
    live = stored(update(None, widget(replicas=1, text="x"), by("a", 1)))

    after = update(live, {**live, "spec": {"replicas": 1}}, by("a", 9))

    assert owners(after) == {"a/Update": {"f:spec": {".": {}, "f:replicas": {}}}}
    assert times(after) == {"a": time(1)}


def test_an_update_that_changes_nothing_changes_no_entry() -> None:
    live = stored(update(None, widget(replicas=1), by("a", 1)))

    assert update(live, live, by("b", 9)) == live


def test_a_writer_in_another_version_or_through_a_subresource_has_its_own_entry() -> None:
    known = {"example.dev/v1": WIDGET, "example.dev/v1beta1": WIDGET}.get
    live = stored(update(None, widget(replicas=1), by("a", 1)))

    live = update(live, changed(live, text="x"), by("a", 2, version="example.dev/v1beta1", versions=known))
    done = {**live, "status": {"phase": "p"}}
    live = update(live, done, by("a", 3, subresource="status", reset=SPEC, versions=known))

    entries = live["metadata"]["managedFields"]
    assert [(entry["apiVersion"], entry.get("subresource"), entry["fieldsV1"]) for entry in entries] == [
        ("example.dev/v1", None, {"f:spec": {".": {}, "f:replicas": {}}}),
        ("example.dev/v1beta1", None, {"f:spec": {"f:text": {}}}),
        ("example.dev/v1", "status", {"f:status": {".": {}, "f:phase": {}}}),
    ]


def test_fields_that_an_endpoint_leaves_alone_are_neither_taken_nor_lost() -> None:
    live = stored(update(None, widget(replicas=1), by("a")))

    after = update(live, changed(live, replicas=2), by("b", subresource="status", reset=SPEC))

    assert owners(after) == {"a/Update": {"f:spec": {".": {}, "f:replicas": {}}}}


@pytest.mark.parametrize("sent", [[], [{}]], ids=["an empty list", "an empty entry"])
def test_a_client_may_have_the_books_closed(sent: Any) -> None:
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    live = stored(update(None, raw, by("a", of=CONFIG_MAP, version="v1")))
    after = {**live, "metadata": {**live["metadata"], "managedFields": sent}}

    assert "managedFields" not in update(live, after, by("b", of=CONFIG_MAP, version="v1"))["metadata"]


def test_of_a_custom_resource_an_empty_list_closes_no_books() -> None:
    live = stored(update(None, widget(replicas=1), by("a")))

    def sent(entries: list[Any]) -> dict[str, Any]:
        return update(live, {**live, "metadata": {**live["metadata"], "managedFields": entries}}, by("b"))

    assert owners(sent([])) == owners(live)
    assert owners(sent([{}])) == {}


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [{"manager": "x", "operation": "Bogus"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1"}],
    ],
    ids=["null", "no such operation", "no type of fields"],
)
def test_books_that_a_client_does_not_understand_are_kept(sent: Any) -> None:
    live = stored(update(None, widget(replicas=1), by("a")))
    after = {**live, "metadata": {**live["metadata"], "managedFields": sent}}

    assert owners(update(live, after, by("b"))) == owners(live)


def test_a_client_may_write_the_books_itself_except_through_a_subresource() -> None:
    live = stored(update(None, widget(replicas=1), by("a")))
    own = [{**live["metadata"]["managedFields"][0], "manager": "other"}]
    after = {**live, "metadata": {**live["metadata"], "managedFields": own}}

    assert owners(update(live, after, by("b"))).keys() == {"other/Update"}
    assert owners(update(live, after, by("b", subresource="status"))).keys() == {"a/Update"}


def test_nobody_begins_books_with_an_update() -> None:
    live = stored(widget(replicas=1))

    assert "managedFields" not in update(live, changed(live, replicas=2), by("b"))["metadata"]


def test_the_oldest_of_more_than_ten_updaters_become_one() -> None:
    live = update(None, widget(free={"x": 0}), by("m00", 0))
    for number in range(1, 13):
        live = stored(live)
        live = update(
            live, changed(live, free={**live["spec"]["free"], f"k{number}": 1}), by(f"m{number:02}", number)
        )

    names = [entry["manager"] for entry in live["metadata"]["managedFields"]]
    assert names == ["ancient-changes", *(f"m{number:02}" for number in range(4, 13))]
    ancient = live["metadata"]["managedFields"][0]
    assert ancient["time"] == time(3)
    assert ancient["fieldsV1"]["f:spec"]["f:free"].keys() == {".", "f:x", "f:k1", "f:k2", "f:k3"}


def test_appliers_do_not_count_among_the_ten() -> None:
    live = update(None, widget(free={"x": 0}), by("m00", 0))
    for number in range(1, 13):
        live = apply(stored(live), widget(free={f"k{number}": 1}), by(f"a{number:02}", number))

    assert len(live["metadata"]["managedFields"]) == 13


def test_entries_stand_by_operation_age_and_name() -> None:
    live = update(None, widget(replicas=1), by("z", 1))
    live = update(stored(live), changed(live, text="x"), by("b", 3))
    live = update(stored(live), changed(live, flag=True), by("a", 3))
    live = apply(stored(live), widget(tags=["t"]), by("late", 9))

    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == ["late", "z", "a", "b"]


def test_only_times_differ() -> None:
    one = update(None, widget(replicas=1), by("a", 1))["metadata"]["managedFields"]
    other = update(None, widget(replicas=1), by("a", 2))["metadata"]["managedFields"]

    assert one != other
    assert same_but_times(one, other)
    assert not same_but_times(one, [])


def test_a_scale_shows_who_owns_the_replicas() -> None:
    live = apply(None, widget(replicas=1, text="x"), by("a", 1))

    assert of_scale(live["metadata"]["managedFields"], REPLICAS) == [
        {
            "manager": "a",
            "operation": "Apply",
            "apiVersion": "autoscaling/v1",
            "time": time(1),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:replicas": {}}},
        }
    ]


def test_who_scales_takes_the_replicas() -> None:
    live = apply(None, widget(replicas=1, text="x"), by("a", 1))["metadata"]["managedFields"]
    taken = {
        "manager": "kubectl",
        "operation": "Update",
        "apiVersion": "autoscaling/v1",
        "time": time(5),
        "subresource": "scale",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }

    after = after_scale(live, [taken], REPLICAS, "example.dev/v1")

    fields = {
        entry["manager"]: (entry["apiVersion"], entry["fieldsV1"], entry.get("time")) for entry in after
    }
    # Who scales gets no time: real servers look it up among the entries that were there before.
    assert fields == {
        "a": ("example.dev/v1", {"f:spec": {"f:text": {}}}, time(1)),
        "kubectl": ("example.dev/v1", {"f:spec": {"f:replicas": {}}}, None),
    }


def test_a_scale_that_changes_nothing_leaves_the_entries() -> None:
    live = apply(None, widget(replicas=1, text="x"), by("a", 1))["metadata"]["managedFields"]

    assert after_scale(live, of_scale(live, REPLICAS), REPLICAS, "example.dev/v1") == live
