"""One real plane for the contract: most of it only reads, and what writes stays in namespaces and groups of its own.

What looks at a plane as it is in the beginning runs first, by the names of the files.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.planes.plane import Plane


@pytest.fixture(scope="session")
def plane(memory: Path) -> Iterator[Plane]:
    with Plane("contract", memory) as plane:
        yield plane
