from hub.build.reach import needed
from tests.hub.build.adapter import tree


def names(path: str, **files: str) -> set[str]:
    return set(needed(tree(**files), path))


def test_only_the_directory_is_needed_when_nothing_points_out() -> None:
    assert names("app", app__a_yaml="x", app__b__c_yaml="x", application__d_yaml="x", e_yaml="x") == {
        "app/a.yaml",
        "app/b/c.yaml",
    }


def test_what_is_pointed_at_is_followed() -> None:
    found = names(
        "app",
        app__kustomization_yaml="resources:\n- ../base\n- '../one.yaml'\nfiles: [key=../data.txt]\n",
        base__kustomization_yaml="components: [../parts/x]",
        base__a_yaml="x",
        parts__x__kustomization_yaml="x",
        parts__y__kustomization_yaml="x",
        one_yaml="x",
        data_txt="x",
        other_yaml="x",
    )
    assert found == {
        "app/kustomization.yaml", "base/kustomization.yaml", "base/a.yaml", "parts/x/kustomization.yaml", "one.yaml", "data.txt",
    }  # fmt: skip


def test_the_root_is_everything() -> None:
    assert names(".", a_yaml="x", b__c_txt="x") == {"a.yaml", "b/c.txt"}


def test_names_that_leave_the_tree_reach_nothing() -> None:
    assert names("app", app__a_yaml="../../../../etc/hostname ../.. ..", b_yaml="x") == {
        "app/a.yaml",
        "b.yaml",
    }
