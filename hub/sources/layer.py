"""A pulled layer as an artifact: its files without the ignored ones, or its bytes as they are.

What a registry sends is not to be trusted: nothing is ever written under a name that the archive gives, and neither packed nor
unpacked may it exceed the limits. Symbolic links and devices are left out, as Flux leaves them out.
"""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hub.artifacts.contents import TreeDigest
from hub.artifacts.storage import file_digest
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import ARCHIVE_FILE, LAYER_FILE, TREE_FILE, LayerRequest, Limits, Packed
from hub.sources.pack import SourceFile, pack, write_tree

_TAR_FILE = "layer.tar"
_CHUNK = 1 << 20
# Headers of every file, and the padding behind it.
_TAR_OVERHEAD = 4 * tarfile.BLOCKSIZE


def write_layer(request: LayerRequest, folder: Path) -> Packed:
    """Write ARCHIVE_FILE and, of a layer with files, TREE_FILE. Raises FetchFailure, OSError."""
    if request.copies:
        return _copy(folder, request.limits)
    with _unpacked(folder, request.limits) as tar:
        return pack(_files(tar, request.limits), folder, ignored=request.ignore, limits=request.limits)


def _copy(folder: Path, limits: Limits) -> Packed:
    """Keep the layer byte for byte; a tree is made of one that is an archive, so that it can be built from, else there is none."""
    archive = (folder / LAYER_FILE).rename(folder / ARCHIVE_FILE)
    shutil.copyfile(archive, folder / LAYER_FILE)
    try:
        with _unpacked(folder, limits) as tar:
            files = _files(tar, limits)
            tree = write_tree(files, folder / TREE_FILE, limits=limits)
    except FetchFailure:
        # Whatever it is, it is kept; only nothing can be built from it.
        tree, files = TreeDigest(""), []
    return Packed(
        tree=tree, archive_digest=file_digest(archive), archive_size=archive.stat().st_size, files=len(files)
    )


def _unpacked(folder: Path, limits: Limits) -> BinaryIO:
    """Unpack gzip into a file of the folder, no further than the limits let the files in it be."""
    most = limits.content_bytes + limits.files * _TAR_OVERHEAD
    target = folder / _TAR_FILE
    try:
        with gzip.open(folder / LAYER_FILE) as packed, target.open("wb") as out:
            written = 0
            while chunk := packed.read(_CHUNK):
                written += len(chunk)
                if written > most:
                    message = f"it unpacks to more than the limit of {limits.content_bytes} bytes in {limits.files} files"
                    raise FetchFailure(FailureKind.TOO_LARGE, message)
                out.write(chunk)
    except gzip.BadGzipFile as problem:
        raise FetchFailure(FailureKind.UNSUPPORTED, f"requires gzip-compressed body: {problem}") from problem
    except (EOFError, zlib.error) as problem:
        raise FetchFailure(FailureKind.PROTOCOL, f"the compressed layer is damaged: {problem}") from problem
    (folder / LAYER_FILE).unlink()
    return target.open("rb")


def _files(tar: BinaryIO, limits: Limits) -> list[SourceFile]:
    """Return the regular files of an archive, of several under one name the last. Raises FetchFailure."""
    found: dict[str, SourceFile] = {}
    try:
        with tarfile.open(fileobj=tar, mode="r:") as archive:
            for count, member in enumerate(archive):
                # The library would keep all headers.
                archive.members = []  # type: ignore[attr-defined]
                if count >= limits.files:
                    message = f"the layer has more than {limits.files} entries, which is the limit"
                    raise FetchFailure(FailureKind.TOO_LARGE, message)
                path = _path(member.name)
                if member.islnk():
                    found[path] = _linked(path, member, found)
                elif member.isreg():
                    found[path] = _file(tar, path, member)
            tar.seek(archive.offset)
            if tar.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise FetchFailure(FailureKind.UNSUPPORTED, "tar error: invalid header")
    except tarfile.TarError as problem:
        raise FetchFailure(FailureKind.UNSUPPORTED, f"tar error: {problem}") from problem
    for path in found:
        if above := next((str(one) for one in PurePosixPath(path).parents if str(one) in found), None):
            raise _impossible(f"holds the file {above!r} and files below it")
    return list(found.values())


def _file(tar: BinaryIO, path: str, member: tarfile.TarInfo) -> SourceFile:
    offset, size = member.offset_data, member.size
    if not path or size < 0 or member.issparse():
        raise FetchFailure(FailureKind.UNSUPPORTED, f"tar error: {path!r} is of a form that is not read")

    def read() -> bytes:
        tar.seek(offset)
        return tar.read(size)

    return SourceFile(path=path, is_executable=bool(member.mode & 0o111), size=lambda: size, read=read)


def _linked(path: str, member: tarfile.TarInfo, found: Mapping[str, SourceFile]) -> SourceFile:
    target = found.get(_path(member.linkname))
    if target is None:
        raise _impossible(f"holds a hard link {path!r} to {member.linkname!r}, which is not before it")
    return replace(target, path=path)


def _path(name: str) -> str:
    """Return a name as a path from the root of the archive. Raises FetchFailure for one that leads elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise FetchFailure(FailureKind.PROTOCOL, f"tar contained invalid name error {name!r}")
    return "/".join(parts)


def _impossible(what: str) -> FetchFailure:
    return FetchFailure(FailureKind.PROTOCOL, f"the layer {what}")
