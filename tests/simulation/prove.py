"""Proves that the simulation finds what it is there to find: each patch of `mutants` is a fault that some seed must show.

    python -m tests.simulation.prove [NAME ...]

Each is applied to a copy of the tree, and seeds run there, one after the other, until one fails. A patch that applies no more, or that no seed
finds, fails the proof.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = Path(__file__).parent / "mutants"
MOST_SEEDS = 300
AT_ONCE = 2
_COPIED = ("agent", "hub", "protos", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of one mutant: the seed that found it and how it showed, or why nobody did."""

    name: str
    seconds: float
    seed: int | None
    words: str


def prove(patch: Path) -> Proof:
    """Let seeds run on a tree with the fault."""
    began_s = time.monotonic()

    def proof(seed: int | None, words: str) -> Proof:
        return Proof(name=patch.stem, seconds=time.monotonic() - began_s, seed=seed, words=words)

    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        for part in _COPIED:
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, Path(folder) / part, ignore=left_out)
        applied = subprocess.run(
            ["git", "apply", str(patch)],
            check=False,
            cwd=folder,
            env=_apart(folder),
            capture_output=True,
            text=True,
        )
        if applied.returncode:
            return proof(None, f"it applies no more: {applied.stderr.strip()}")
        command = [sys.executable, "-m", "tests.simulation.find", str(MOST_SEEDS)]
        found = subprocess.run(
            command, check=False, cwd=folder, env=_apart(folder), capture_output=True, text=True
        )
    if found.returncode:
        return proof(None, f"the search failed: {found.stderr.strip()[-2000:]}")
    seed, _, words = found.stdout.strip().partition(" ")
    return proof(int(seed) if seed.isdigit() else None, words or f"not found by {MOST_SEEDS} seeds")


def _apart(folder: str) -> dict[str, str]:
    """Return an environment in which nothing of the tree that the copy is of is found."""
    return {**os.environ, "PYTHONPATH": folder, "GIT_CEILING_DIRECTORIES": str(Path(folder).parent)}


def main(names: list[str]) -> int:
    """Prove all mutants, or those that are named."""
    patches = sorted(one for one in MUTANTS.glob("*.patch") if not names or one.stem in names)
    hidden = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(prove, patches):
            verdict = f"seed {one.seed}" if one.seed is not None else "NOT FOUND"
            print(f"{one.name:<26}{one.seconds:>5.0f} s  {verdict:<10} {one.words}", flush=True)
            hidden += [one.name] if one.seed is None else []
    print(f"{len(patches) - len(hidden)} of {len(patches)} mutants are found")
    return 1 if hidden or not patches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
