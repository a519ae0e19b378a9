import pytest

from agent.apply.stages import parse_kinds, split
from tests.agent.apply.cluster import definition, manifest


def test_definitions_then_classes_then_the_rest_and_the_first_two_are_awaited() -> None:
    role = manifest("ClusterRole", "r", api_version="rbac.authorization.k8s.io/v1", namespace="")
    storage = manifest("StorageClass", "s", api_version="storage.k8s.io/v1", namespace="")
    own = manifest("WidgetClass", "w", api_version="example.org/v1")
    space = manifest("Namespace", "n", namespace="")
    rest = manifest()
    stages = split([rest, own, storage, role, space, definition()])
    assert [[one.ref.kind for one in stage.manifests] for stage in stages] == [
        ["CustomResourceDefinition", "Namespace", "ClusterRole"],
        ["StorageClass", "WidgetClass"],
        ["ConfigMap"],
    ]
    assert [stage.is_awaited for stage in stages] == [True, True, False]


def test_kinds_that_a_setting_names_come_before_the_rest_and_are_not_awaited() -> None:
    job = manifest("Job", "j", api_version="batch/v1")
    other = manifest("Job", "o", api_version="example.org/v1")
    stages = split([manifest(), job, other, manifest("Secret", "s")], parse_kinds("batch/Job,Secret"))
    assert [[one.ref.name for one in stage.manifests] for stage in stages] == [["s", "j"], ["one", "o"]]
    assert [stage.is_awaited for stage in stages] == [False, False]


def test_a_setting_that_names_no_kinds_is_refused() -> None:
    for text in ("apps/v1/Deployment", "batch/", "Secret,,Job"):
        with pytest.raises(ValueError, match="is no kind"):
            parse_kinds(text)


def test_stages_without_members_are_left_out() -> None:
    assert [stage.is_awaited for stage in split([manifest()])] == [False]
    assert split([]) == ()


def test_a_kind_of_another_group_is_no_definition() -> None:
    strange = manifest("Namespace", "n", api_version="example.org/v1")
    assert [stage.is_awaited for stage in split([strange])] == [False]
