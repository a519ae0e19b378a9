"""What sources fetched, as trees that builds read: addressed by their own digest, one file a tree, read in part.

A tree's digest is the hash of its index, and the index holds path, mode, size and hash of every file; so it names content alone,
whatever Git, an archive or a compressor did to carry it. Layout of a tree file: contents one after the other, the index, then a
trailer. Every byte handed out has been checked against the digest it was asked for by.
"""

import hashlib
import mmap
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NewType

from hub.artifacts.staging import move_into_place

TreeDigest = NewType("TreeDigest", str)
"""`sha256:<hex>` over the index of a tree."""

FOLDER = "trees"
SUFFIX = ".tree"
MAGIC = b"cwtree01"
TRAILER = struct.Struct(">Q8s")
PREFIX = "sha256:"


class ContentLost(Exception):
    """A file of a stored tree is not what its digest says. Fetch the tree again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """One file of a tree; `sha256` is hexadecimal."""

    path: str
    sha256: str
    size: int
    is_executable: bool


class TreeWriter:
    """Writes one tree file, contents in any order; `close` seals it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._entries: list[TreeEntry] = []

    def add(self, path: str, data: bytes, *, is_executable: bool) -> None:
        """Append a file."""
        digest = hashlib.sha256(data).hexdigest()
        self._entries.append(TreeEntry(path=path, sha256=digest, size=len(data), is_executable=is_executable))
        self._out.write(data)

    def close(self) -> TreeDigest:
        """Write index and trailer, and return the tree's digest."""
        index = _offset_index(self._entries)
        self._out.write(index)
        self._out.write(TRAILER.pack(len(index), MAGIC))
        return tree_digest(self._entries)


class Tree(Mapping[str, bytes]):
    """A stored tree: path -> content, each content read and checked when asked for. Stays readable when the store drops it."""

    def __init__(
        self, digest: TreeDigest, view: mmap.mmap, entries: list[TreeEntry], offsets: list[int]
    ) -> None:
        self.digest = digest
        self._view = view
        self._entries = {entry.path: entry for entry in entries}
        self._offsets = {entry.path: at for entry, at in zip(entries, offsets, strict=True)}

    @property
    def entries(self) -> Mapping[str, TreeEntry]:
        """The files without their contents, by path."""
        return self._entries

    def __getitem__(self, path: str) -> bytes:
        entry, at = self._entries[path], self._offsets[path]
        data = self._view[at : at + entry.size]
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ContentLost(
                f"{path} of tree {self.digest} is damaged on disk; the source must be fetched again"
            )
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Contents:
    """The trees in one folder. Readers need no lock; one process writes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def adopt(self, file: Path, digest: TreeDigest) -> None:
        """Take over a finished tree file from the staging folder of this store. One already there is kept when it is whole."""
        if self.tree(digest) is None:
            move_into_place(file, self._path(digest))

    def tree(self, digest: TreeDigest) -> Tree | None:
        """Return a tree, None when it is absent or damaged. Raises ValueError for a text that is no tree digest."""
        path = self._path(digest)
        try:
            with path.open("rb") as file:
                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            entries, offsets = _read_index(view)
        except (OSError, ValueError):
            return None
        if tree_digest(entries) != digest:
            return None
        return Tree(digest, view, entries, offsets)

    def prune(self, keep: Collection[TreeDigest], *, now: datetime, min_age_s: float) -> int:
        """Remove trees that nobody names and that are older than the given age; return how many."""
        kept = {self._path(digest).name for digest in keep}
        removed = 0
        for path in (self.root / FOLDER).glob(f"*{SUFFIX}"):
            if path.name in kept or now.timestamp() - path.stat().st_mtime < min_age_s:
                continue
            path.unlink(missing_ok=True)
            removed += 1
        return removed

    def _path(self, digest: TreeDigest) -> Path:
        algorithm, _, text = digest.partition(":")
        if algorithm != "sha256" or len(text) != 64 or not set(text) <= set("0123456789abcdef"):
            raise ValueError(f"{digest!r} is not a tree digest")
        return self.root / FOLDER / f"{text}{SUFFIX}"


def tree_digest(entries: Collection[TreeEntry]) -> TreeDigest:
    """Return the digest of a tree with these files, whatever their order."""
    index = b"".join(_index_line(entry) for entry in sorted(entries, key=lambda one: _path_bytes(one.path)))
    return TreeDigest(PREFIX + hashlib.sha256(index).hexdigest())


def _index_line(entry: TreeEntry) -> bytes:
    mode = "x" if entry.is_executable else "-"
    return f"{mode} {entry.sha256} {entry.size} ".encode() + _path_bytes(entry.path) + b"\0"


def _offset_index(entries: list[TreeEntry]) -> bytes:
    # The order of the lines is that of the contents, which gives the offsets.
    return b"".join(_index_line(entry) for entry in entries)


def _read_index(view: mmap.mmap) -> tuple[list[TreeEntry], list[int]]:
    """Return the files and where each content starts. Raises ValueError for a file that is not a whole tree."""
    end = len(view) - TRAILER.size
    if end < 0:
        raise ValueError("too short")
    length, magic = TRAILER.unpack(view[end:])
    if magic != MAGIC or length > end:
        raise ValueError("no trailer")
    entries: list[TreeEntry] = []
    offsets: list[int] = []
    at = 0
    for line in view[end - length : end].split(b"\0")[:-1]:
        mode, sha256, size, path = line.split(b" ", 3)
        entry = TreeEntry(
            path=path.decode("utf-8", "surrogateescape"),
            sha256=sha256.decode(),
            size=int(size),
            is_executable=mode == b"x",
        )
        entries.append(entry)
        offsets.append(at)
        at += entry.size
    if at != end - length:
        raise ValueError("contents are cut")
    return entries, offsets


def _path_bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
