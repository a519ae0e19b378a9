"""Layers as artifacts, those of hostile registries too."""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from hub.artifacts.contents import SUFFIX, Contents, Tree
from hub.artifacts.storage import file_digest
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import ARCHIVE_FILE, LAYER_FILE, TREE_FILE, LayerRequest, Limits, Packed
from hub.sources.layer import write_layer
from tests.hub.sources.registry import targz

FILES = {"a.yaml": b"a: 1\n", "dir/run.sh": b"#!/bin/sh\n", "dir/b.yaml": b"b: 2\n"}


def entry(name: str, type_: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, link
    return info


def written(folder: Path, layer: bytes, *, limits: Limits | None = None, **more: object) -> Packed:
    (folder / LAYER_FILE).write_bytes(layer)
    return write_layer(LayerRequest(timeout_s=9.0, limits=limits or Limits(), **more), folder)  # type: ignore[arg-type]


def tree(folder: Path, packed: Packed) -> Tree:
    (folder / "trees").mkdir()
    (folder / TREE_FILE).rename(folder / "trees" / f"{packed.tree.removeprefix('sha256:')}{SUFFIX}")
    found = Contents(folder).tree(packed.tree)
    assert found is not None
    return found


def refused(folder: Path, layer: bytes, **more: object) -> FetchFailure:
    with pytest.raises(FetchFailure) as caught:
        written(folder, layer, **more)  # type: ignore[arg-type]
    assert os.listdir(folder.parent) == [folder.name], "something was written elsewhere"
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "one"
    made.mkdir()
    return made


def test_the_files_of_a_layer_become_a_tree_and_an_archive(folder: Path) -> None:
    packed = written(folder, targz(FILES))
    found = tree(folder, packed)
    assert dict(found) == FILES
    assert [path for path, one in found.entries.items() if one.is_executable] == ["dir/run.sh"]
    archive = folder / ARCHIVE_FILE
    assert (packed.archive_digest, packed.archive_size) == (file_digest(archive), archive.stat().st_size)
    with tarfile.open(archive) as opened:
        assert opened.getnames() == [".", "a.yaml", "dir", "dir/b.yaml", "dir/run.sh"]


def test_equal_files_are_equal_whoever_packed_them(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    layer = gzip.compress(gzip.decompress(targz(dict(reversed(FILES.items())))), compresslevel=1)
    assert written(folder, targz(FILES)) == written(other, layer)


def test_what_is_ignored_is_left_out(folder: Path) -> None:
    files = FILES | {".sourceignore": b"/a.yaml\n", "dir/c.yaml": b""}
    packed = written(folder, targz(files), ignore="/dir/c.yaml\n")
    assert set(tree(folder, packed)) == {".sourceignore", "dir/run.sh", "dir/b.yaml"}


def test_the_default_patterns_hold_for_a_layer_without_any(folder: Path) -> None:
    packed = written(folder, targz({"a.yaml": b"", ".git/config": b"", "logo.png": b""}))
    assert set(tree(folder, packed)) == {"a.yaml"}


def test_the_last_of_several_files_of_one_name_counts(folder: Path) -> None:
    packed = written(folder, targz({"./a.yaml": b"one", "a.yaml": b"two"}))
    assert dict(tree(folder, packed)) == {"a.yaml": b"two"}


def test_links_and_devices_are_left_out_and_hard_links_followed(folder: Path) -> None:
    more = (
        entry("passwd", tarfile.SYMTYPE, "/etc/passwd"),
        entry("up", tarfile.SYMTYPE, "../.."),
        entry("null", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
        entry("same.yaml", tarfile.LNKTYPE, "./a.yaml"),
    )
    packed = written(folder, targz({"a.yaml": b"a"}, *more))
    assert dict(tree(folder, packed)) == {"a.yaml": b"a", "same.yaml": b"a"}


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b", "a\\b", "dir/.."])
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    problem = refused(folder, targz({name: b"x"}))
    assert problem.kind is FailureKind.PROTOCOL
    assert str(problem) == f"tar contained invalid name error {name!r}"


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(targz({"a": b"", "a/b": b""}), id="a file that is a directory"),
        pytest.param(targz({"a": b""}, entry("b", tarfile.LNKTYPE, "c")), id="a hard link to nothing"),
        pytest.param(targz({"a": b""}, entry("b", tarfile.LNKTYPE, "../c")), id="a hard link to elsewhere"),
        pytest.param(targz({"": b"x"}), id="no name"),
        pytest.param(targz({"a": b""}, entry("s", tarfile.GNUTYPE_SPARSE)), id="sparse"),
        pytest.param(b"kind: ConfigMap", id="no gzip"),
        pytest.param(b"", id="nothing"),
        pytest.param(gzip.compress(b"kind: ConfigMap"), id="no tar"),
        pytest.param(targz(FILES)[:-40], id="half of it"),
        pytest.param(gzip.compress(gzip.decompress(targz(FILES))[:700]), id="half of the tar"),
        pytest.param(
            gzip.compress(gzip.decompress(targz(FILES))[:1024] + b"x" * 2048), id="an end of rubbish"
        ),
    ],
)
def test_what_is_no_archive_of_files_is_refused(folder: Path, layer: bytes) -> None:
    assert refused(folder, layer).kind in (FailureKind.PROTOCOL, FailureKind.UNSUPPORTED)


@pytest.mark.parametrize(
    ("layer", "limits", "text"),
    [
        pytest.param(
            targz({"zeros": bytes(200_000)}),
            Limits(content_bytes=1000, files=5),
            "it unpacks to more than the limit of 1000 bytes",
            id="a bomb",
        ),
        pytest.param(
            targz({}, *(entry(str(n), tarfile.DIRTYPE) for n in range(9))),
            Limits(files=8),
            "more than 8 entries, which is the limit",
            id="many entries",
        ),
        pytest.param(
            targz({"a": bytes(600)}, *(entry(str(n), tarfile.LNKTYPE, "a") for n in range(4))),
            Limits(content_bytes=2000),
            "the files are larger than 2000 bytes together, which is the limit",
            id="one file many times",
        ),
    ],
)
def test_what_is_larger_than_the_limits_is_refused(
    folder: Path, layer: bytes, limits: Limits, text: str
) -> None:
    problem = refused(folder, layer, limits=limits)
    assert problem.kind is FailureKind.TOO_LARGE
    assert text in str(problem)


def test_a_copy_is_the_layer_byte_for_byte_and_can_be_built_from(folder: Path) -> None:
    layer = targz(FILES | {"logo.png": b"png"})
    packed = written(folder, layer, copies=True, ignore="*.yaml")
    assert (folder / ARCHIVE_FILE).read_bytes() == layer
    assert (packed.archive_digest, packed.archive_size) == (file_digest(folder / ARCHIVE_FILE), len(layer))
    assert dict(tree(folder, packed)) == FILES | {"logo.png": b"png"}


@pytest.mark.parametrize(
    "layer",
    [b"{}", gzip.compress(b"text"), targz({"../up": b""}), targz({"zeros": bytes(200_000)})],
    ids=["json", "text", "hostile", "bomb"],
)
def test_a_copy_of_anything_else_is_kept_too(folder: Path, layer: bytes) -> None:
    packed = written(folder, layer, copies=True, limits=Limits(content_bytes=1000, files=5))
    assert (packed.tree, packed.files) == ("", 0)
    assert (folder / ARCHIVE_FILE).read_bytes() == layer


def test_a_header_of_a_size_that_cannot_be_does_not_hang(folder: Path) -> None:
    raw = bytearray(gzip.decompress(targz({"a": b"x"})))
    info = tarfile.TarInfo("a")
    info.size = 1
    block = bytearray(info.tobuf())
    # Base 256, negative, as GNU writes large numbers; with a checksum that fits.
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    raw[:512] = block
    assert refused(folder, gzip.compress(bytes(raw))).kind in (FailureKind.PROTOCOL, FailureKind.UNSUPPORTED)
