"""Every file of the conformance folder is wired or still to come, and nothing is listed twice."""

import importlib
import os
import pkgutil
from pathlib import Path

import pytest

import tests.conformance as package
from tests.conformance import support


def present_files() -> set[str]:
    root = support.folder()
    files = {str(path.relative_to(root)) for path in root.rglob("*.json") if path.parent.parent == root}
    return files - {name for name in files if name.startswith("cli/") and name != "cli/index.json"}


def wired_files() -> set[str]:
    for module in pkgutil.iter_modules([str(Path(package.__file__ or "").parent)]):
        if module.name.startswith("test_"):
            importlib.import_module(f"tests.conformance.{module.name}")
    return support.WIRED


def test_the_folder_is_there_in_ci() -> None:
    if not support.folder().is_dir():
        assert not os.environ.get("CI"), f"{support.folder()} is missing; set CONFORMANCE_DIR"
        pytest.skip(f"{support.folder()} is not beside this clone")


def test_every_file_is_wired_or_still_to_come() -> None:
    still_to_come = set(support.pending()["files"])
    assert present_files() - wired_files() - still_to_come == set()


def test_nothing_wired_is_listed_as_still_to_come() -> None:
    assert set(support.pending()["files"]) & wired_files() == set()


def test_every_excluded_row_has_a_reason() -> None:
    for name, rows in support.pending()["rows"].items():
        for row, reason in rows.items():
            assert reason.strip(), f"{name}: {row}"
