from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.artifacts.contents import ContentLost, Contents, TreeDigest, TreeEntry, TreeWriter, tree_digest
from hub.artifacts.staging import staging_folder

FILES = {"app/deployment.yaml": b"kind: Deployment\n", "run.sh": b"#!/bin/sh\n", "empty": b""}


def stored(contents: Contents, files: dict[str, bytes], executable: str = "") -> TreeDigest:
    with staging_folder(contents.root) as folder:
        file = folder / "tree"
        with file.open("wb") as out:
            writer = TreeWriter(out)
            for path, data in files.items():
                writer.add(path, data, is_executable=path == executable)
            digest = writer.close()
        contents.adopt(file, digest)
    return digest


def tree_file(contents: Contents, digest: TreeDigest) -> Path:
    return contents.root / "trees" / f"{digest.removeprefix('sha256:')}.tree"


def test_a_tree_is_read_by_its_digest(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    tree = contents.tree(stored(contents, FILES, executable="run.sh"))
    assert tree is not None
    assert dict(tree) == FILES
    assert [path for path, entry in tree.entries.items() if entry.is_executable] == ["run.sh"]


def test_an_empty_tree_is_a_tree(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    tree = contents.tree(stored(contents, {}))
    assert tree is not None
    assert dict(tree) == {}


def test_the_digest_depends_on_content_path_and_mode_but_not_on_order(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    digest = stored(contents, FILES)
    assert stored(contents, dict(reversed(FILES.items()))) == digest
    others = [
        stored(contents, FILES | {"empty": b"no"}),
        stored(contents, {f"x{path}": data for path, data in FILES.items()}),
        stored(contents, FILES, executable="run.sh"),
    ]
    assert digest not in others
    assert len(set(others)) == 3


def test_an_absent_tree_is_none(tmp_path: Path) -> None:
    assert Contents(tmp_path).tree(TreeDigest("sha256:" + "0" * 64)) is None


@pytest.mark.parametrize(
    "text", ["sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:0", "", "sha256:" + "/" * 64]
)
def test_a_digest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="is not a tree digest"):
        Contents(tmp_path).tree(TreeDigest(text))


@pytest.mark.parametrize("kept", [0, 1, 10, -1, -20])
def test_a_cut_tree_is_absent(tmp_path: Path, kept: int) -> None:
    contents = Contents(tmp_path)
    digest = stored(contents, FILES)
    file = tree_file(contents, digest)
    file.write_bytes(file.read_bytes()[:kept])
    assert contents.tree(digest) is None


def test_a_damaged_index_makes_the_tree_absent_and_storing_it_again_heals(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    digest = stored(contents, FILES)
    file = tree_file(contents, digest)
    file.write_bytes(file.read_bytes().replace(b"run.sh", b"ran.sh"))
    assert contents.tree(digest) is None
    assert stored(contents, FILES) == digest
    assert contents.tree(digest) is not None


def test_a_damaged_content_is_never_handed_out(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    digest = stored(contents, FILES)
    file = tree_file(contents, digest)
    file.write_bytes(file.read_bytes().replace(b"kind: Deployment", b"kind: Deploymint"))
    tree = contents.tree(digest)
    assert tree is not None
    assert tree["run.sh"] == FILES["run.sh"]
    with pytest.raises(ContentLost, match=r"app/deployment\.yaml"):
        tree["app/deployment.yaml"]


def test_pruning_removes_old_trees_that_nobody_names(tmp_path: Path) -> None:
    contents = Contents(tmp_path)
    kept, dropped = stored(contents, FILES), stored(contents, {"other": b""})
    tree = contents.tree(dropped)
    now = datetime.now(UTC)
    assert contents.prune([kept], now=now, min_age_s=60) == 0
    assert contents.prune([kept], now=now + timedelta(seconds=61), min_age_s=60) == 1
    assert contents.tree(kept) is not None
    assert contents.tree(dropped) is None
    assert tree is not None
    assert tree["other"] == b"", "a reader that has it open keeps it"


paths = st.text(st.characters(exclude_characters="\0"), min_size=1).map(
    lambda text: text.encode("utf-8", "replace").decode()
)


@given(
    st.lists(st.tuples(paths, st.booleans(), st.integers(0, 9)), unique_by=lambda row: row[0]), st.randoms()
)
def test_the_digest_of_a_set_of_files_does_not_depend_on_order(
    rows: list[tuple[str, bool, int]], random: Random
) -> None:
    entries = [
        TreeEntry(path=path, sha256="0" * 64, size=size, is_executable=run) for path, run, size in rows
    ]
    digest = tree_digest(entries)
    random.shuffle(entries)
    assert tree_digest(entries) == digest
