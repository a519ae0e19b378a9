from collections.abc import Iterator, Mapping

import pytest

from hub.build.reach import MAX_MENTIONS, needed
from tests.hub.build.adapter import tree


class Counted(Mapping[str, bytes]):
    """A tree that counts how often a file is read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.reads = 0

    def __getitem__(self, name: str) -> bytes:
        self.reads += 1
        return self.files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def names(path: str, **files: str) -> set[str]:
    return set(needed(tree(**files), path).files)


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


@pytest.mark.parametrize(
    "content",
    [b"a" * 4_000_000 + b"\n../x\n", b"../x\n" + b"..a=" * 1_000_000, b"..\\" * 1_000_000 + b"\n../x"],
    ids=["a long word", "a long word of many dots", "dots at the end"],
)
def test_a_long_line_takes_no_longer_than_its_length(content: bytes) -> None:
    # By the square of its length this would take days.
    assert set(needed({"app/a.yaml": content, "x": b"", "y": b""}, "app").files) == {"app/a.yaml", "x"}


def test_each_file_is_read_once_however_often_it_is_pointed_at() -> None:
    files = {f"d{number}/a.yaml": f"../d{number + 1} ../d{number}/a.yaml".encode() for number in range(3000)}
    counted = Counted(files)
    assert len(needed(counted, "d0").files) == 3000
    assert counted.reads == 3000


def test_a_tree_that_points_at_very_much_is_needed_as_a_whole() -> None:
    files = {"app/a.yaml": b"../../x\n" * (MAX_MENTIONS + 1), "y": b""}
    assert set(needed(files, "app").files) == {"app/a.yaml", "y"}
