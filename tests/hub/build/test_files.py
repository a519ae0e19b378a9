"""A tree by folders, against looking at every name."""

from hypothesis import given
from hypothesis import strategies as st

from hub.build.files import Files

PARTS = st.text("ab-.é", min_size=1, max_size=3)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def is_below(path: str, name: str) -> bool:
    return path in (".", name) or name.startswith(f"{path}/")


def by_parts(name: str) -> list[str]:
    return name.split("/")


@given(st.dictionaries(NAMES, st.binary(max_size=2)), NAMES | st.just("."))
def test_a_folder_is_what_is_below_it_in_lexical_order(contents: dict[str, bytes], path: str) -> None:
    files = Files(contents)
    assert list(files.below(path)) == sorted(
        (name for name in contents if is_below(path, name)), key=by_parts
    )
    assert files.is_folder(path) is (path == "." or any(name.startswith(f"{path}/") for name in contents))


@given(st.dictionaries(NAMES, st.binary(max_size=2)), NAMES, NAMES)
def test_an_amended_tree_is_another_one(contents: dict[str, bytes], name: str, path: str) -> None:
    files = Files(contents)
    amended = files.amended(name, b"new")
    assert dict(files) == contents
    assert dict(amended) == {**contents, name: b"new"}
    assert list(amended.below(path)) == list(Files({**contents, name: b"new"}).below(path))


@given(st.dictionaries(NAMES, st.binary(max_size=2)), st.dictionaries(NAMES, st.binary(max_size=2)), NAMES)
def test_the_digest_of_a_part_is_over_what_is_in_it(
    one: dict[str, bytes], other: dict[str, bytes], path: str
) -> None:
    parts = [{name: data for name, data in part.items() if is_below(path, name)} for part in (one, other)]
    digests = [Files(part).digest([path]) for part in (one, other)]
    assert (digests[0] == digests[1]) is (parts[0] == parts[1])


def test_a_known_hash_is_not_made_anew() -> None:
    files = Files({"a/b": b"1", "a/c": b"2"}, {"a/b": "x", "a/c": "y"}.__getitem__)
    assert files.digest(["a"]) == Files(
        {"a/b": b"", "a/c": b""}, {"a/b": "x", "a/c": "y"}.__getitem__
    ).digest(["a"])
    assert files.amended("a/b", b"1").digest(["a"]) != files.digest(["a"])


def test_nothing_is_read_to_find_it() -> None:
    class Unread(dict[str, bytes]):
        def __getitem__(self, name: str) -> bytes:
            raise AssertionError(name)

    files = Files.of(Unread({"a/b": b""}))
    assert "a/b" in files
    assert "a" not in files
    assert list(files.below("a")) == ["a/b"]
    assert Files.of(files) is files
