import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.artifacts.staging import staging_folder, sweep_staging
from hub.artifacts.storage import (
    ArtifactStorage,
    Presence,
    Retention,
    StoredFile,
    artifact_directory,
    file_digest,
)

DIRECTORY = artifact_directory(kind="GitRepository", namespace="flux-system", name="app")
PATH = f"{DIRECTORY}/one.tar.gz"


def store(storage: ArtifactStorage, path: str = PATH, data: bytes = b"archive") -> StoredFile:
    with staging_folder(storage.root) as folder:
        file = folder / "archive"
        file.write_bytes(data)
        return storage.store(file, path=path, digest=file_digest(file))


def age(storage: ArtifactStorage, path: str, seconds: float) -> None:
    when = datetime.now(UTC).timestamp() - seconds
    os.utime(storage.root / path, (when, when))


def names(storage: ArtifactStorage) -> list[str]:
    return sorted(file.name for file in (storage.root / DIRECTORY).iterdir() if file.suffix == ".gz")


def test_a_stored_file_is_readable_and_present(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    stored = store(storage)
    assert (stored.path, stored.size) == ("gitrepository/flux-system/app/one.tar.gz", 7)
    assert storage.check(PATH, stored.digest) is Presence.PRESENT
    file = storage.readable(PATH)
    assert file is not None
    assert file.read_bytes() == b"archive"


def test_storing_again_replaces_the_file(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    store(storage)
    assert storage.readable(PATH) is not None
    stored = store(storage, data=b"another archive")
    assert storage.check(PATH, stored.digest) is Presence.PRESENT
    file = storage.readable(PATH)
    assert file is not None
    assert file.read_bytes() == b"another archive"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    assert storage.check(PATH, "sha256:0") is Presence.MISSING
    assert storage.readable(PATH) is None


def test_a_damaged_file_is_corrupt_and_not_readable_even_when_it_was(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    stored = store(storage)
    assert storage.readable(PATH) is not None
    (tmp_path / PATH).write_bytes(b"garbage")
    assert storage.check(PATH, stored.digest) is Presence.CORRUPT
    assert storage.readable(PATH) is None


def test_a_file_that_nobody_stored_is_not_readable(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    store(storage)
    (tmp_path / DIRECTORY / "stray.tar.gz").write_bytes(b"stray")
    assert storage.readable(f"{DIRECTORY}/stray.tar.gz") is None


def test_a_new_process_reads_what_an_old_one_stored(tmp_path: Path) -> None:
    store(ArtifactStorage(tmp_path))
    assert ArtifactStorage(tmp_path).readable(PATH) is not None


@pytest.mark.parametrize(
    "path",
    [
        "../secret/x/y",
        "gitrepository/../../etc/passwd",
        "gitrepository/ns/name/..",
        "gitrepository/ns/name/.hidden",
        "gitrepository/ns/name/a/b",
        "/gitrepository/ns/name",
        "gitrepository/ns/name/",
        "gitrepository/ns/name/a\0b",
        "gitrepository/ns/name/one.tar.gz.digest",
        "a/b/c",
        "",
    ],
)
def test_what_is_no_artifact_path_is_neither_read_nor_written(tmp_path: Path, path: str) -> None:
    storage = ArtifactStorage(tmp_path / "storage")
    assert storage.readable(path) is None
    with pytest.raises(ValueError, match="is not the"):
        store(storage, path)


def test_current_and_previous_are_kept_and_older_ones_leave_when_they_expire(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path, Retention(ttl=timedelta(seconds=60), records=2))
    for number, seconds in enumerate((300, 200, 100, 0)):
        path = f"{DIRECTORY}/{number}.tar.gz"
        store(storage, path)
        age(storage, path, seconds)
    assert storage.collect(f"{DIRECTORY}/3.tar.gz", now=datetime.now(UTC)) == 2
    assert names(storage) == ["2.tar.gz", "3.tar.gz"]
    assert len(list((tmp_path / DIRECTORY).iterdir())) == 4, "digests leave with their files"


def test_young_files_and_the_current_one_outlive_any_number_of_records(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path, Retention(ttl=timedelta(seconds=60), records=1))
    for number, seconds in enumerate((900, 30, 20)):
        path = f"{DIRECTORY}/{number}.tar.gz"
        store(storage, path)
        age(storage, path, seconds)
    assert storage.collect(f"{DIRECTORY}/0.tar.gz", now=datetime.now(UTC)) == 0
    assert names(storage) == ["0.tar.gz", "1.tar.gz", "2.tar.gz"]


def test_removing_an_object_removes_its_files_and_no_others(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    other = "gitrepository/flux-system/app-two/one.tar.gz"
    store(storage)
    store(storage, other)
    assert storage.remove_all(DIRECTORY) == 1
    assert storage.readable(PATH) is None
    assert storage.readable(other) is not None


def test_what_a_dead_process_left_half_done_is_swept_away(tmp_path: Path) -> None:
    storage = ArtifactStorage(tmp_path)
    store(storage)
    leftover = tmp_path / ".staging" / "dead" / "archive"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    sweep_staging(tmp_path)
    assert not leftover.exists()
    assert storage.readable(PATH) is not None
