"""What is saved and sent comes back as it was, has one form, and is refused by name when it is something else."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.assignment import (
    Assignment,
    DeletionPolicy,
    DeliverySpec,
    HealthCheck,
    Order,
    PruneLimit,
    root_of,
)
from agent.model.content import Bundle, BundleRef, Entry, Index, canonical, digest_of
from agent.model.head import Head
from agent.model.inventory import format_id
from agent.model.names import ClusterId, Digest, HomeName, ObjectRef
from agent.model.report import Report, Stage, Verdict
from tests.agent.wishes import CLUSTER, WEB, assignment, config_map, head

NAMES = st.text("abcdefghij-.", min_size=1, max_size=12)
TEXTS = st.text(max_size=20)
DIGESTS = st.binary(max_size=4).map(digest_of)
SECONDS = st.floats(min_value=0.0, max_value=1e6, allow_nan=False)
REFS = st.builds(
    ObjectRef, st.sampled_from(["", "apps", "example.org"]), st.sampled_from(["A", "B"]), NAMES, NAMES
)
ENTRIES = st.builds(
    Entry, ref=REFS, version=st.sampled_from(["v1", "v1beta1"]), digest=DIGESTS, size_bytes=st.integers(0, 9)
)
INDEXES = st.lists(ENTRIES, max_size=8, unique_by=lambda one: one.ref).map(Index.of)
HOMES = st.builds(HomeName, st.just("Kustomization"), NAMES, NAMES)
ORDERS = st.builds(Order, st.integers(0, 9), st.integers(0, 9))
TOKENS = st.dictionaries(NAMES, TEXTS, max_size=3)
SPECS = st.builds(
    DeliverySpec,
    interval_s=SECONDS,
    retry_interval_s=SECONDS,
    timeout_s=SECONDS,
    prune=st.booleans(),
    deletion_policy=st.sampled_from(DeletionPolicy),
    force=st.booleans(),
    suspend=st.booleans(),
    wait=st.booleans(),
    health_checks=st.lists(st.builds(HealthCheck, ref=REFS, version=st.just("v1")), max_size=2).map(tuple),
    depends_on=st.lists(HOMES, max_size=2).map(tuple),
)
ASSIGNMENTS = st.builds(
    Assignment,
    cluster=NAMES.map(ClusterId),
    home=HOMES,
    uid=TEXTS,
    generation=st.integers(0, 99),
    order=ORDERS,
    candidate=DIGESTS,
    bundle=st.builds(BundleRef, base=DIGESTS, overlay=DIGESTS),
    source=TEXTS,
    spec=SPECS,
    prune_limit=st.builds(PruneLimit, percent=st.floats(0, 100), at_least=st.integers(0, 99)),
    tokens=TOKENS,
)
IDS = st.dictionaries(st.sampled_from(["a_b__C", "a_c__C", "_d_g_E"]), st.just("v1"))


@given(ASSIGNMENTS)
def test_an_assignment_comes_back_and_has_one_form(value: Assignment) -> None:
    data = value.encode()
    again = Assignment.decode(data)
    assert again == value
    assert again.encode() == data


@given(ASSIGNMENTS, ORDERS, DIGESTS)
def test_the_substance_is_everything_but_order_and_candidate(
    value: Assignment, order: Order, candidate: Digest
) -> None:
    assert replace(value, order=order, candidate=candidate).substance == value.substance
    assert Assignment.decode(value.encode()).substance == value.substance


@given(ASSIGNMENTS, ASSIGNMENTS)
def test_what_differs_in_substance_has_another_one(one: Assignment, other: Assignment) -> None:
    same = replace(one, order=other.order, candidate=other.candidate) == other
    assert (one.substance == other.substance) is same


def test_a_field_of_a_later_version_is_ignored_and_another_format_is_named() -> None:
    raw = json.loads(assignment().encode())
    assert Assignment.decode(canonical(raw | {"later": 1})) == assignment()
    with pytest.raises(ValueError, match="format 2"):
        Assignment.decode(canonical(raw | {"format": 2}))
    for data in (b"", b"[]", b"nonsense", canonical({"format": 1})):
        with pytest.raises(ValueError):
            Assignment.decode(data)


@given(st.dictionaries(HOMES, DIGESTS, min_size=1, max_size=5))
def test_a_root_is_over_all_deliveries_in_whatever_order(substances: dict[HomeName, Digest]) -> None:
    turned = dict(reversed(substances.items()))
    assert root_of(turned) == root_of(substances)
    turned.popitem()
    assert root_of(turned) != root_of(substances)


@given(INDEXES)
def test_an_index_comes_back_in_one_form_whatever_the_order_was(index: Index) -> None:
    data = index.encode()
    assert Index.decode(data) == index
    assert Index.of(reversed(index.entries)).encode() == data


@given(INDEXES, INDEXES)
def test_a_bundle_lists_each_object_once(base: Index, overlay: Index) -> None:
    common = {one.ref for one in base} & {one.ref for one in overlay}
    if common:
        with pytest.raises(ValueError, match="listed twice"):
            Bundle(base=base, overlay=overlay)
        return
    bundle = Bundle(base=base, overlay=overlay)
    assert set(bundle.entries) == {*base, *overlay}
    if base != overlay:
        assert Bundle(base=overlay, overlay=base).digest != bundle.digest


@given(
    st.lists(st.sampled_from("abc"), max_size=3, unique=True),
    IDS,
    IDS,
    TOKENS,
    st.booleans(),
    st.sampled_from(["", "delete", "keep"]),
)
def test_a_head_comes_back(
    names: list[str],
    inventory: dict[str, str],
    ahead: dict[str, str],
    handled: dict[str, str],
    released: bool,
    leaving: str,
) -> None:
    manifests = [config_map(name) for name in names]
    value = replace(
        head(manifests),
        inventory=inventory,
        ahead=ahead,
        handled=handled,
        released=released,
        leaving=leaving,
        healthy=assignment(manifests).bundle,
        healthy_indexes=(b"{}",),
        packs=("p",),
        inline={one.digest: one.body for one in manifests},
    )
    again = Head.decode(value.encode())
    assert again == value
    assert again.held == {**ahead, **inventory}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"nonsense", "no head"),
        (msgspec.msgpack.encode({"format": 2, "head": {}}), "format 2"),
        (msgspec.msgpack.encode({"format": 1, "head": {}}), "no head"),
        (replace(head(), raw_assignment=b"{}").encode(), "no assignment"),
        (replace(head(), base=b"{}").encode(), "not those of its assignment"),
    ],
    ids=["damaged", "newer", "incomplete", "without an assignment", "with other indexes"],
)
def test_what_is_no_head_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Head.decode(data)


VERDICTS = st.lists(st.builds(Verdict, id=NAMES, reason=TEXTS, message=TEXTS), max_size=2).map(tuple)


@given(
    st.builds(
        Report,
        cluster=NAMES.map(ClusterId),
        home=HOMES,
        uid=TEXTS,
        order=ORDERS,
        candidate=DIGESTS,
        bundle=DIGESTS,
        stage=st.sampled_from(Stage),
        as_of=TEXTS,
        healthy=st.none() | st.booleans(),
        inventory_extra=IDS,
        inventory_missing=st.lists(NAMES, max_size=2).map(tuple),
        exceptions=VERDICTS,
        prune_held=st.lists(NAMES, max_size=2).map(tuple),
        fights=VERDICTS,
        handled=TOKENS,
    ),
    TEXTS,
)
def test_a_report_comes_back_and_its_time_is_no_difference(value: Report, later: str) -> None:
    assert Report.decode(value.encode()) == value
    assert replace(value, as_of=later).says_the_same_as(value)
    assert not replace(value, message=value.message + "!").says_the_same_as(value)
    assert asdict(value)["home"] == asdict(value.home)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"message": 5},
        {"healthy": "yes"},
        {"home": {"kind": "Kustomization", "namespace": ["apps"], "name": "web"}},
        {"home": None},
        {"inventory_extra": {"a_b__ConfigMap": 1}},
        {"inventory_missing": [1]},
        {"prune_held": "all"},
        {"exceptions": [{"id": "a", "reason": None, "message": "m"}]},
        {"handled": []},
        {"order": {"term": "1", "seq": 1}},
    ],
    ids=str,
)
def test_a_report_with_parts_of_another_type_is_refused(changed: dict[str, object]) -> None:
    report = Report.gone(CLUSTER, WEB, "uid-1", as_of=datetime(2026, 1, 1, tzinfo=UTC))
    good = json.loads(report.encode())
    assert Report.decode(json.dumps(good | {"later": 1}).encode()) == report
    with pytest.raises(ValueError, match=r"no report|format 2"):
        Report.decode(json.dumps(good | changed).encode())


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"nonsense", b"[]", b'"\xff"'], ids=["deep", "none", "a list", "bytes"]
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no report"):
        Report.decode(data)


def test_the_home_name_is_that_of_the_assignment() -> None:
    assert head().home == WEB


def test_what_was_read_of_a_head_is_not_saved_with_it_and_goes_on_to_the_next() -> None:
    before = head([config_map("a"), config_map("b")])
    saved = before.encode()
    assert before.home == WEB
    assert before.wanted == {format_id(one.ref): "v1" for one in before.entries}
    assert before.encode() == saved
    after = replace(before, revision="later").following(before)
    assert (after.assignment is before.assignment, after.entries is before.entries) == (True, True)


@pytest.mark.parametrize(
    "other", [head([config_map("a")], order=Order(9, 9)), head([config_map("b")])], ids=["order", "bundle"]
)
def test_other_bytes_are_read_anew(other: Head) -> None:
    before = head([config_map("a")])
    assert (before.assignment.home, len(before.entries)) == (WEB, 1)
    following = replace(other).following(before)
    assert (following.assignment, following.entries) == (other.assignment, other.entries)
