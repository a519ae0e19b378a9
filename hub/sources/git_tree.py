"""A commit's files. Symbolic links and submodules are left out, as Flux's artifacts leave them out."""

from collections.abc import Iterator
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import Limits, Packed
from hub.sources.pack import SourceFile, pack

FILES = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


def write_files(
    repository: pygit2.Repository, commit: pygit2.Commit, folder: Path, *, ignored: str | None, limits: Limits
) -> Packed:
    """Write TREE_FILE and ARCHIVE_FILE into the folder. Raises FetchFailure for more than the limits or an impossible name, OSError."""
    try:
        return pack(_walk(repository, commit.tree, ""), folder, ignored=ignored, limits=limits)
    except (pygit2.GitError, KeyError) as problem:
        raise FetchFailure(FailureKind.PROTOCOL, f"the commit cannot be read: {problem}") from problem


def _walk(repository: pygit2.Repository, tree: pygit2.Tree, above: str) -> Iterator[SourceFile]:
    for entry in tree:
        name = (entry.raw_name or b"").decode("utf-8", "surrogateescape")
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise FetchFailure(
                FailureKind.PROTOCOL, f"the commit holds a file named {name!r} in {above or '/'!r}"
            )
        if entry.filemode == FileMode.TREE:
            yield from _walk(repository, entry, f"{above}{name}/")
        elif entry.filemode in FILES:
            yield _file(repository, entry, above + name)


def _file(repository: pygit2.Repository, entry: pygit2.Object, path: str) -> SourceFile:
    # The object itself is not kept: with it, its content would be.
    id_, is_executable = entry.id, entry.filemode == FileMode.BLOB_EXECUTABLE

    def size() -> int:
        _, found = repository.odb.read_header(id_)
        return int(found)

    def read() -> bytes:
        data: bytes = repository[id_].data
        return data

    return SourceFile(path=path, is_executable=is_executable, size=size, read=read)
