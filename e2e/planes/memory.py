"""Folders in memory for a run of the harness. A run that was killed leaves its folder; the next one takes it away."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "cartwheel-"


@contextmanager
def memory_folder(root: Path = Path("/dev/shm")) -> Iterator[Path]:
    """Give a folder that is gone afterwards; on disk where there is no memory to be had."""
    root = root if root.is_dir() else Path(tempfile.gettempdir())
    _sweep(root)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Remove the folders of runs whose process is gone."""
    for folder in root.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
