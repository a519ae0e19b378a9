"""Names what this machine lacks for the project's commands, and the command that brings each."""

import shutil
import sys

FREE_GB = 5


def missing() -> list[str]:
    found = []
    if sys.version_info < (3, 11):  # noqa: UP036  (this file alone is run by the interpreter that is there)
        found.append(
            f"Python >= 3.11 (this is {sys.version.split()[0]}): apt-get install python3.11, or set PYTHON="
        )
    if not shutil.which("git"):
        found.append("git: apt-get install git")
    if not shutil.which("go"):
        found.append("Go >= 1.26 (builds the renderer): install it and put it on PATH")
    free_gb = shutil.disk_usage(".").free / 1e9
    if free_gb < FREE_GB:
        found.append(f"{FREE_GB} GB of free disk ({free_gb:.1f} GB here): free some space")
    return found


if __name__ == "__main__":
    lacking = missing()
    for line in lacking:
        print(f"missing: {line}", file=sys.stderr)
    sys.exit(1 if lacking else 0)
