from typing import Any

import pytest

from hub.build.errors import BuildFailed
from hub.build.objects import Marks, check_identity, finish

MARKS = Marks(name="apps", namespace="flux-system")
OWNER = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


def config_map(name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def test_lists_are_expanded_and_what_is_no_object_is_dropped() -> None:
    values: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "List", "items": [config_map("a"), config_map("b")]},
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "metadata": {"name": "x"}},
        {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "c"}},
        {"kind": "ConfigMap", "metadata": {"name": "no-version"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": None}},
        {"apiVersion": "v1", "kind": "ConfigMap"},
    ]
    assert [value["metadata"]["name"] for value in finish(values, MARKS)] == ["a", "b", "c"]


def test_common_metadata_overrides_even_owner_labels() -> None:
    marks = Marks(
        name="apps",
        namespace="flux-system",
        labels={"a": "2", "kustomize.toolkit.fluxcd.io/name": "x"},
        annotations={"n": "1"},
    )
    value = config_map("a", metadata={"labels": {"a": "1", "b": None}, "annotations": {"n": "0", "m": "0"}})
    metadata = finish([value], marks)[0]["metadata"]
    assert metadata["labels"] == {**OWNER, "a": "2", "b": "", "kustomize.toolkit.fluxcd.io/name": "x"}
    assert metadata["annotations"] == {"n": "1", "m": "0"}


def test_what_is_given_does_not_change() -> None:
    value = config_map("a", metadata={"labels": {"a": "1"}})
    assert finish([value], MARKS)[0]["metadata"]["labels"] == {"a": "1", **OWNER}
    assert value == config_map("a", metadata={"labels": {"a": "1"}})


def test_labels_of_a_wrong_type_stay_for_the_api_server_to_name() -> None:
    assert finish([config_map("a", metadata={"labels": {"n": 1}})], MARKS)[0]["metadata"]["labels"] == {
        "n": 1,
        **OWNER,
    }


def encrypted(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", **metadata}, "sops": {"mac": "x"}}


def test_an_encrypted_secret_is_refused() -> None:
    with pytest.raises(
        BuildFailed, match=r"^Secret/prod/s is SOPS encrypted, configuring decryption is required"
    ):
        finish([encrypted(namespace="prod")], MARKS)


def test_an_encrypted_secret_may_say_that_it_stays_encrypted() -> None:
    value = encrypted(annotations={"kustomize.toolkit.fluxcd.io/decrypt": "Disabled"})
    assert finish([value], MARKS)[0]["sops"] == {"mac": "x"}


@pytest.mark.parametrize("missing", ["apiVersion", "kind", "metadata"])
def test_a_resource_needs_its_identity(missing: str) -> None:
    value = {key: field for key, field in config_map("a").items() if key != missing}
    with pytest.raises(BuildFailed, match="failed to decode Kubernetes apiVersion, kind and name from"):
        check_identity(value)


def test_an_item_of_a_list_needs_its_identity() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [config_map("a"), {"kind": "ConfigMap"}]}
    with pytest.raises(BuildFailed, match="failed to decode Kubernetes apiVersion, kind and name"):
        finish([listed], Marks(name="webapp", namespace="apps"))
