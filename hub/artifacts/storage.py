"""The files that artifacts point at, on a local directory, as Flux's clients address them: `<kind>/<namespace>/<name>/<file>`.

Beside every file stands its digest, written first; a file is there for readers only while its bytes have that digest. Readers take
no lock: a file never changes under its name, it appears and disappears whole. Keeps the current file of an object and the one
before, for clients that are still reading.
"""

import contextlib
import hashlib
import re
import shutil
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from hub.artifacts.staging import move_into_place, staging_folder

DIGEST_SUFFIX = ".digest"
MAX_DELETIONS = 1000
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:+-]*")
_CHUNK = 1 << 20

Identity = tuple[int, int, int]


class Presence(StrEnum):
    """What is found under an artifact's path."""

    PRESENT = "present"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What outlives its replacement: files younger than `ttl`, and the newest `records`, the current one included."""

    ttl: timedelta = timedelta(seconds=60)
    records: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in the storage: what an artifact's status says of it."""

    path: str
    digest: str
    size: int


class ArtifactStorage:
    """The artifact files below one directory. One process writes; the methods block and belong into a thread."""

    def __init__(self, root: Path, retention: Retention | None = None) -> None:
        self.root = root
        self.retention = retention or Retention()
        self._verified: dict[str, Identity] = {}
        self._lock = threading.Lock()

    def store(self, file: Path, *, path: str, digest: str) -> StoredFile:
        """Take over a finished file from the staging folder of this storage."""
        target = self._locate(path)
        size = file.stat().st_size
        with staging_folder(self.root) as folder:
            note = folder / "digest"
            note.write_text(digest)
            # The digest goes first: a file without one is not there for readers.
            move_into_place(note, _digest_file(target))
        move_into_place(file, target)
        return StoredFile(path=path, digest=digest, size=size)

    def check(self, path: str, digest: str) -> Presence:
        """Read the whole file and tell whether it is the one that was stored under this digest."""
        target = self._locate(path)
        try:
            found = file_digest(target)
        except OSError:
            return Presence.MISSING
        return Presence.PRESENT if found == digest else Presence.CORRUPT

    def readable(self, path: str) -> Path | None:
        """Return the file to serve for a path, None for one that is not listed, not whole or no path of an artifact at all.

        A file is hashed when it is first asked for and again whenever it is another one (inode, size or time).
        """
        try:
            target = self._locate(path)
            stat = target.stat()
            identity = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            with self._lock:
                if self._verified.get(path) == identity:
                    return target
            if file_digest(target) != _digest_file(target).read_text():
                return None
        except (OSError, ValueError):
            return None
        with self._lock:
            self._verified[path] = identity
        return target

    def remove(self, path: str) -> None:
        """Remove one file, as after a failed check."""
        self._remove_file(self._locate(path))

    def remove_all(self, directory: str) -> int:
        """Remove everything of one object (`<kind>/<namespace>/<name>`); return how many files there were."""
        target = self._locate_directory(directory)
        count = len(_artifact_files(target))
        shutil.rmtree(target, ignore_errors=True)
        with self._lock:
            self._verified = {
                path: identity
                for path, identity in self._verified.items()
                if not path.startswith(directory + "/")
            }
        return count

    def collect(self, current: str, *, now: datetime) -> int:
        """Remove what retention no longer keeps beside the current file (a path); return how many files."""
        keep = self._locate(current)
        others = [file for file in _artifact_files(keep.parent) if file != keep]
        times = {file: file.stat().st_mtime for file in others}
        newest_first = sorted(others, key=lambda file: times[file], reverse=True)
        # The current file is one of the records.
        surplus = newest_first[max(self.retention.records - 1, 0) :]
        oldest_allowed = now.timestamp() - self.retention.ttl.total_seconds()
        expired = [file for file in surplus if times[file] < oldest_allowed][:MAX_DELETIONS]
        for file in expired:
            self._remove_file(file)
        return len(expired)

    def _remove_file(self, target: Path) -> None:
        with self._lock:
            self._verified.pop(str(target.relative_to(self.root)), None)
        # The file goes first: its digest alone serves nothing.
        target.unlink(missing_ok=True)
        _digest_file(target).unlink(missing_ok=True)

    def _locate(self, path: str) -> Path:
        """Return the place of `<kind>/<namespace>/<name>/<file>`. Raises ValueError for anything else."""
        directory, _, name = path.rpartition("/")
        if not _SEGMENT.fullmatch(name) or name.endswith(DIGEST_SUFFIX):
            raise ValueError(f"{path!r} is not the path of an artifact")
        return self._locate_directory(directory) / name

    def _locate_directory(self, directory: str) -> Path:
        segments = directory.split("/")
        if len(segments) != 3 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise ValueError(f"{directory!r} is not the directory of an artifact")
        return self.root.joinpath(*segments)


def artifact_directory(*, kind: str, namespace: str, name: str) -> str:
    """Return where the files of one object are, relative to the storage."""
    return f"{kind.lower()}/{namespace}/{name}"


def file_digest(path: Path) -> str:
    """Return `sha256:<hex>` of a file's bytes."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return f"sha256:{found.hexdigest()}"


def _digest_file(target: Path) -> Path:
    return target.with_name(target.name + DIGEST_SUFFIX)


def _artifact_files(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [file for file in directory.iterdir() if not file.name.endswith(DIGEST_SUFFIX)]
    return []
