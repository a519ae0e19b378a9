"""A commit's files, without the ignored ones, written as a tree and as an archive in one pass over the blobs.

Symbolic links and submodules are left out, as Flux's artifacts leave them out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from hub.artifacts.archive import ArchiveMember, DigestingWriter, write_archive
from hub.artifacts.contents import TreeDigest, TreeWriter
from hub.sources import ignore
from hub.sources.fetch import ARCHIVE_FILE, TREE_FILE, Limits
from hub.sources.git_failure import FailureKind, GitFailure

FILES = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the two files are."""

    tree: TreeDigest
    archive_digest: str
    archive_size: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: str
    id: pygit2.Oid
    is_executable: bool


def write_files(
    repository: pygit2.Repository, commit: pygit2.Commit, folder: Path, *, ignored: str | None, limits: Limits
) -> Written:
    """Write TREE_FILE and ARCHIVE_FILE into the folder. Raises GitFailure for more than the limits or an impossible name, OSError."""
    try:
        return _write(repository, _chosen(repository, commit, ignored, limits), folder)
    except (pygit2.GitError, KeyError) as problem:
        raise GitFailure(FailureKind.PROTOCOL, f"the commit cannot be read: {problem}") from problem


def _write(repository: pygit2.Repository, files: list[_File], folder: Path) -> Written:
    with (folder / TREE_FILE).open("wb") as tree_out, (folder / ARCHIVE_FILE).open("wb") as archive_out:
        tree, archive = TreeWriter(tree_out), DigestingWriter(archive_out)
        members = (_member(repository, file, tree) for file in files)
        write_archive(members, archive.as_binary())
        return Written(
            tree=tree.close(), archive_digest=archive.digest, archive_size=archive.size, files=len(files)
        )


def _member(repository: pygit2.Repository, file: _File, tree: TreeWriter) -> ArchiveMember:
    # The archive asks for each content once; on its way there the tree gets it too.
    return ArchiveMember(
        path=file.path,
        is_executable=file.is_executable,
        read=_reader(repository, file, tree),
    )


def _reader(repository: pygit2.Repository, file: _File, tree: TreeWriter) -> Callable[[], bytes]:
    def read() -> bytes:
        data: bytes = repository[file.id].data
        tree.add(file.path, data, is_executable=file.is_executable)
        return data

    return read


def _chosen(
    repository: pygit2.Repository, commit: pygit2.Commit, ignored: str | None, limits: Limits
) -> list[_File]:
    files = []
    for file in _walk(commit.tree, ""):
        files.append(file)
        if len(files) > limits.files:
            raise GitFailure(
                FailureKind.TOO_LARGE, f"the commit has more than {limits.files} files, which is the limit"
            )
    texts = dict.fromkeys(ignore.ignore_files(file.path for file in files), "")
    for file in files:
        if file.path in texts:
            texts[file.path] = repository[file.id].data.decode("utf-8", "surrogateescape")
    patterns = (*ignore.tree_patterns(texts), *ignore.read_patterns(ignored or ""))
    matcher = ignore.matcher(patterns)
    chosen = [file for file in files if not matcher.ignores(file.path.split("/"))]
    if sum(_size(repository, file) for file in chosen) > limits.content_bytes:
        message = f"the files are larger than {limits.content_bytes} bytes together, which is the limit; spec.ignore leaves some out"
        raise GitFailure(FailureKind.TOO_LARGE, message)
    return chosen


def _walk(tree: pygit2.Tree, above: str) -> Iterator[_File]:
    for entry in tree:
        name = (entry.raw_name or b"").decode("utf-8", "surrogateescape")
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise GitFailure(
                FailureKind.PROTOCOL, f"the commit holds a file named {name!r} in {above or '/'!r}"
            )
        if entry.filemode == FileMode.TREE:
            yield from _walk(entry, f"{above}{name}/")
        elif entry.filemode in FILES:
            executable = entry.filemode == FileMode.BLOB_EXECUTABLE
            yield _File(path=above + name, id=entry.id, is_executable=executable)


def _size(repository: pygit2.Repository, file: _File) -> int:
    _, size = repository.odb.read_header(file.id)
    return int(size)
