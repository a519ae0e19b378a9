"""Writes anew what a real server says to the table: `python -m e2e.contract.table`."""

from e2e.contract.table.cases import CASES
from e2e.contract.table.real import played_on
from e2e.contract.table.recording import FILE, written
from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane


def main() -> None:
    """Play the table on a plane that is started for it."""
    with memory_folder() as folder, Plane("table", folder) as plane:
        FILE.write_text(written(played_on(plane, CASES)))


if __name__ == "__main__":
    main()
