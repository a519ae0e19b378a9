import gzip
import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from hub.artifacts.archive import ArchiveMember, DigestingWriter, write_archive


def member(path: str, data: bytes = b"x", *, is_executable: bool = False) -> ArchiveMember:
    return ArchiveMember(path=path, is_executable=is_executable, read=lambda: data)


def archive(*members: ArchiveMember) -> bytes:
    out = io.BytesIO()
    write_archive(members, out)
    return out.getvalue()


def unpacked(data: bytes) -> list[tarfile.TarInfo]:
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:gz").getmembers()


def test_the_same_files_give_the_same_bytes_whatever_their_order() -> None:
    one, two = member("b/c.yaml", b"1"), member("a.yaml", b"2")
    assert archive(one, two) == archive(two, one)


def test_members_come_in_the_order_of_a_walk_with_the_directories_above_them() -> None:
    names = [info.name for info in unpacked(archive(member("a.txt"), member("a/b/c"), member("a-b/d")))]
    assert names == [".", "a", "a/b", "a/b/c", "a-b", "a-b/d", "a.txt"]


def test_modes_owners_and_times_are_normalised() -> None:
    root, directory, run, plain = unpacked(archive(member("bin/run", is_executable=True), member("plain")))
    assert [info.mode for info in (root, directory, run, plain)] == [0o750, 0o750, 0o700, 0o600]
    assert {(info.uid, info.gid, info.uname, info.gname, info.mtime) for info in (root, run)} == {
        (0, 0, "", "", 0)
    }


def test_the_gzip_header_holds_no_time_and_no_name() -> None:
    header = archive(member("a"))[:10]
    assert header[3] == 0
    assert header[4:8] == b"\0\0\0\0"


def test_the_digest_is_that_of_the_bytes_written() -> None:
    out = io.BytesIO()
    writer = DigestingWriter(out)
    writer.write(b"hello")
    assert writer.digest == "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert (writer.size, out.getvalue()) == (5, b"hello")


names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..")
)


@given(st.dictionaries(names, st.binary(max_size=2000), max_size=5))
def test_every_name_and_content_survives(files: dict[str, bytes]) -> None:
    packed = archive(*(member(path, data) for path, data in files.items()))
    assert len(gzip.decompress(packed)) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        found = {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}  # type: ignore[union-attr]
    assert found == files
