"""The archive of a tree as Flux's own consumers expect it: gzip over tar, the same bytes for the same files on every machine.

Regular files and directories only, in the order of a lexical walk, owner 0, all times zero. The digest of an artifact covers these
bytes; they are equal only for one version of zlib, so nothing but the artifact's own digest may depend on them.
"""

import gzip
import hashlib
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

FILE_MODE = 0o600
EXECUTABLE_MODE = 0o700
DIRECTORY_MODE = 0o750
ROOT = "."
COMPRESSION_LEVEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """One regular file; `read` gives its content once, when its turn has come."""

    path: str
    is_executable: bool
    read: Callable[[], bytes]


def write_archive(members: Iterable[ArchiveMember], out: BinaryIO) -> None:
    """Write a `.tar.gz` with these files and the directories above them, whatever order they are given in."""
    # No file name and no time in gzip's header: they would change the digest.
    with gzip.GzipFile(
        filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=out, mtime=0
    ) as packed:
        _write_directory(packed, ROOT)
        seen: set[str] = set()
        for member in sorted(members, key=lambda one: one.path.split("/")):
            for directory in _parents(member.path):
                if directory not in seen:
                    seen.add(directory)
                    _write_directory(packed, directory)
            _write_file(packed, member)
        packed.write(b"\0" * (2 * tarfile.BLOCKSIZE))


class DigestingWriter:
    """A writer that hashes and counts what passes through it on the way to a file."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._out.write(data)

    def flush(self) -> None:
        self._out.flush()

    @property
    def digest(self) -> str:
        """The digest of everything written so far, as `sha256:<hex>`."""
        return f"sha256:{self._hash.hexdigest()}"

    def as_binary(self) -> BinaryIO:
        """Return itself for a library that only writes and flushes."""
        return cast(BinaryIO, self)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _write_directory(packed: gzip.GzipFile, path: str) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode = tarfile.DIRTYPE, DIRECTORY_MODE
    packed.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


def _write_file(packed: gzip.GzipFile, member: ArchiveMember) -> None:
    data = member.read()
    info = tarfile.TarInfo(member.path)
    info.size = len(data)
    info.mode = EXECUTABLE_MODE if member.is_executable else FILE_MODE
    packed.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
    packed.write(data)
    packed.write(b"\0" * (-len(data) % tarfile.BLOCKSIZE))
