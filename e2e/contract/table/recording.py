"""What a real server said, kept for tests that need none: a case a line. Read and written; who plays the cases is others' business."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[3] / "tests" / "hub" / "sandbox" / "recorded" / "table.jsonl"


def written(said: Mapping[str, list[Any]]) -> str:
    """Return the text of the file, in the order of the table."""
    lines = (
        json.dumps([name, answers], ensure_ascii=False, separators=(",", ":"))
        for name, answers in said.items()
    )
    return "".join(f"{line}\n" for line in lines)


def recorded() -> dict[str, list[Any]]:
    """Return what is kept, by the name of the case."""
    return dict(json.loads(line) for line in FILE.read_text().splitlines())
