"""Rows, scales and OpenAPI of custom resources; the cells are what a real server answered for the same objects."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.kube.api import Object
from hub.sandbox.crds import columns, jsonpath, openapi, scale
from hub.sandbox.crds.kind import custom_kind
from hub.sandbox.refusals import Refused

_TOLD = json.loads(Path(__file__).with_name("tables.json").read_text())
_KIND = custom_kind(_TOLD["definition"], "v1")
_NOW = datetime(2026, 11, 26, tzinfo=UTC)
_PATHS = _KIND.scale or {}


@pytest.mark.parametrize("told", _TOLD["tables"], ids=lambda told: json.dumps(told["item"]["spec"])[:60])
def test_cells_are_as_the_real_server_fills_them(told: dict[str, Any]) -> None:
    assert _KIND.columns is not None
    shown = [one for one in _KIND.columns if one["name"] != "Age"]
    assert repr(columns.cells(told["item"], shown, _NOW)) == repr(told["cells"])


def test_the_headers_are_as_the_real_server_gives_them() -> None:
    assert columns.definitions(_KIND.columns) == _TOLD["headers"]


def test_without_columns_of_its_own_a_kind_shows_name_and_age() -> None:
    item = {"metadata": {"name": "a", "creationTimestamp": "2026-11-25T23:00:00Z"}}
    assert [one["name"] for one in columns.definitions(None)] == ["Name", "Age"]
    assert columns.cells(item, None, _NOW) == ["a", "60m"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *[(-5, "<invalid>"), (-1, "0s"), (119, "119s"), (120, "2m"), (135, "2m15s"), (600, "10m")],
        *[(10800, "3h"), (11000, "3h3m"), (28800, "8h"), (172800, "2d"), (176400, "2d1h"), (691200, "8d")],
        *[(63072000, "2y"), (63158400, "2y1d"), (252288000, "8y")],
    ],
)
def test_an_age_has_two_units_at_most(seconds: int, shown: str) -> None:
    assert columns.short(seconds) == shown


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [[1, 2]]),
        (".a.b[0]", [1]),
        (".a.b[-1]", [2]),
        (".a.b[0:1]", [1]),
        (".a.b[*]", [1, 2]),
        (".a['x.y']", [3]),
        (r".a.x\.y", [3]),
        ('.c[?(@.t=="R")].s', ["ok"]),
        ('.c[?(@.t!="R")].s', ["no"]),
        (".nothing.there", []),
    ],
)
def test_a_path_finds_what_is_there(path: str, found: list[Any]) -> None:
    value = {"a": {"b": [1, 2], "x.y": 3}, "c": [{"t": "R", "s": "ok"}, {"t": "S", "s": "no"}]}
    assert jsonpath.find(value, path) == found


def test_a_path_that_is_none_is_said_to_be_unreadable() -> None:
    with pytest.raises(jsonpath.Unreadable):
        jsonpath.find({}, ".a[?bad]")


_ITEM: Object = {
    "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"x": "y"}},
    "spec": {"replicas": 3},
    "status": {"replicas": 2, "selector": "a=b"},
}


def test_a_scale_says_what_is_wanted_and_what_is_there() -> None:
    assert scale.body(_ITEM, _PATHS) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "a=b"},
    }


def test_scaling_changes_the_wanted_number_alone() -> None:
    scaled = scale.scaled(_ITEM, _PATHS, 7)
    assert scaled == {**_ITEM, "spec": {"replicas": 7}}
    assert _ITEM["spec"] == {"replicas": 3}


def test_without_a_wanted_number_there_is_no_scale() -> None:
    with pytest.raises(Refused, match=r'the spec replicas field ".spec.replicas" does not exist'):
        scale.body({**_ITEM, "spec": {}}, _PATHS)


def test_openapi_has_what_kubectl_looks_for() -> None:
    document = openapi.document([_TOLD["definition"]], "v1")
    patch = document["paths"]["/apis/rest.crds.test/v1/namespaces/{namespace}/rests/{name}"]["patch"]
    gvk = {"group": "rest.crds.test", "version": "v1", "kind": "Rest"}
    assert patch["x-kubernetes-group-version-kind"] == gvk
    assert "fieldValidation" in [one["name"] for one in patch["parameters"]]
    model = document["components"]["schemas"]["test.crds.rest.v1.Rest"]
    assert model["x-kubernetes-group-version-kind"] == [gvk]
    assert model["properties"].keys() == {"apiVersion", "kind", "metadata", "spec", "status"}


def test_a_whole_object_inside_says_so_in_openapi() -> None:
    definition = json.loads(json.dumps(_TOLD["definition"]))
    inner = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = inner
    model = openapi.document([definition], "v1")["components"]["schemas"]["test.crds.rest.v1.Rest"]
    assert model["properties"]["spec"]["required"] == ["kind", "apiVersion"]


def test_a_status_with_a_default_is_there_after_creation() -> None:
    definition = json.loads(json.dumps(_TOLD["definition"]))
    status = {
        "type": "object",
        "default": {"observedGeneration": -1},
        "properties": {"observedGeneration": {"type": "integer"}},
    }
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = status
    made = custom_kind(definition, "v1").prepare_new(
        {"metadata": {"name": "a"}, "status": {"observedGeneration": 4}}
    )
    assert made["status"] == {"observedGeneration": -1}


def test_fields_that_selectors_may_name_are_compared_as_texts() -> None:
    definition = json.loads(json.dumps(_TOLD["definition"]))
    definition["spec"]["versions"][0]["selectableFields"] = [{"jsonPath": f".spec.{one}"} for one in "abc"]
    kind = custom_kind(definition, "v1")
    assert kind.selectable == ("spec.a", "spec.b", "spec.c")
    values = kind.selectable_values({"metadata": {"name": "x"}, "spec": {"a": 1, "b": True}})
    assert values == {"spec.a": "1", "spec.b": "true", "spec.c": ""}
