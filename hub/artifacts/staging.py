"""Files on their way into a store: written beside it, made durable, then moved in by one rename.

Whoever dies in between leaves a folder that the next start sweeps away, and never a half-written file under a final name.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = ".staging"


@contextlib.contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """Give a private folder on the store's own file system, gone afterwards."""
    parent = root / FOLDER
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_staging(root: Path) -> None:
    """Remove what an earlier process left behind; only while no other process uses this store."""
    shutil.rmtree(root / FOLDER, ignore_errors=True)


def move_into_place(source: Path, target: Path) -> None:
    """Make a finished file durable under its final name; readers see the whole of it or nothing."""
    target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    sync_file(source)
    source.replace(target)
    # Without this a crash may forget the name although the content is on the disk.
    sync_file(target.parent)


def sync_file(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
