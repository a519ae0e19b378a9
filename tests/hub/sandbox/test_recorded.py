"""Writes that merge end as a real kube-apiserver ended them; its answers are recorded (`python -m e2e.contract.merging`)."""

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.contract.merging_cases import KINDS, WIDGET_SPEC
from hub.sandbox import fields, patches
from hub.sandbox.fields import FieldsError, Write, path
from hub.sandbox.patches import PatchError
from hub.sandbox.schema import Type, builtin, of_custom_resource

LINES = (Path(__file__).parent / "recorded" / "answers.jsonl").read_text().splitlines()
RECORDS = [json.loads(line) for line in LINES]
WIDGET = of_custom_resource("example.dev", "v1", "Widget", WIDGET_SPEC)
NOW = "2026-01-01T00:00:00Z"
NOT_MERGED = ("managedFields", "generation", "uid")
# What servers do besides: they check values, and refuse what is no object of the kind any more.
NOT_MERGING = (
    "is invalid: ",
    "cannot be handled as a",
    "does not allow this method",
    'is invalid: patch: Invalid value: "',
)


def named(record: dict[str, Any]) -> str:
    return f"{record['verb']} of a {record['kind']} by {record['manager']}"


def type_of(kind: str) -> Type:
    group, _, version = KINDS[kind][0].rpartition("/")
    found = WIDGET if kind == "Widget" else builtin().type_of(group, version, kind)
    assert found is not None
    return found


def write_of(record: dict[str, Any]) -> Write:
    kind, subresource = record["kind"], record["subresource"]
    others = {"": {"status"}, "status": {"spec", "metadata"}}[subresource] if kind != "ConfigMap" else set()
    return Write(
        manager=record["manager"],
        api_version=KINDS[kind][0],
        type=type_of(kind),
        now=NOW,
        subresource=subresource,
        reset=frozenset(map(path, others)),
        custom=kind == "Widget",
    )


def stored(value: Any) -> Any:
    return value and {**value, "metadata": {**value["metadata"], "uid": "1234"}}


def patched(record: dict[str, Any]) -> Any:
    """Return what a patch makes of the object before it. Raises PatchError."""
    match record["verb"]:
        case "merge":
            return patches.merge_patch(record["before"], record["body"])
        case "json":
            return patches.json_patch(record["before"], record["body"])
        case _:
            return patches.strategic(record["before"], record["body"], type_of(record["kind"]))


def entries(value: dict[str, Any]) -> list[Any]:
    """Return managedFields in the record's order, which no time decides."""
    names = ("operation", "manager", "apiVersion", "subresource")
    return sorted(
        value["metadata"].get("managedFields", ()), key=lambda one: [str(one.get(name)) for name in names]
    )


def lacking(mine: Any, theirs: Any) -> Any:
    """Return what a value has that another has not, without nulls and empty structs; servers default the rest."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        parts = {name: part for name, part in mine.items() if name not in NOT_MERGED}
        found = {name: lacking(part, theirs.get(name)) for name, part in parts.items()}
        return {name: part for name, part in found.items() if part not in (None, {}, [])}
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return [one for one in map(lacking, mine, theirs) if one not in (None, {}, [])]
    return None if mine == theirs else mine


def value_at(value: Any, field: str) -> Any:
    for name in field.split("."):
        value = value[name]
    return value


APPLIES = [record for record in RECORDS if record["verb"] == "apply"]
PATCHES = [
    record
    for record in RECORDS
    if record["verb"] in ("merge", "json", "strategic") and not record["subresource"]
]
WRITES = [record for record in RECORDS if record["verb"] != "apply" and record["code"] < 400]


@pytest.mark.parametrize("record", APPLIES, ids=named)
def test_an_apply_ends_as_on_a_real_server(record: dict[str, Any]) -> None:
    answer, refusal, made = record["answer"], None, None
    try:
        made = fields.apply(stored(record["before"]), record["body"], write_of(record), force=record["force"])
    except FieldsError as refused:
        refusal = refused

    if refusal is not None:
        causes = sorted([cause.message, cause.field] for cause in getattr(refusal, "causes", ()))
        assert (refusal.message, causes) == (answer.get("message"), answer.get("causes"))
    elif record["code"] == 422:
        # What loses all that it had is null, and schemas of custom resources have no place for that.
        assert [value_at(made, field) for _, field in answer["causes"]] == [None]
    else:
        assert made is not None
        assert record["code"] in (200, 201), answer
        assert entries(made) == entries(answer)
        assert not lacking(made, answer)


@pytest.mark.parametrize("record", PATCHES, ids=named)
def test_a_patch_makes_what_a_real_server_makes_of_it(record: dict[str, Any]) -> None:
    answer, refusal, made = record["answer"], None, None
    try:
        made = patched(record)
    except PatchError as refused:
        refusal = refused

    if refusal is not None:
        assert (refusal.code, refusal.message) == (record["code"], answer.get("message"))
    elif record["code"] == 200:
        assert not lacking(made, answer)
    else:
        assert any(words in answer["message"] for words in NOT_MERGING)


@pytest.mark.parametrize("record", WRITES, ids=named)
def test_a_write_leaves_the_owners_that_a_real_server_names(record: dict[str, Any]) -> None:
    answer = record["answer"]
    brought = (record["body"] if record["verb"] in ("create", "update") else record["before"])["metadata"]
    metadata = {name: part for name, part in answer["metadata"].items() if name != "managedFields"}
    metadata |= {"managedFields": brought["managedFields"]} if "managedFields" in brought else {}

    made = fields.update(stored(record["before"]), {**answer, "metadata": metadata}, write_of(record))

    assert entries(made) == entries(answer)


def test_the_record_has_what_it_is_there_for() -> None:
    conflicts = [record for record in APPLIES if record["code"] == 409]
    refused = [record for record in RECORDS if record["code"] >= 400]

    assert (len(conflicts) > 15, len(refused) > 50, len(WRITES) > 50) == (True, True, True)
