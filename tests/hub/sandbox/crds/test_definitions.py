"""What a real server said of definitions, good and bad, compared with what is said here."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.kube.api import Object
from hub.sandbox.crds import checks, definition, names

_TOLD = json.loads(Path(__file__).with_name("definitions.json").read_text())
_OWN = sorted((Path(__file__).parents[4] / "deploy" / "crds").glob("*.yaml"))
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_TIME = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("case", _TOLD, ids=lambda case: json.dumps(case["definition"]["spec"])[60:160])
def test_a_definition_is_judged_as_by_the_real_server(case: dict[str, Any]) -> None:
    made = definition.prepare_new(definition.complete(case["definition"]))
    causes = {(one.cause.field, one.cause.reason, one.cause.message) for one in checks.faults_of(made)}
    assert sorted(causes) == [tuple(one) for one in case["causes"]]


@pytest.mark.parametrize("path", _OWN, ids=lambda path: path.stem)
def test_the_projects_own_definitions_are_sound(path: Path) -> None:
    made = definition.prepare_new(definition.complete(yaml.safe_load(path.read_text())))
    assert checks.faults_of(made) == []


def _definition(plural: str, kind: str, **more: Any) -> Object:
    spec = {
        "group": "defs.crds.test",
        "scope": "Namespaced",
        "names": {"plural": plural, "kind": kind, **more},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    }
    made = {"metadata": {"name": f"{plural}.defs.crds.test"}, "spec": spec}
    return definition.prepare_new(definition.complete(made))


_FIRST = _definition("as", "Aa", shortNames=["x", "y"], categories=["all"])


def test_what_is_left_out_is_filled_in() -> None:
    assert _FIRST["spec"]["names"] == {
        "plural": "as",
        "singular": "aa",
        "shortNames": ["x", "y"],
        "kind": "Aa",
        "listKind": "AaList",
        "categories": ["all"],
    }
    assert _FIRST["spec"]["conversion"] == {"strategy": "None"}
    assert _FIRST["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }


def test_free_names_are_accepted_and_the_definition_is_established() -> None:
    assert names.settle(_FIRST, [], _NOW)["status"] == {
        "conditions": [
            _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            _condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": _FIRST["spec"]["names"],
        "storedVersions": ["v1"],
    }


def test_nothing_is_said_twice() -> None:
    settled = names.settle(_FIRST, [], _NOW)
    assert names.settle(settled, [], datetime(2027, 1, 1, tzinfo=UTC)) is settled


@pytest.mark.parametrize(
    ("second", "reason", "name", "accepted"),
    [
        (
            _definition("bs", "Bb", shortNames=["x", "z"], singular="aa"),
            "ShortNamesConflict",
            "x",
            {"plural": "bs", "kind": "Bb", "listKind": "BbList"},
        ),
        (
            _definition("cs", "Aa", listKind="Cc"),
            "KindConflict",
            "Aa",
            {"plural": "cs", "kind": "", "listKind": "Cc"},
        ),
    ],
    ids=["short-names-and-singular", "kind"],
)
def test_names_of_another_definition_are_not_accepted(
    second: Object, reason: str, name: str, accepted: dict[str, str]
) -> None:
    settled = names.settle(second, [names.settle(_FIRST, [], _NOW)], _NOW)
    assert settled["status"]["conditions"] == [
        _condition("NamesAccepted", "False", reason, f'"{name}" is already in use'),
        _condition("Established", "False", "NotAccepted", "not all names are accepted"),
    ]
    assert settled["status"]["acceptedNames"] == accepted
    assert definition.served(settled) == []


def test_a_definition_stays_established_when_a_name_it_asks_for_later_is_taken() -> None:
    first, second = names.settle(_FIRST, [], _NOW), names.settle(_definition("bs", "Bb"), [], _NOW)
    asked = {**second["spec"], "names": {**second["spec"]["names"], "shortNames": ["x"]}}
    settled = names.settle({**second, "spec": asked}, [first], _NOW)
    assert not names.is_true(settled, names.ACCEPTED)
    assert names.is_true(settled, names.ESTABLISHED)
    assert "shortNames" not in settled["status"]["acceptedNames"]


def test_names_that_became_free_are_accepted() -> None:
    held = names.settle(_definition("cs", "Aa", listKind="Cc"), [names.settle(_FIRST, [], _NOW)], _NOW)
    assert names.is_true(names.settle(held, [], _NOW), names.ESTABLISHED)


def test_discovery_tells_of_an_established_definition() -> None:
    made = names.settle(_definition("as", "Aa", shortNames=["x", "y"], categories=["all"]), [], _NOW)
    made["spec"]["versions"][0]["subresources"] = {"status": {}, "scale": {"specReplicasPath": ".spec.r"}}
    (served,) = definition.served(made)
    assert served.verbs == ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
    assert [(one.name, one.kind, one.verbs) for one in served.subresources] == [
        ("status", "Aa", ("get", "patch", "update")),
        ("scale", "Scale", ("get", "patch", "update")),
    ]
    assert (served.short_names, served.categories, served.singular) == (("x", "y"), ("all",), "aa")


def test_a_version_that_is_served_no_more_is_gone_from_discovery() -> None:
    made = names.settle(_definition("ds", "Dd"), [], _NOW)
    made["spec"]["versions"][0]["served"] = False
    assert definition.served(made) == []


def test_a_new_storage_version_is_one_more_that_is_stored_and_the_old_one_may_not_go() -> None:
    old = names.settle(_definition("ds", "Dd"), [], _NOW)
    first = old["spec"]["versions"][0]
    second = {**first, "name": "v2", "schema": {"openAPIV3Schema": {"type": "object", "description": "x"}}}
    both = {**old["spec"], "versions": [{**first, "storage": False}, second]}
    moved = definition.prepare_update({**old, "spec": both}, old)
    assert checks.faults_of(moved, old) == []
    assert (moved["status"]["storedVersions"], moved["metadata"]["generation"]) == (["v1", "v2"], 2)
    alone = definition.prepare_update({**moved, "spec": {**both, "versions": [second]}}, moved)
    (fault,) = checks.faults_of(alone, moved)
    assert (fault.path, fault.message.split(";")[0]) == (
        "status.storedVersions[0]",
        'Invalid value: "v1": missing from spec.versions',
    )


def test_kind_and_scope_stay_once_they_are_served() -> None:
    old = names.settle(_definition("ds", "Dd"), [], _NOW)
    other = {**old["spec"], "scope": "Cluster", "names": {**old["spec"]["names"], "kind": "Other"}}
    found = checks.faults_of(definition.prepare_update({**old, "spec": other}, old), old)
    assert [f"{one.path}: {one.message}" for one in found] == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Other": field is immutable',
    ]


def test_a_definition_goes_when_its_objects_are_gone() -> None:
    made = names.begin_deletion(names.settle(_definition("ds", "Dd"), [], _NOW), _NOW)
    assert made["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert "create" not in definition.served(made)[0].verbs
    gone = names.objects_gone(names.objects_going(made, _NOW), _NOW)
    assert "finalizers" not in gone["metadata"]
    assert gone["status"]["conditions"][-1] == _condition(
        "Terminating", "False", "InstanceDeletionCompleted", "removed all instances"
    )


def test_a_rule_that_calls_what_the_sandbox_lacks_makes_the_definition_refused() -> None:
    made = _definition("ds", "Dd")
    rule = {"rule": "!format.dns1123Label().validate(self.spec).hasValue()"}
    made["spec"]["versions"][0]["schema"] = {
        "openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "string"}},
            "x-kubernetes-validations": [rule],
        }
    }
    (fault,) = checks.faults_of(made)
    assert "does not exist in the sandbox" in fault.message


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": status, "lastTransitionTime": _TIME, "reason": reason, "message": message}
