"""The schemas of `deploy/crds` hold every fact of Flux's, and nothing more than the listed relaxations."""

from collections.abc import Iterator
from typing import Any

import pytest

from hub import crds
from hub.crds import Change, Relaxation
from tests.conformance import support

FILES = ["crds/gitrepository.json", "crds/kustomization.json", "crds/ocirepository.json"]
FACTS = ["type", "format", "enum", "pattern", "default", "minLength", "maxLength", "minimum", "maximum"]
FACTS += ["minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "nullable"]

support.WIRED.update(FILES)


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every path of a schema with its facts, in the words of the conformance files."""
    facts = {name: schema[name] for name in FACTS if name in schema}
    if "required" in schema:
        facts["required"] = sorted(schema["required"])
    if "x-kubernetes-validations" in schema:
        facts["rules"] = [{key: rule[key] for key in rule} for rule in schema["x-kubernetes-validations"]]
    yield path or ".", facts
    for name, child in schema.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields(schema["additionalProperties"], f"{path}{{}}")


def is_below(path: str, relaxation: Relaxation) -> bool:
    return path == relaxation.path or path.startswith((f"{relaxation.path}.", f"{relaxation.path}["))


def strict(found: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Take the relaxations of a kind back; each must have been there."""
    for relaxation in (entry for entry in crds.RELAXATIONS if entry.kind == kind):
        match relaxation.change:
            case Change.ADDED:
                added = {path for path in found if is_below(path, relaxation)}
                assert added, f"no schema has {relaxation.path}"
                found = {path: facts for path, facts in found.items() if path not in added}
            case Change.NOT_REQUIRED:
                parent, _, name = relaxation.path.rpartition(".")
                required = found[parent].get("required", [])
                assert name not in required, f"{relaxation.path} is required"
                found = found | {parent: found[parent] | {"required": sorted([*required, name])}}
    return found


def documents() -> list[Any]:
    present = [(name, support.load(name)) for name in FILES]
    return [pytest.param(document, id=name) for name, document in present if document]


def ours(document: dict[str, Any]) -> crds.Crd:
    plural, group = document["names"]["plural"], document["group"]
    return next(crd for crd in crds.packaged() if crd["metadata"]["name"] == f"{plural}.{group}")


@pytest.mark.parametrize("document", documents())
def test_names_and_scope_are_fluxs(document: dict[str, Any]) -> None:
    crd = ours(document)
    assert crd["spec"]["names"] == document["names"]
    assert crd["spec"]["scope"] == document["scope"]


@pytest.mark.parametrize("document", documents())
def test_the_fields_are_fluxs_and_the_relaxations(document: dict[str, Any]) -> None:
    crd = ours(document)
    for name, expected in document["versions"].items():
        version = next(one for one in crd["spec"]["versions"] if one["name"] == name)
        found = dict(fields(version["schema"]["openAPIV3Schema"]))
        assert strict(found, document["names"]["kind"]) == expected["fields"]


@pytest.mark.parametrize("document", documents())
def test_versions_columns_and_subresources_are_fluxs(document: dict[str, Any]) -> None:
    crd = ours(document)
    for name, expected in document["versions"].items():
        version = next(one for one in crd["spec"]["versions"] if one["name"] == name)
        assert version["served"] == expected["served"]
        assert version["storage"] == expected["storage"]
        assert version.get("deprecated", False) == expected["deprecated"]
        assert sorted(version["subresources"]) == sorted(expected["subresources"])
        assert version["additionalPrinterColumns"] == expected["columns"]
