"""Files of a source, without the ignored ones, written as a tree and as an archive in one pass over their contents."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.artifacts.archive import ArchiveMember, DigestingWriter, write_archive
from hub.artifacts.contents import TreeDigest, TreeWriter
from hub.sources import ignore
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import ARCHIVE_FILE, TREE_FILE, Limits, Packed


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One regular file; size and content are asked for only when it is not ignored."""

    path: str
    is_executable: bool
    size: Callable[[], int]
    read: Callable[[], bytes]


def pack(files: Iterable[SourceFile], folder: Path, *, ignored: str | None, limits: Limits) -> Packed:
    """Write TREE_FILE and ARCHIVE_FILE into the folder. Raises FetchFailure for more than the limits, OSError."""
    chosen = _chosen(files, ignored, limits)
    with (folder / TREE_FILE).open("wb") as tree_out, (folder / ARCHIVE_FILE).open("wb") as archive_out:
        tree, archive = TreeWriter(tree_out), DigestingWriter(archive_out)
        # The archive asks for each content once; on its way there the tree gets it too.
        write_archive((_member(file, tree) for file in chosen), archive.as_binary())
        return Packed(
            tree=tree.close(), archive_digest=archive.digest, archive_size=archive.size, files=len(chosen)
        )


def write_tree(files: Sequence[SourceFile], out: Path, *, limits: Limits) -> TreeDigest:
    """Write all files as a tree alone. Raises FetchFailure for more than the limits, OSError."""
    _refuse_large(files, limits)
    with out.open("wb") as stream:
        tree = TreeWriter(stream)
        for file in files:
            tree.add(file.path, file.read(), is_executable=file.is_executable)
        return tree.close()


def _member(file: SourceFile, tree: TreeWriter) -> ArchiveMember:
    def read() -> bytes:
        data = file.read()
        tree.add(file.path, data, is_executable=file.is_executable)
        return data

    return ArchiveMember(path=file.path, is_executable=file.is_executable, read=read)


def _chosen(given: Iterable[SourceFile], ignored: str | None, limits: Limits) -> list[SourceFile]:
    files: list[SourceFile] = []
    for file in given:
        files.append(file)
        if len(files) > limits.files:
            raise FetchFailure(
                FailureKind.TOO_LARGE, f"there are more than {limits.files} files, which is the limit"
            )
    texts = dict.fromkeys(ignore.ignore_files(file.path for file in files), "")
    for file in files:
        if file.path in texts:
            texts[file.path] = file.read().decode("utf-8", "surrogateescape")
    patterns = (*ignore.tree_patterns(texts), *ignore.read_patterns(ignored or ""))
    matcher = ignore.matcher(patterns)
    chosen = [file for file in files if not matcher.ignores(file.path.split("/"))]
    _refuse_large(chosen, limits)
    return chosen


def _refuse_large(files: Iterable[SourceFile], limits: Limits) -> None:
    if sum(file.size() for file in files) > limits.content_bytes:
        message = f"the files are larger than {limits.content_bytes} bytes together, which is the limit; spec.ignore leaves some out"
        raise FetchFailure(FailureKind.TOO_LARGE, message)
