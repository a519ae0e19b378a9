import copy
from collections.abc import Iterator
from typing import Any

import pytest

from hub.crds import Install, Keep, KeepReason, Remove, decide, decide_removal, packaged

PACKAGED = packaged()
NAMES = [
    "clusters.fleet.cartwheel.dev",
    "fleets.fleet.cartwheel.dev",
    "gitrepositories.source.toolkit.fluxcd.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
    "ocirepositories.source.toolkit.fluxcd.io",
    "rollouts.fleet.cartwheel.dev",
]


def crd(name: str = "gitrepositories.source.toolkit.fluxcd.io") -> dict[str, Any]:
    return copy.deepcopy(next(dict(one) for one in PACKAGED if one["metadata"]["name"] == name))


def existing(
    version: str | None = "v2.9.0", revision: str | None = "1", stored: str = "v1"
) -> dict[str, Any]:
    found = crd()
    found["metadata"]["labels"] = {} if version is None else {"app.kubernetes.io/version": version}
    found["metadata"]["annotations"] = (
        {} if revision is None else {"fleet.cartwheel.dev/crd-revision": revision}
    )
    found["status"] = {"storedVersions": stored.split()}
    return found


def with_version(found: dict[str, Any], name: str) -> dict[str, Any]:
    found["spec"]["versions"].append(found["spec"]["versions"][0] | {"name": name, "storage": False})
    return found


def objects(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from objects(child, f"{path}.{name}")
    if "items" in schema:
        yield from objects(schema["items"], f"{path}[]")


def test_the_packaged_crds_are_there_in_order() -> None:
    assert [one["metadata"]["name"] for one in packaged()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_all_versions_of_a_kind_share_one_schema_and_the_newest_is_stored(name: str) -> None:
    spec = crd(name)["spec"]
    assert spec["conversion"] == {"strategy": "None"}
    assert len({str(one["schema"]) for one in spec["versions"]}) == 1
    assert [one["storage"] for one in spec["versions"]] == [True] + [False] * (len(spec["versions"]) - 1)


@pytest.mark.parametrize("name", NAMES[2:5])
def test_fluxs_kinds_are_served_in_both_versions_and_labelled_for_its_commands(name: str) -> None:
    found = crd(name)
    assert [one["name"] for one in found["spec"]["versions"]] == ["v1", "v1beta2"]
    assert all(one["served"] for one in found["spec"]["versions"])
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "flux"
    assert found["metadata"]["labels"]["app.kubernetes.io/version"] == "v2.9.0"


@pytest.mark.parametrize("name", NAMES)
def test_no_substitution_runs_over_a_schema(name: str) -> None:
    annotations = crd(name)["metadata"]["annotations"]
    assert annotations["kustomize.toolkit.fluxcd.io/substitute"] == "disabled"


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_described(name: str) -> None:
    for version in crd(name)["spec"]["versions"]:
        root = version["schema"]["openAPIV3Schema"]
        bare = [
            path
            for path, schema in objects(root, "")
            if "description" not in schema and not path.endswith("[]") and path != ".metadata"
        ]
        assert bare == []


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(None, id="nothing there"),
        pytest.param(existing(), id="the same"),
        pytest.param(existing("v2.6.1", None), id="an older Flux"),
        pytest.param(existing("v2.9.0", None), id="the same Flux"),
        pytest.param(existing("v2.9.0", "0"), id="an older revision"),
        pytest.param(existing(None, None), id="no version and the same versions of the API"),
        pytest.param(with_version(existing("v2.0.0", None), "v1beta1"), id="older, and serves more"),
    ],
)
def test_ours_is_installed_over(there: dict[str, Any] | None) -> None:
    assert decide(there, crd()) == Install()


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        pytest.param(existing("v2.10.0", None), KeepReason.NEWER, id="a newer Flux"),
        pytest.param(existing("v2.9.1", "1"), KeepReason.NEWER, id="a newer patch of Flux"),
        pytest.param(existing("v2.9.0", "2"), KeepReason.NEWER, id="a newer revision"),
        pytest.param(
            with_version(existing("v0.30.0", None, stored="v1beta1 v1"), "v1beta1"),
            KeepReason.STORED_VERSION,
            id="objects stored in a version that ours lacks",
        ),
        pytest.param(
            with_version(existing(None, None), "v2"),
            KeepReason.OTHER_VERSION,
            id="no label and a version that ours lacks",
        ),
    ],
)
def test_the_existing_crd_is_kept(there: dict[str, Any], reason: KeepReason) -> None:
    decision = decide(there, crd())
    assert isinstance(decision, Keep)
    assert decision.reason is reason
    assert "gitrepositories.source.toolkit.fluxcd.io" in decision.message


def test_a_crd_of_ours_without_objects_may_be_deleted() -> None:
    assert decide_removal(existing(), 0) == Remove()


@pytest.mark.parametrize(
    ("there", "objects_", "reason"),
    [
        pytest.param(existing(), 1, KeepReason.HOLDS_OBJECTS, id="one object"),
        pytest.param(existing("v2.9.0", None), 0, KeepReason.FOREIGN, id="installed by Flux"),
    ],
)
def test_any_other_crd_stays(there: dict[str, Any], objects_: int, reason: KeepReason) -> None:
    decision = decide_removal(there, objects_)
    assert isinstance(decision, Keep)
    assert decision.reason is reason
