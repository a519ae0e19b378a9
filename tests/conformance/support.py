"""Reads the conformance data: thousands of input -> output rows that this implementation must reproduce.

The folder comes from CONFORMANCE_DIR (default ../shared/conformance beside the project). A file is wired by
calling `cases("dir/file.json")` in one test module of this folder; `test_completeness.py` fails for a file that is neither
wired nor listed in `pending.json`.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WIRED: set[str] = set()


def folder() -> Path:
    return Path(os.environ.get("CONFORMANCE_DIR") or ROOT.parent / "shared" / "conformance")


def pending() -> dict[str, Any]:
    """`{"files": [names still to come], "rows": {file: {case name: reason}}}`."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / "pending.json").read_text())
    return document


def load(name: str) -> dict[str, Any]:
    """The whole document of one file, `{}` when the folder does not have it."""
    path = folder() / name
    if not path.exists():
        return {}
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def cases(name: str) -> list[Any]:
    """One pytest parameter per row of the file; wires the file."""
    WIRED.add(name)
    excluded = pending()["rows"].get(name, {})
    rows = load(name).get("cases", [])
    return [pytest.param(row, id=row["name"]) for row in rows if row["name"] not in excluded]
